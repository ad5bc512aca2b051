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
#include "net/stream_kind.h"
#include "net/tls_tune.h"

/* Both versions: forward secrecy and AEAD only; AES-128 first, it is the fastest where there are
 * instructions for it, and OpenSSL honours a client without them that puts ChaCha first
 * (SSL_OP_PRIORITIZE_CHACHA). */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_12                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define GROUPS "X25519:P-256"

struct cv_tls {
    SSL_CTX *ctx; /* owned; streams hold references of their own */
    char *cert_file, *key_file;
};

struct tls_stream {
    struct cv_stream base;
    SSL *ssl;
    int failed; /* the error that ended it: OpenSSL must not be asked again; 0: none */
    bool more;  /* the last read did not run dry */
};

static struct tls_stream *tls_of(struct cv_stream *stream)
{
    return cv_container_of(stream, struct tls_stream, base);
}

void cv_tls_tune(SSL_CTX *ctx)
{
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_read_buffer_len(ctx, CV_TLS_READ_BUFFER);
    /* A cut must not pass for an end: whoever cuts the line could else shorten what is sent. */
    SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
}

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

/* The first error says why; those after it say where in OpenSSL. */
static const char *why(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    return reason ? reason : "unknown reason";
}

static int configure(SSL_CTX *ctx, char *error, size_t error_size)
{
    static const unsigned char context[] = "culvert";

    cv_tls_tune(ctx);
    SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    /* Resumption by tickets alone: the server keeps nothing. */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
        SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1 &&
        SSL_CTX_set_cipher_list(ctx, SUITES_12) == 1 &&
        SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
        SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) == 1)
        return 0;
    snprintf(error, error_size, "TLS: %s", why());
    return -ENOMEM;
}

/* OpenSSL's own words for a missing file do not name it. */
static int check_readable(const char *file, char *error, size_t error_size)
{
    int rc = 0;

    if (access(file, R_OK) < 0) {
        rc = -errno;
        snprintf(error, error_size, "%s: %s", file, cv_strerror(rc));
    }
    return rc;
}

/* An encrypted key would make OpenSSL ask at the terminal. */
static int no_password(char *buf, int size, int writing, void *ctx)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static int load(SSL_CTX *ctx, const struct cv_tls *tls, char *error, size_t error_size)
{
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    if (SSL_CTX_use_certificate_chain_file(ctx, tls->cert_file) != 1) {
        snprintf(error, error_size, "%s: no usable certificate: %s", tls->cert_file, why());
        return CV_ESYNTAX;
    }
    /* The second check is for a key of another type, which the first takes for that of a
     * certificate to come. */
    if (SSL_CTX_use_PrivateKey_file(ctx, tls->key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(error, error_size, "%s: no usable key for %s: %s", tls->key_file, tls->cert_file,
                 why());
        return CV_ESYNTAX;
    }
    return 0;
}

static int build(SSL_CTX **out, const struct cv_tls *tls, char *error, size_t error_size)
{
    SSL_CTX *ctx;
    int rc = check_readable(tls->cert_file, error, error_size);

    if (rc == 0)
        rc = check_readable(tls->key_file, error, error_size);
    if (rc < 0)
        return rc;
    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) {
        snprintf(error, error_size, "TLS: %s", why());
        return -ENOMEM;
    }
    rc = configure(ctx, error, error_size);
    if (rc == 0)
        rc = load(ctx, tls, error, error_size);
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
    SSL_CTX *fresh;
    int rc = build(&fresh, tls, error, error_size);

    if (rc < 0)
        return rc;
    SSL_CTX_free(tls->ctx);
    tls->ctx = fresh;
    return 0;
}

void cv_tls_free(struct cv_tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    free(tls->cert_file);
    free(tls->key_file);
    free(tls);
}

