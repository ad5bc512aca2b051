#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "net/gcm.h"
#include "net/log.h"
#include "net/tls_stream.h"

#define GROUPS "X25519:P-256"

struct cv_tls {
    uv_mutex_t lock;
    SSL_CTX *ctx; /* owned, changed under the lock; streams hold references of their own */
    char *cert_file, *key_file;
    char *client_ca; /* or NULL */
};

/* RFC 7301. Without http/1.1 in the list the client may still speak it: go on without a word. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned int in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int configure(SSL_CTX *ctx, char *error, size_t error_size)
{
    static const unsigned char context[] = "culvert";

    cv_tls_tune(ctx);
    cv_tls_take_records(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    /* Resumption by tickets alone: the server keeps nothing. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 1); /* one is used once: OpenSSL would send two */
    if (cv_tls_restrict(ctx) == 0 && SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
        SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) == 1)
        return 0;
    snprintf(error, error_size, "TLS: %s", cv_tls_why());
    return -ENOMEM;
}

/* Asks clients for a certificate of one of those authorities. */
static int ask_clients(SSL_CTX *ctx, const char *file, char *error, size_t error_size)
{
    STACK_OF(X509_NAME) * names;
    int rc;

    if (!file)
        return 0;
    rc = cv_tls_check_readable(file, error, error_size);
    if (rc < 0)
        return rc;
    names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_file(ctx, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        snprintf(error, error_size, "%s: no usable certificate: %s", file, cv_tls_why());
        return CV_ESYNTAX;
    }
    SSL_CTX_set_client_CA_list(ctx, names); /* taken */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return 0;
}

static int build(SSL_CTX **out, const struct cv_tls *tls, char *error, size_t error_size)
{
    SSL_CTX *ctx;
    int rc;

    ERR_clear_error();
    ctx = SSL_CTX_new_ex(NULL, cv_gcm_properties(), TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "TLS: %s", cv_tls_why());
        return -ENOMEM;
    }
    rc = configure(ctx, error, error_size);
    if (rc == 0)
        rc = cv_tls_use_pair(ctx, tls->cert_file, tls->key_file, error, error_size);
    if (rc == 0)
        rc = ask_clients(ctx, tls->client_ca, error, error_size);
    ERR_clear_error();
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *out = ctx;
    return 0;
}

static int copy(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? -ENOMEM : 0;
}

int cv_tls_new(struct cv_tls **out, const struct cv_tls_files *files, char *error,
               size_t error_size)
{
    struct cv_tls *tls = calloc(1, sizeof(*tls));
    int rc = -ENOMEM;

    if (tls && uv_mutex_init(&tls->lock) < 0) {
        free(tls);
        tls = NULL;
    }
    if (tls && copy(&tls->cert_file, files->cert) == 0 && copy(&tls->key_file, files->key) == 0 &&
        copy(&tls->client_ca, files->client_ca) == 0)
        rc = build(&tls->ctx, tls, error, error_size);
    else
        snprintf(error, error_size, "%s", cv_strerror(rc));
    if (rc < 0) {
        cv_tls_free(tls);
        return rc;
    }
    *out = tls;
    return 0;
}

int cv_tls_reload(struct cv_tls *tls, char *error, size_t error_size)
{
    SSL_CTX *fresh, *old;
    int rc = build(&fresh, tls, error, error_size);

    if (rc < 0)
        return rc;
    uv_mutex_lock(&tls->lock);
    old = tls->ctx;
    tls->ctx = fresh;
    uv_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    return 0;
}

void cv_tls_free(struct cv_tls *tls)
{
    if (!tls)
        return;
    uv_mutex_destroy(&tls->lock);
    SSL_CTX_free(tls->ctx);
    free(tls->cert_file);
    free(tls->key_file);
    free(tls->client_ca);
    free(tls);
}

int cv_stream_new_tls(struct cv_stream **out, struct cv_loop *loop, int fd, struct cv_tls *tls)
{
    return cv_stream_new_tls_early(out, loop, fd, tls, NULL, 0);
}

int cv_stream_new_tls_early(struct cv_stream **out, struct cv_loop *loop, int fd,
                            struct cv_tls *tls, const void *early, size_t len)
{
    SSL *ssl;
    int rc;

    ERR_clear_error();
    uv_mutex_lock(&tls->lock);
    ssl = SSL_new(tls->ctx);
    uv_mutex_unlock(&tls->lock);
    if (!ssl)
        return -ENOMEM;
    SSL_set_accept_state(ssl);
    rc = cv_tls_stream_new(out, loop, fd, ssl, early, len);
    if (rc < 0)
        SSL_free(ssl);
    return rc;
}

/* Writes @name into @out without blanks. */
static size_t write_name(char *out, size_t size, const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    struct cv_text text;
    char *raw = NULL;
    long len = 0;

    cv_text_init(&text, out, size);
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) > 0)
        len = BIO_get_mem_data(bio, &raw);
    for (long i = 0; i < len; i++) {
        bool pair = raw[i] == '\\' && i + 1 < len; /* an escape: read as one */

        if (raw[i + pair] == ' ')
            cv_text_str(&text, "\\20");
        else
            cv_text_bytes(&text, raw + i, pair ? 2 : 1);
        i += pair;
    }
    BIO_free(bio);
    return text.truncated ? 0 : text.len;
}

bool cv_stream_tls_shakes(const struct cv_stream *stream)
{
    const SSL *ssl = cv_stream_is_tls(stream) ? cv_tls_stream_ssl(stream) : NULL;

    return ssl && SSL_get_state(ssl) != TLS_ST_BEFORE && !SSL_is_init_finished(ssl);
}

size_t cv_stream_tls_subject(const struct cv_stream *stream, char *out, size_t size)
{
    const SSL *ssl;
    X509 *certificate;
    size_t len;

    if (!cv_stream_is_tls(stream))
        return 0;
    ssl = cv_tls_stream_ssl(stream);
    certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK)
        return 0;
    len = write_name(out, size, X509_get_subject_name(certificate));
    ERR_clear_error();
    return len;
}
