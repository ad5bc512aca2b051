#include "net/gcm.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "net/gcm_lib.h"

#define PROVIDER   "culvert"
#define PROPERTIES "provider=" PROVIDER

#define IV_LEN       12
#define TAG_LEN      EVP_GCM_TLS_TAG_LEN
#define FIXED_LEN    EVP_GCM_TLS_FIXED_IV_LEN
#define EXPLICIT_LEN EVP_GCM_TLS_EXPLICIT_IV_LEN
/* TLS 1.3 has 5 bytes of additional data, TLS 1.2 has EVP_AEAD_TLS1_AAD_LEN. */
#define AAD_MAX 32

/* Both stay from the first use on. */
static struct cv_gcm_lib library;
static OSSL_PROVIDER *provider; /* NULL where there is none */

struct gcm {
    struct gcm_key_data key; /* first: it wants an alignment of 64 */
    struct gcm_context_data state;
    const struct cv_gcm_calls *calls;
    bool encrypts, has_key, has_iv, has_tag;
    bool begun; /* IV and additional data are in the state */
    uint8_t iv[IV_LEN];
    uint8_t tag[TAG_LEN]; /* that was made, or shall be met */
    uint8_t aad[AAD_MAX];
    size_t aad_len;
    bool in_record; /* the additional data of a record of TLS 1.2 is there */
};

/* A context. */

static struct gcm *gcm_new(const struct cv_gcm_calls *calls)
{
    size_t align = _Alignof(struct gcm);
    struct gcm *gcm = aligned_alloc(align, (sizeof(*gcm) + align - 1) / align * align);

    if (!gcm)
        return NULL;
    memset(gcm, 0, sizeof(*gcm));
    gcm->calls = calls;
    return gcm;
}

static void *new_128(void *unused)
{
    (void)unused;
    return gcm_new(&library.aes128);
}

static void *new_256(void *unused)
{
    (void)unused;
    return gcm_new(&library.aes256);
}

static void gcm_free(void *ctx)
{
    if (ctx)
        OPENSSL_cleanse(ctx, sizeof(struct gcm));
    free(ctx);
}

static void *gcm_dup(void *ctx)
{
    struct gcm *gcm = ctx;
    struct gcm *copy = gcm_new(gcm->calls);

    if (copy)
        *copy = *gcm;
    return copy;
}

/* A message begins with its IV; the key may be that of the last. */

static int gcm_set_params(void *ctx, const OSSL_PARAM params[]);

static int start(struct gcm *gcm, const uint8_t *key, size_t key_len, const uint8_t *iv,
                 size_t iv_len, const OSSL_PARAM params[])
{
    if ((key && key_len != gcm->calls->key_len) || (iv && iv_len != IV_LEN))
        return 0;
    if (key) {
        gcm->calls->expand(key, &gcm->key);
        gcm->has_key = true;
    }
    if (iv) {
        memcpy(gcm->iv, iv, IV_LEN);
        gcm->has_iv = true;
    }
    gcm->begun = gcm->has_tag = false;
    gcm->aad_len = 0;
    return gcm_set_params(gcm, params);
}

static int encrypt_init(void *ctx, const unsigned char *key, size_t key_len,
                        const unsigned char *iv, size_t iv_len, const OSSL_PARAM params[])
{
    struct gcm *gcm = ctx;

    gcm->encrypts = true;
    return start(gcm, key, key_len, iv, iv_len, params);
}

static int decrypt_init(void *ctx, const unsigned char *key, size_t key_len,
                        const unsigned char *iv, size_t iv_len, const OSSL_PARAM params[])
{
    struct gcm *gcm = ctx;

    gcm->encrypts = false;
    return start(gcm, key, key_len, iv, iv_len, params);
}

static void crypt_part(struct gcm *gcm, uint8_t *out, const uint8_t *in, size_t len)
{
    if (gcm->encrypts)
        gcm->calls->encrypt(&gcm->key, &gcm->state, out, in, len);
    else
        gcm->calls->decrypt(&gcm->key, &gcm->state, out, in, len);
}

static void crypt_tag(struct gcm *gcm, uint8_t tag[TAG_LEN])
{
    if (gcm->encrypts)
        gcm->calls->encrypt_tag(&gcm->key, &gcm->state, tag, TAG_LEN);
    else
        gcm->calls->decrypt_tag(&gcm->key, &gcm->state, tag, TAG_LEN);
}

/* Takes IV and additional data into the state. An IV is good for one message. */
static bool begin(struct gcm *gcm)
{
    if (gcm->begun)
        return true;
    if (!gcm->has_key || !gcm->has_iv)
        return false;
    gcm->calls->init(&gcm->key, &gcm->state, gcm->iv, gcm->aad, gcm->aad_len);
    gcm->has_iv = false;
    gcm->begun = true;
    return true;
}

/* TLS 1.2, RFC 5288: the salt of the IV is part of the key, the rest stands before the payload in
 * each record, and the tag behind it. */

static int set_salt(struct gcm *gcm, const uint8_t *salt, size_t len)
{
    if (len != FIXED_LEN)
        return 0;
    memcpy(gcm->iv, salt, len);
    return !gcm->encrypts || RAND_bytes(gcm->iv + len, EXPLICIT_LEN) == 1;
}

