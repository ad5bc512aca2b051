#include "net/record.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/objects.h>
#include <string.h>

#include "base/error.h"
#include "net/gcm.h"

#define TYPE       SSL3_RT_APPLICATION_DATA /* what every protected record shows */
#define KEY_UPDATE ((size_t)5)              /* bytes of that message */

/* HKDF-Expand-Label of the secret, without a context (RFC 8446, 7.1). */
static bool expand(const struct cv_record_keys *keys, const char *label, uint8_t *out, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                         (char *)EVP_MD_get0_name(keys->digest), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)keys->secret,
                                          keys->secret_len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (void *)"tls13 ", 6),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label, strlen(label)),
        OSSL_PARAM_construct_end(),
    };
    bool done = ctx && EVP_KDF_derive(ctx, out, len, params) == 1;

    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return done;
}

static EVP_CIPHER_CTX *new_ctx(const struct cv_record_keys *keys, bool seals)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx && EVP_CipherInit_ex2(ctx, keys->cipher, keys->key, NULL, seals, NULL) == 1)
        return ctx;
    EVP_CIPHER_CTX_free(ctx);
    return NULL;
}

/* Key and IV of the secret (RFC 8446, 7.3). */
static int derive(struct cv_record_keys *keys)
{
    size_t key_len = (size_t)EVP_CIPHER_get_key_length(keys->cipher);

    if (!expand(keys, "key", keys->key, key_len) || !expand(keys, "iv", keys->iv, sizeof(keys->iv)))
        return -ENOMEM;
    EVP_CIPHER_CTX_free(keys->ctx);
    keys->ctx = new_ctx(keys, keys->seals);
    keys->number = keys->inner_number = 0;
    return keys->ctx ? 0 : -ENOMEM;
}

int cv_record_init(struct cv_record_keys *keys, const SSL_CIPHER *suite, const uint8_t *secret,
                   size_t len, bool seals)
{
    int rc = -ENOMEM;

    *keys = (struct cv_record_keys){.seals = seals, .secret_len = len, .limit = CV_RECORD_LIMIT};
    memcpy(keys->secret, secret, len);
    keys->digest = SSL_CIPHER_get_handshake_digest(suite);
    keys->cipher =
        EVP_CIPHER_fetch(NULL, OBJ_nid2sn(SSL_CIPHER_get_cipher_nid(suite)), cv_gcm_properties());
    if (keys->cipher && keys->digest)
        rc = derive(keys);
    if (rc < 0)
        cv_record_deinit(keys);
    return rc;
}

void cv_record_deinit(struct cv_record_keys *keys)
{
    EVP_CIPHER_CTX_free(keys->ctx);
    EVP_CIPHER_free(keys->cipher);
    OPENSSL_cleanse(keys, sizeof(*keys));
}

int cv_record_update(struct cv_record_keys *keys)
{
    uint8_t next[EVP_MAX_MD_SIZE];

    if (!expand(keys, "traffic upd", next, keys->secret_len))
        return -ENOMEM;
    memcpy(keys->secret, next, keys->secret_len);
    OPENSSL_cleanse(next, sizeof(next));
    return derive(keys);
}

size_t cv_record_size(const uint8_t *record)
{
    return CV_RECORD_HEAD + ((size_t)record[3] << 8 | record[4]);
}

/* The number in network order, over the end of the IV (RFC 8446, 5.3). */
static void make_nonce(const struct cv_record_keys *keys, uint64_t number, uint8_t nonce[12])
{
    memcpy(nonce, keys->iv, sizeof(keys->iv));
    for (size_t i = 0; i < sizeof(number); i++)
        nonce[11 - i] ^= (uint8_t)(number >> 8 * i);
}

