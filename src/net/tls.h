#ifndef CV_NET_TLS_H
#define CV_NET_TLS_H

#include "net/stream.h"

/* The server's side of TLS 1.2 and 1.3: certificate and key from PEM files, modern AEAD suites,
 * ALPN http/1.1. Loops on several threads may share one. */
struct cv_tls;

/* Reads both files. On failure @error, one line cut at @error_size, says which file and why.
 * Returns 0, -ENOMEM, -errno of a file, or CV_ESYNTAX for one that is no usable PEM or does not
 * match. */
int cv_tls_new(struct cv_tls **out, const char *cert_file, const char *key_file, char *error,
               size_t error_size) CV_MUST_USE;

/* Reads the files anew; running streams keep what they have, and on failure so does @tls. Errors as
 * above. */
int cv_tls_reload(struct cv_tls *tls, char *error, size_t error_size) CV_MUST_USE;
void cv_tls_free(struct cv_tls *tls);

/* As cv_stream_new(), with a TLS handshake that runs as the stream is first read and written. @tls
 * is borrowed for this call only. */
int cv_stream_new_tls(struct cv_stream **out, struct cv_loop *loop, int fd,
                      struct cv_tls *tls) CV_MUST_USE;

#endif
