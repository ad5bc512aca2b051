#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "net/log.h"
#include "net/tls_stream.h"

/* Both versions: forward secrecy and AEAD only; AES-128 first, it is the fastest where there are
 * instructions for it, and OpenSSL honours a client without them that puts ChaCha first
 * (SSL_OP_PRIORITIZE_CHACHA). */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_12                                                \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"

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

int cv_tls_restrict(SSL_CTX *ctx)
{
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
                   SSL_CTX_set_ciphersuites(ctx, SUITES_13) == 1 &&
                   SSL_CTX_set_cipher_list(ctx, SUITES_12) == 1
               ? 0
               : -ENOMEM;
}

const char *cv_tls_why(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    return reason ? reason : "unknown reason";
}

/* OpenSSL's own words for a missing file do not name it. */
int cv_tls_check_readable(const char *file, char *error, size_t error_size)
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

int cv_tls_use_pair(SSL_CTX *ctx, const char *cert_file, const char *key_file, char *error,
                    size_t error_size)
{
    int rc = cv_tls_check_readable(cert_file, error, error_size);

    if (rc == 0)
        rc = cv_tls_check_readable(key_file, error, error_size);
    if (rc < 0)
        return rc;
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1) {
        snprintf(error, error_size, "%s: no usable certificate: %s", cert_file, cv_tls_why());
        return CV_ESYNTAX;
    }
    /* The second check is for a key of another type, which the first takes for that of a
     * certificate to come. */
    if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ctx) != 1) {
        snprintf(error, error_size, "%s: no usable key for %s: %s", key_file, cert_file,
                 cv_tls_why());
        return CV_ESYNTAX;
    }
    return 0;
}