/* The code of a fatal error of OpenSSL, that errno and its queue describe. */
static int fatal_code(int kind, int saved_errno)
{
    unsigned long reason = ERR_peek_error();

    if (kind == SSL_ERROR_SYSCALL)
        return saved_errno ? -saved_errno : -ECONNRESET;
    if (ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return -ECONNRESET;
    return -EPROTO;
}

/* What a result of @ssl that is not a count means: 0 an orderly end, -EAGAIN with *@direction set,
 * or an error that ended the stream. */
static int outcome(struct tls_stream *tls, int result, int *direction)
{
    int saved_errno = errno;
    int kind = SSL_get_error(tls->ssl, result);

    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        *direction = kind == SSL_ERROR_WANT_READ ? UV_READABLE : UV_WRITABLE;
        return -EAGAIN;
    }
    tls->failed = fatal_code(kind, saved_errno);
    ERR_clear_error();
    return tls->failed;
}

/* Fills @buf as far as records have come: a record is 16 KiB at most, and each call to OpenSSL
 * brings one. */
static ssize_t tls_recv(struct cv_stream *stream, void *buf, size_t len)
{
    struct tls_stream *tls = tls_of(stream);
    int direction = UV_READABLE;
    size_t got = 0;
    int rc = 0;

    if (tls->failed)
        return tls->failed;
    while (got < len) {
        size_t n;

        ERR_clear_error();
        errno = 0;
        rc = SSL_read_ex(tls->ssl, (uint8_t *)buf + got, len - got, &n);
        if (rc != 1)
            break;
        got += n;
    }
    tls->more = rc == 1;
    if (rc != 1)
        rc = outcome(tls, rc, &direction);
    /* Reading may have moved on the handshake that a write waits for: that one may try again. */
    cv_stream_waits(stream, direction, UV_WRITABLE);
    return got ? (ssize_t)got : rc;
}

static ssize_t tls_send(struct cv_stream *stream, const void *buf, size_t len)
{
    struct tls_stream *tls = tls_of(stream);
    int direction = UV_WRITABLE;
    size_t n = 0;
    int rc;

    if (tls->failed)
        return tls->failed;
    if (len == 0)
        return 0;
    ERR_clear_error();
    errno = 0;
    rc = SSL_write_ex(tls->ssl, buf, len, &n);
    if (rc != 1) {
        rc = outcome(tls, rc, &direction);
        if (rc == 0)
            rc = -EPIPE;
    }
    cv_stream_waits(stream, UV_READABLE, direction);
    return rc == 1 ? (ssize_t)n : rc;
}

static int tls_goodbye(struct cv_stream *stream)
{
    struct tls_stream *tls = tls_of(stream);
    int rc;

    if (tls->failed || !SSL_is_init_finished(tls->ssl))
        return 0;
    ERR_clear_error();
    rc = SSL_shutdown(tls->ssl);
    if (rc < 0 && SSL_get_error(tls->ssl, rc) == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    ERR_clear_error();
    return 0;
}

static void tls_close(struct cv_stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    if (!stream->reset)
        tls_goodbye(stream);
    SSL_free(tls->ssl);
    close(stream->fd);
}

static bool tls_buffered(const struct cv_stream *stream)
{
    const struct tls_stream *tls = tls_of((struct cv_stream *)stream);

    return tls->more && SSL_has_pending(tls->ssl);
}

static const struct cv_stream_kind tls_kind = {
    .tls = true,
    .recv = tls_recv,
    .send = tls_send,
    .goodbye = tls_goodbye,
    .close = tls_close,
    .buffered = tls_buffered,
};

int cv_stream_new_tls(struct cv_stream **out, struct cv_loop *loop, int fd, struct cv_tls *tls)
{
    struct tls_stream *stream = cv_alloc_zero(&loop->alloc, sizeof(*stream));
    int rc = -ENOMEM;

    if (!stream)
        return -ENOMEM;
    ERR_clear_error();
    stream->ssl = SSL_new(tls->ctx);
    if (stream->ssl && SSL_set_fd(stream->ssl, fd) == 1) {
        SSL_set_accept_state(stream->ssl);
        cv_stream_start(&stream->base, &tls_kind, loop, fd);
        rc = 0;
    }
    if (rc < 0) {
        SSL_free(stream->ssl); /* leaves the socket: its BIO does not own it */
        cv_free(&loop->alloc, stream);
        return rc;
    }
    *out = &stream->base;
    return 0;
}
