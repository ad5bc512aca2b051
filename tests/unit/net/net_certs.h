#ifndef TESTS_UNIT_NET_CERTS_H
#define TESTS_UNIT_NET_CERTS_H

/* A certificate authority made on the spot and a server's certificate of it, as PEM files in a new
 * folder. */
struct certs {
    char folder[64];
    char ca[128], cert[128], key[128];
};

/* Of a server that asks no client for a certificate. */
#define CERT_FILES(certs) (&(struct cv_tls_files){(certs).cert, (certs).key, NULL})

/* @name: a DNS name or an IP address, the only one that the certificate is for. */
void certs_make(struct certs *certs, const char *name);

/* Makes another certificate and key in the same files. */
void certs_renew(struct certs *certs, const char *name);
void certs_remove(struct certs *certs);

#endif
