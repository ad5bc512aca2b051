#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/log.h"
#include "net/tls_stream.h"

#define GROUPS "X25519:P-256"

struct cv_tls {
    uv_mutex_t lock;
    SSL_CTX *ctx; /* owned, changed under the lock; streams hold references of their own */
    char *cert_file, *key_file;
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

static int build(SSL_CTX **out, const struct cv_tls *tls, char *error, size_t error_size)
{
    SSL_CTX *ctx;
    int rc;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "TLS: %s", cv_tls_why());
        return -ENOMEM;
    }
    rc = configure(ctx, error, error_size);
    if (rc == 0)
        rc = cv_tls_use_pair(ctx, tls->cert_file, tls->key_file, error, error_size);
    ERR_clear_error();
    if (rc < 0) {
        SSL_CTX_free(ctx);
        return rc;
    }
    *out = ctx;
    return 0;
}

int cv_tls_new(struct cv_tls **out, const char *cert_file, const char *key_file, char *error,
               size_t error_size)
{
    struct cv_tls *tls = calloc(1, sizeof(*tls));
    int rc = -ENOMEM;

    if (tls && uv_mutex_init(&tls->lock) < 0) {
        free(tls);
        tls = NULL;
    }
    if (tls) {
        tls->cert_file = strdup(cert_file);
        tls->key_file = strdup(key_file);
    }
    if (tls && tls->cert_file && tls->key_file)
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
    free(tls);
}

int cv_stream_new_tls(struct cv_stream **out, struct cv_loop *loop, int fd, struct cv_tls *tls)
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
    rc = cv_tls_stream_new(out, loop, fd, ssl);
    if (rc < 0)
        SSL_free(ssl);
    return rc;
}
