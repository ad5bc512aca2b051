#ifndef CV_NET_TLS_TUNE_H
#define CV_NET_TLS_TUNE_H

#include <openssl/ssl.h>

/* Private to net: how OpenSSL moves bytes, the same for streams that were accepted and that libcurl
 * dialled. */

/* Bytes that one read of the socket may bring: several records. Given back while a stream is idle.
 */
#define CV_TLS_READ_BUFFER ((size_t)128 * 1024)

void cv_tls_tune(SSL_CTX *ctx);

#endif