static bool seal(const struct cv_record_keys *keys, EVP_CIPHER_CTX *ctx, uint64_t number,
                 uint8_t *out, uint8_t type, const uint8_t *data, size_t len)
{
    size_t body = len + 1 + CV_RECORD_TAG;
    const uint8_t head[CV_RECORD_HEAD] = {TYPE, TLS1_2_VERSION_MAJOR, TLS1_2_VERSION_MINOR,
                                          (uint8_t)(body >> 8), (uint8_t)body};
    uint8_t *at = out + CV_RECORD_HEAD;
    uint8_t nonce[12];
    int n;

    make_nonce(keys, number, nonce);
    memcpy(out, head, sizeof(head));
    return EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(ctx, NULL, &n, head, sizeof(head)) == 1 &&
           EVP_EncryptUpdate(ctx, at, &n, data, (int)len) == 1 &&
           EVP_EncryptUpdate(ctx, at + len, &n, &type, 1) == 1 &&
           EVP_EncryptFinal_ex(ctx, at + len + 1, &n) == 1 &&
           EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CV_RECORD_TAG, at + len + 1) == 1;
}

/* Takes the padding off, and the type before it; false when there is nothing else. */
static bool strip(const uint8_t *data, size_t len, uint8_t *type, size_t *data_len)
{
    while (len > 0 && data[len - 1] == 0)
        len--;
    if (len == 0)
        return false;
    *type = data[len - 1];
    *data_len = len - 1;
    return true;
}

static bool open_under(const struct cv_record_keys *keys, EVP_CIPHER_CTX *ctx, uint64_t number,
                       const uint8_t *record, size_t size, uint8_t *out, uint8_t *type, size_t *len)
{
    const uint8_t *body = record + CV_RECORD_HEAD;
    uint8_t nonce[12], tag[CV_RECORD_TAG];
    size_t inner;
    int n;

    if (size < CV_RECORD_EXTRA || size > CV_RECORD_MAX)
        return false;
    inner = size - CV_RECORD_HEAD - CV_RECORD_TAG;
    make_nonce(keys, number, nonce);
    memcpy(tag, body + inner, sizeof(tag));
    if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1 &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
        EVP_DecryptUpdate(ctx, NULL, &n, record, CV_RECORD_HEAD) == 1 &&
        EVP_DecryptUpdate(ctx, out, &n, body, (int)inner) == 1 &&
        EVP_DecryptFinal_ex(ctx, out + inner, &n) == 1)
        return strip(out, inner, type, len);
    OPENSSL_cleanse(out, inner);
    return false;
}

int cv_record_seal(struct cv_record_keys *keys, uint8_t *out, const uint8_t *data, size_t len)
{
    return seal(keys, keys->ctx, keys->number++, out, TYPE, data, len) ? 0 : -ENOMEM;
}

int cv_record_open(struct cv_record_keys *keys, const uint8_t *record, size_t size, uint8_t *out,
                   uint8_t *type, size_t *len)
{
    return open_under(keys, keys->ctx, keys->number++, record, size, out, type, len) ? 0
                                                                                     : CV_EPROTO;
}

size_t cv_record_inward(struct cv_record_keys *keys, uint8_t *record, uint8_t type,
                        const uint8_t *data, size_t len)
{
    EVP_CIPHER_CTX *ctx = new_ctx(keys, true);
    bool done = ctx && seal(keys, ctx, keys->inner_number++, record, type, data, len);

    EVP_CIPHER_CTX_free(ctx);
    return done ? len + CV_RECORD_EXTRA : 0;
}

static bool is_key_update(uint8_t type, const uint8_t *data, size_t len)
{
    return type == SSL3_RT_HANDSHAKE && len == KEY_UPDATE && data[0] == SSL3_MT_KEY_UPDATE;
}

int cv_record_outward(struct cv_record_keys *keys, uint8_t *record, size_t size)
{
    EVP_CIPHER_CTX *ctx = new_ctx(keys, false);
    uint8_t inner[CV_RECORD_MAX], type;
    size_t len;
    int rc = -EPROTO;

    if (!ctx)
        return -ENOMEM;
    if (open_under(keys, ctx, keys->inner_number++, record, size, inner, &type, &len)) {
        rc = 0;
        if (!seal(keys, keys->ctx, keys->number++, record, type, inner, len))
            rc = -ENOMEM;
        else if (is_key_update(type, inner, len))
            rc = cv_record_update(keys);
        OPENSSL_cleanse(inner, len);
    }
    EVP_CIPHER_CTX_free(ctx);
    return rc;
}
