#ifndef CV_NET_TLS_H
#define CV_NET_TLS_H

#include "net/stream.h"

/* The server's side of TLS 1.2 and 1.3: certificate and key from PEM files, modern AEAD suites,
 * ALPN http/1.1. Loops on several threads may share one. */
struct cv_tls;

/* The files that a context is made from. Strings are copied. */
struct cv_tls_files {
    const char *cert, *key;
    const char *client_ca; /* NULL: no client is asked for a certificate */
};

/* Reads the files. A client that shows a certificate must show a good one; it need not show any. On
 * failure @error, one line cut at @error_size, says which file and why.
 * Returns 0, -ENOMEM, -errno of a file, or CV_ESYNTAX for one that is no usable PEM or does not
 * match. */
int cv_tls_new(struct cv_tls **out, const struct cv_tls_files *files, char *error,
               size_t error_size) CV_MUST_USE;

/* Reads the files anew; running streams keep what they have, and on failure so does @tls. Errors as
 * above. */
int cv_tls_reload(struct cv_tls *tls, char *error, size_t error_size) CV_MUST_USE;
void cv_tls_free(struct cv_tls *tls);

/* As cv_stream_new(), with a TLS handshake that runs as the stream is first read and written. @tls
 * is borrowed for this call only. */
int cv_stream_new_tls(struct cv_stream **out, struct cv_loop *loop, int fd,
                      struct cv_tls *tls) CV_MUST_USE;

/* The same when the first @len bytes were read from @fd already; copied. */
int cv_stream_new_tls_early(struct cv_stream **out, struct cv_loop *loop, int fd,
                            struct cv_tls *tls, const void *early, size_t len) CV_MUST_USE;

/* Whether the other end has begun a handshake that is not done. False of what is no TLS. */
bool cv_stream_tls_shakes(const struct cv_stream *stream);

/* The subject of the certificate that the client showed and that was verified, as RFC 4514 writes
 * it, with blanks as \20: `CN=laptop,O=Example\20Ltd`, ended by NUL. Returns its length; 0 when
 * there is none, the stream is no TLS, or it does not fit. */
size_t cv_stream_tls_subject(const struct cv_stream *stream, char *out, size_t size);

#endif
