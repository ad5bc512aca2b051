#include "net/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

int cv_sha1(uint8_t out[CV_SHA1_LEN], const void *data, size_t len)
{
    return EVP_Digest(data, len, out, NULL, EVP_sha1(), NULL) == 1 ? 0 : -ENOMEM;
}

int cv_sha256(uint8_t out[CV_SHA256_LEN], const void *data, size_t len)
{
    return EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
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
