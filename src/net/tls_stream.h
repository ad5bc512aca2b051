#ifndef CV_NET_TLS_STREAM_H
#define CV_NET_TLS_STREAM_H

#include <openssl/ssl.h>

#include "net/stream.h"

/* Private to net: TLS as a stream, the same for sockets that were accepted and that we connected;
 * and what the contexts of both have in common. */

/* Bytes that one read of the socket may bring to OpenSSL, with TLS 1.2: several records. Given back
 * while a stream is idle. */
#define CV_TLS_READ_BUFFER ((size_t)128 * 1024)

/* What the socket has not taken of one call's records, or of what OpenSSL says by itself. */
#define CV_TLS_OWED_MAX CV_LINK_BUFFER

/* Records read ahead, buffers given back, a cut is no end, no compression, no renegotiation. Fits
 * contexts of libcurl as well. */
void cv_tls_tune(SSL_CTX *ctx);

/* The versions and suites that we speak. Returns 0 or -ENOMEM. */
int cv_tls_restrict(SSL_CTX *ctx) CV_MUST_USE;

/* Records of application data of its connections are our own, where TLS 1.3 is spoken:
 * net/record.h. Not for contexts whose connections are not cv_tls_stream_new()'s. */
void cv_tls_take_records(SSL_CTX *ctx);

/* Reads a certificate with its chain and its key. On failure @error, one line cut at @error_size,
 * says which file and why. Returns 0, -errno of a file, or CV_ESYNTAX for one that is no usable PEM
 * or does not match. */
int cv_tls_use_pair(SSL_CTX *ctx, const char *cert_file, const char *key_file, char *error,
                    size_t error_size) CV_MUST_USE;

/* OpenSSL's words for what failed last; the first error says why, those after it where. */
const char *cv_tls_why(void);

/* 0 or -errno; OpenSSL's own words for a missing file do not name it. */
int cv_tls_check_readable(const char *file, char *error, size_t error_size) CV_MUST_USE;

/* Takes @fd and @ssl, which knows whether it accepts or connects, on success. The handshake runs as
 * the stream is first read and written. The first @len bytes of the other end, which were read from
 * @fd already, are copied. Returns 0, -ENOMEM or libuv's code. */
int cv_tls_stream_new(struct cv_stream **out, struct cv_loop *loop, int fd, SSL *ssl,
                      const void *early, size_t len) CV_MUST_USE;

/* Goes on with the handshake: 0 it is done, -EAGAIN (watch for CV_READABLE), or the error that
 * ended it, which OpenSSL's queue still describes. */
int cv_tls_stream_shake(struct cv_stream *stream) CV_MUST_USE;

/* Borrowed. */
SSL *cv_tls_stream_ssl(const struct cv_stream *stream);

#endif
