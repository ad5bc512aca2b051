/* The plain functions of 1.1: what replaced them fetches each algorithm from a provider, and
 * setting up OpenSSL's providers costs a process without TLS two megabytes. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "net/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

int cv_sha1(uint8_t out[CV_SHA1_LEN], const void *data, size_t len)
{
    SHA_CTX ctx;
    bool done =
        SHA1_Init(&ctx) == 1 && SHA1_Update(&ctx, data, len) == 1 && SHA1_Final(out, &ctx) == 1;

    OPENSSL_cleanse(&ctx, sizeof(ctx));
    return done ? 0 : -EIO;
}

int cv_sha256(uint8_t out[CV_SHA256_LEN], const void *data, size_t len)
{
    SHA256_CTX ctx;
    bool done = SHA256_Init(&ctx) == 1 && SHA256_Update(&ctx, data, len) == 1 &&
                SHA256_Final(out, &ctx) == 1;

    OPENSSL_cleanse(&ctx, sizeof(ctx));
    return done ? 0 : -EIO;
}

void cv_base64(char *out, const void *data, size_t len)
{
    EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}

bool cv_secret_equal(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void cv_secret_clear(void *secret, size_t len)
{
    OPENSSL_cleanse(secret, len);
}

int cv_hmac_sha256(uint8_t out[CV_SHA256_LEN], const void *key, size_t key_len, const void *data,
                   size_t len)
{
    return HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL) ? 0 : -EIO;
}