/* Keeps the head of a record, with the length that its payload will have. */
static int set_record(struct gcm *gcm, const uint8_t *head, size_t head_len)
{
    size_t rest = EXPLICIT_LEN + (gcm->encrypts ? 0 : TAG_LEN);
    size_t len;

    if (head_len != EVP_AEAD_TLS1_AAD_LEN)
        return 0;
    memcpy(gcm->aad, head, head_len);
    gcm->aad_len = head_len;
    len = (size_t)head[head_len - 2] << 8 | head[head_len - 1];
    if (len < rest)
        return 0;
    len -= rest;
    gcm->aad[head_len - 2] = (uint8_t)(len >> 8);
    gcm->aad[head_len - 1] = (uint8_t)len;
    gcm->in_record = true;
    return 1;
}

static void count_up(uint8_t number[EXPLICIT_LEN])
{
    for (size_t i = EXPLICIT_LEN; i-- > 0;)
        if (++number[i] != 0)
            return;
}

/* A whole record in place: nonce, payload, tag. */
static int crypt_record(struct gcm *gcm, uint8_t *out, size_t *out_len, const uint8_t *in,
                        size_t len)
{
    uint8_t *payload = out + EXPLICIT_LEN;
    uint8_t tag[TAG_LEN];

    gcm->in_record = false;
    gcm->begun = false;
    if (!out || out != in || len < EXPLICIT_LEN + TAG_LEN)
        return 0;
    len -= EXPLICIT_LEN + TAG_LEN;
    if (gcm->encrypts)
        memcpy(out, gcm->iv + FIXED_LEN, EXPLICIT_LEN);
    else
        memcpy(gcm->iv + FIXED_LEN, in, EXPLICIT_LEN);
    gcm->has_iv = true;
    if (!begin(gcm))
        return 0;
    crypt_part(gcm, payload, payload, len);
    crypt_tag(gcm, tag);
    gcm->begun = false;
    *out_len = len;
    if (gcm->encrypts) {
        memcpy(payload + len, tag, TAG_LEN);
        count_up(gcm->iv + FIXED_LEN);
        *out_len = EXPLICIT_LEN + len + TAG_LEN;
        return 1;
    }
    if (CRYPTO_memcmp(tag, payload + len, TAG_LEN) == 0)
        return 1;
    OPENSSL_cleanse(payload, len);
    return 0;
}

/* A message in parts: additional data (to no @out), then payload, then the end. */

static int update(void *ctx, unsigned char *out, size_t *out_len, size_t out_size,
                  const unsigned char *in, size_t len)
{
    struct gcm *gcm = ctx;

    *out_len = 0;
    if (out && out_size < len)
        return 0;
    if (gcm->in_record)
        return crypt_record(gcm, out, out_len, in, len);
    if (!out) {
        if (gcm->begun || len > AAD_MAX - gcm->aad_len)
            return 0;
        memcpy(gcm->aad + gcm->aad_len, in, len);
        gcm->aad_len += len;
    } else {
        if (!begin(gcm))
            return 0;
        crypt_part(gcm, out, in, len);
    }
    *out_len = len;
    return 1;
}

static int final(void *ctx, unsigned char *out, size_t *out_len, size_t out_size)
{
    struct gcm *gcm = ctx;
    uint8_t tag[TAG_LEN];

    (void)out;
    (void)out_size;
    *out_len = 0;
    if (!begin(gcm))
        return 0;
    crypt_tag(gcm, tag);
    gcm->begun = false;
    gcm->aad_len = 0;
    if (!gcm->encrypts)
        return gcm->has_tag && CRYPTO_memcmp(tag, gcm->tag, TAG_LEN) == 0;
    memcpy(gcm->tag, tag, TAG_LEN);
    return 1;
}

/* Parameters, each by its name; those that are unknown are left alone. */

static bool is(const OSSL_PARAM *param, const char *name)
{
    return strcmp(param->key, name) == 0;
}

/* What never changes. */
static int get_fact(OSSL_PARAM *param, size_t key_len)
{
    const struct {
        const char *name;
        size_t value;
    } facts[] = {
        {OSSL_CIPHER_PARAM_IVLEN, IV_LEN},
        {OSSL_CIPHER_PARAM_KEYLEN, key_len},
        {OSSL_CIPHER_PARAM_AEAD_TAGLEN, TAG_LEN},
        {OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, TAG_LEN},
        {OSSL_CIPHER_PARAM_MODE, EVP_CIPH_GCM_MODE},
        {OSSL_CIPHER_PARAM_BLOCK_SIZE, 1},
        {OSSL_CIPHER_PARAM_AEAD, 1},
        {OSSL_CIPHER_PARAM_CUSTOM_IV, 1},
    };

    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
        if (is(param, facts[i].name))
            return OSSL_PARAM_set_size_t(param, facts[i].value);
    return 1;
}

static int get_facts(OSSL_PARAM params[], size_t key_len)
{
    for (OSSL_PARAM *param = params; param->key; param++)
        if (get_fact(param, key_len) != 1)
            return 0;
    return 1;
}

