#include "net_certs.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void extend(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    cr_assert_not_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make(EVP_PKEY *key, const char *subject, X509 *issuer, EVP_PKEY *issuer_key)
{
    static long serial;
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
    X509_set_pubkey(cert, key);
    if (issuer) {
        char san[300];
        unsigned char address[16];
        bool numeric = inet_pton(AF_INET, subject, address) == 1;

        snprintf(san, sizeof(san), "%s:%s", numeric ? "IP" : "DNS", subject);
        extend(cert, NID_subject_alt_name, san);
    } else {
        extend(cert, NID_basic_constraints, "critical,CA:TRUE");
    }
    cr_assert_neq(X509_sign(cert, issuer_key, EVP_sha256()), 0);
    return cert;
}

void certs_renew(struct certs *certs, const char *name)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = make(ca_key, "test authority", NULL, ca_key);
    X509 *cert = make(key, name, ca, ca_key);
    FILE *file;

    file = fopen(certs->ca, "w");
    PEM_write_X509(file, ca);
    fclose(file);
    file = fopen(certs->cert, "w");
    PEM_write_X509(file, cert);
    fclose(file);
    file = fopen(certs->key, "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
}

void certs_make(struct certs *certs, const char *name)
{
    strcpy(certs->folder, "/tmp/culvert-certs-XXXXXX");
    cr_assert_not_null(mkdtemp(certs->folder));
    snprintf(certs->ca, sizeof(certs->ca), "%s/ca.pem", certs->folder);
    snprintf(certs->cert, sizeof(certs->cert), "%s/cert.pem", certs->folder);
    snprintf(certs->key, sizeof(certs->key), "%s/key.pem", certs->folder);
    certs_renew(certs, name);
}

void certs_remove(struct certs *certs)
{
    unlink(certs->ca);
    unlink(certs->cert);
    unlink(certs->key);
    rmdir(certs->folder);
}
