#ifndef CV_NET_TLS_CLIENT_H
#define CV_NET_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/list.h"

/* Private to net: TLS as a client, and whether it trusts the server. */

/* Servers whose last session is kept, so that the next handshake with them costs less. */
#define CV_TLS_SESSIONS_MAX 16

struct cv_tls_sessions {
    const struct cv_alloc *alloc; /* borrowed */
    struct cv_list entries;
    size_t count;
};

void cv_tls_sessions_init(struct cv_tls_sessions *sessions, const struct cv_alloc *alloc);

/* Every SSL that was made with them must be gone. */
void cv_tls_sessions_deinit(struct cv_tls_sessions *sessions);

struct cv_tls_client_options {
    const char *name;                 /* to verify, and for SNI unless it is an address */
    uint16_t port;                    /* beside the name it says which server a session is for */
    bool insecure;                    /* do not verify */
    const char *ca_file;              /* NULL: the system's */
    const char *cert_file, *key_file; /* or NULL */
};

/* A client's half before its handshake. Files are read anew each time. Returns 0, -ENOMEM, or
 * CV_ESYNTAX with one line in @error that names the file. */
int cv_tls_client_new(SSL **out, struct cv_tls_sessions *sessions,
                      const struct cv_tls_client_options *options, char *error,
                      size_t error_size) CV_MUST_USE;

/* What a handshake that failed with @code means: CV_EDENIED when it was the certificate, else
 * @code; the why goes to @text. Reads OpenSSL's queue. */
int cv_tls_client_explain(const SSL *ssl, int code, char *text, size_t size);

#endif
