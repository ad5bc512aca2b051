#ifndef CV_ACCESS_TOKEN_H
#define CV_ACCESS_TOKEN_H

#include <stdbool.h>

#include "base/attr.h"

/* A token is what an agent or visitor presents: 256 random bits as `cvt_` and 43 characters of
 * base64url without padding (RFC 4648, 5). A hash is what a credential file holds: the SHA-256 of
 * the token's text, as `sha256:` and 64 hexadecimal digits. No salt and no slow hash: nobody can
 * guess 256 random bits. */
#define CV_TOKEN_PREFIX "cvt_"
#define CV_TOKEN_RANDOM 32
#define CV_TOKEN_LEN    47
#define CV_TOKEN_MAX    1024 /* of what an agent may be given for another server */
#define CV_HASH_PREFIX  "sha256:"
#define CV_HASH_LEN     71
#define CV_TOKEN_DIGEST 32

/* Both end in NUL. */
void cv_token_format(char out[CV_TOKEN_LEN + 1], const uint8_t random[CV_TOKEN_RANDOM]);
void cv_hash_format(char out[CV_HASH_LEN + 1], const uint8_t digest[CV_TOKEN_DIGEST]);

/* CV_ESYNTAX: another shape. Digits may be of either case. */
int cv_hash_parse(uint8_t out[CV_TOKEN_DIGEST], const char *text, size_t len) CV_MUST_USE;

/* Whether @text can stand behind `Authorization: Bearer` (RFC 6750, 2.1, b64token), in 1 to
 * CV_TOKEN_MAX bytes. Wider than our own tokens, since an agent also talks to other servers. */
bool cv_token_valid(const char *text, size_t len);

/* Whether two digests are equal, in a time that does not depend on where they differ. */
bool cv_access_equal(const uint8_t a[CV_TOKEN_DIGEST], const uint8_t b[CV_TOKEN_DIGEST]);

#endif