static int params_128(OSSL_PARAM params[])
{
    return get_facts(params, IMB_KEY_128_BYTES);
}

static int params_256(OSSL_PARAM params[])
{
    return get_facts(params, IMB_KEY_256_BYTES);
}

static int get_tag(const struct gcm *gcm, OSSL_PARAM *param)
{
    return gcm->encrypts && param->data_size == TAG_LEN &&
           OSSL_PARAM_set_octet_string(param, gcm->tag, TAG_LEN) == 1;
}

static int gcm_get_params(void *ctx, OSSL_PARAM params[])
{
    const struct gcm *gcm = ctx;

    for (OSSL_PARAM *param = params; param->key; param++) {
        int ok = is(param, OSSL_CIPHER_PARAM_AEAD_TAG) ? get_tag(gcm, param)
                                                       : get_fact(param, gcm->calls->key_len);

        if (ok != 1)
            return 0;
    }
    return 1;
}

/* The tag to meet; without data only its length. */
static int set_tag(struct gcm *gcm, const OSSL_PARAM *param)
{
    if (param->data_size != TAG_LEN)
        return 0;
    if (!param->data)
        return 1;
    if (gcm->encrypts)
        return 0;
    memcpy(gcm->tag, param->data, TAG_LEN);
    gcm->has_tag = true;
    return 1;
}

static int check_iv_len(const OSSL_PARAM *param)
{
    size_t len;

    return OSSL_PARAM_get_size_t(param, &len) == 1 && len == IV_LEN;
}

static int set_param(struct gcm *gcm, const OSSL_PARAM *param)
{
    if (is(param, OSSL_CIPHER_PARAM_AEAD_TAG))
        return set_tag(gcm, param);
    if (is(param, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD))
        return set_record(gcm, param->data, param->data_size);
    if (is(param, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED))
        return set_salt(gcm, param->data, param->data_size);
    return is(param, OSSL_CIPHER_PARAM_AEAD_IVLEN) ? check_iv_len(param) : 1;
}

static int gcm_set_params(void *ctx, const OSSL_PARAM params[])
{
    for (const OSSL_PARAM *param = params; param && param->key; param++)
        if (set_param(ctx, param) != 1)
            return 0;
    return 1;
}

static const OSSL_PARAM *gettable(void *ctx, void *unused)
{
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD_PAD, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)ctx;
    (void)unused;
    return table;
}

static const OSSL_PARAM *settable(void *ctx, void *unused)
{
    static const OSSL_PARAM table[] = {
        OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_IVLEN, NULL),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_AAD, NULL, 0),
        OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED, NULL, 0),
        OSSL_PARAM_END,
    };

    (void)ctx;
    (void)unused;
    return table;
}

/* What OpenSSL is told. */

#define CALL(id, function)                                \
    {                                                     \
        OSSL_FUNC_CIPHER_##id, (void (*)(void))(function) \
    }
#define CALLS(bits)                                                                     \
    {                                                                                   \
        CALL(NEWCTX, new_##bits), CALL(FREECTX, gcm_free), CALL(DUPCTX, gcm_dup),       \
            CALL(ENCRYPT_INIT, encrypt_init), CALL(DECRYPT_INIT, decrypt_init),         \
            CALL(UPDATE, update), CALL(FINAL, final), CALL(GET_PARAMS, params_##bits),  \
            CALL(GET_CTX_PARAMS, gcm_get_params), CALL(SET_CTX_PARAMS, gcm_set_params), \
            CALL(GETTABLE_CTX_PARAMS, gettable), CALL(SETTABLE_CTX_PARAMS, settable),   \
        {                                                                               \
            0, NULL                                                                     \
        }                                                                               \
    }

static const OSSL_DISPATCH calls_128[] = CALLS(128);
static const OSSL_DISPATCH calls_256[] = CALLS(256);

/* With all names that OpenSSL's own have: it takes them for one algorithm by these. */
static const OSSL_ALGORITHM ciphers[] = {
    {"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", PROPERTIES, calls_128, NULL},
    {"AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", PROPERTIES, calls_256, NULL},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *unused, int operation, int *no_cache)
{
    (void)unused;
    *no_cache = 0;
    return operation == OSSL_OP_CIPHER ? ciphers : NULL;
}

static int provide(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                   const OSSL_DISPATCH **out, void **ctx)
{
    static const OSSL_DISPATCH table[] = {
        {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
        {0, NULL},
    };

    (void)handle;
    (void)in;
    *out = table;
    *ctx = &library;
    return 1;
}

/* OpenSSL's own providers stay as they are, those that only come when asked for included. */
static void load(void)
{
    if (cv_gcm_lib_load(&library) && OSSL_PROVIDER_add_builtin(NULL, PROVIDER, provide) == 1)
        provider = OSSL_PROVIDER_try_load(NULL, PROVIDER, 1);
}

const char *cv_gcm_properties(void)
{
    static uv_once_t once = UV_ONCE_INIT;

    uv_once(&once, load);
    return provider ? "?" PROPERTIES : NULL;
}
