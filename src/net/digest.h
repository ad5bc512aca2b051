#ifndef CV_NET_DIGEST_H
#define CV_NET_DIGEST_H

#include <stdbool.h>

#include "base/attr.h"

/* The digests and encodings that the pure layers ask their callers for (OpenSSL's). */

#define CV_SHA1_LEN   20
#define CV_SHA256_LEN 32

/* Return 0 or -EIO. */
int cv_sha1(uint8_t out[CV_SHA1_LEN], const void *data, size_t len) CV_MUST_USE;
int cv_sha256(uint8_t out[CV_SHA256_LEN], const void *data, size_t len) CV_MUST_USE;

/* The same with a key (RFC 2104). */
int cv_hmac_sha256(uint8_t out[CV_SHA256_LEN], const void *key, size_t key_len, const void *data,
                   size_t len) CV_MUST_USE;

/* Base64 with padding, ended by NUL; @out has room for (len + 2) / 3 * 4 + 1. */
void cv_base64(char *out, const void *data, size_t len);

/* Whether two secrets are equal, in a time that does not depend on where they differ. */
bool cv_secret_equal(const void *a, const void *b, size_t len);

/* Clears a secret so that the compiler does not leave it out. */
void cv_secret_clear(void *secret, size_t len);

#endif
