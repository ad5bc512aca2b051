#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <string.h>

#include "net/gcm.h"

/* Held against OpenSSL's own, in both directions. Where there is no faster one, there is nothing to
 * test. */

#define OWN      "provider=default"
#define HEAD     EVP_AEAD_TLS1_AAD_LEN
#define EXPLICIT EVP_GCM_TLS_EXPLICIT_IV_LEN
#define TAG      EVP_GCM_TLS_TAG_LEN
#define MAX      20000

static const char *const names[] = {"AES-128-GCM", "AES-256-GCM"};

/* Xorshift: the same bytes in each run. */
static uint32_t next(void)
{
    static uint32_t x = 1;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}

static void fill(uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        at[i] = (uint8_t)next();
}

static const char *ours(void)
{
    const char *properties = cv_gcm_properties();

    if (!properties)
        cr_skip_test("no libIPSec_MB, or a CPU without VAES for 512 bits");
    return properties;
}

static EVP_CIPHER_CTX *context(const char *name, const char *properties, int encrypts,
                               const uint8_t *key)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, properties);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    cr_assert(cipher && ctx);
    cr_assert_eq(EVP_CipherInit_ex(ctx, cipher, NULL, key, NULL, encrypts), 1);
    EVP_CIPHER_free(cipher);
    return ctx;
}

/* One message as TLS 1.3 has it, its payload given in two parts. */
struct message {
    uint8_t key[32], iv[12], aad[5], tag[TAG];
    uint8_t plain[MAX], sealed[MAX];
    size_t len, cut;
};

static void message_new(struct message *m, size_t len)
{
    fill(m->key, sizeof(m->key));
    fill(m->iv, sizeof(m->iv));
    fill(m->aad, sizeof(m->aad));
    fill(m->plain, len);
    m->len = len;
    m->cut = len ? next() % (len + 1) : 0;
}

static bool crypt_it(struct message *m, EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in)
{
    int first, second, end;

    cr_assert_eq(EVP_CipherInit_ex(ctx, NULL, NULL, NULL, m->iv, -1), 1);
    if (!EVP_CIPHER_CTX_is_encrypting(ctx))
        cr_assert_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, m->tag), 1);
    cr_assert_eq(EVP_CipherUpdate(ctx, NULL, &first, m->aad, sizeof(m->aad)), 1);
    cr_assert_eq(EVP_CipherUpdate(ctx, out, &first, in, (int)m->cut), 1);
    cr_assert_eq(EVP_CipherUpdate(ctx, out + first, &second, in + first, (int)(m->len - m->cut)),
                 1);
    cr_assert_eq((size_t)first + (size_t)second, m->len);
    if (EVP_CipherFinal_ex(ctx, out + m->len, &end) != 1)
        return false;
    if (EVP_CIPHER_CTX_is_encrypting(ctx))
        cr_assert_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, m->tag), 1);
    return true;
}

static void one_way(const char *name, const char *seals, const char *opens, size_t len)
{
    static struct message m;
    EVP_CIPHER_CTX *seal, *open;
    uint8_t back[MAX];

    message_new(&m, len);
    seal = context(name, seals, 1, m.key);
    open = context(name, opens, 0, m.key);
    cr_assert(crypt_it(&m, seal, m.sealed, m.plain));
    memcpy(back, m.sealed, len);
    cr_assert(crypt_it(&m, open, back, back), "%s: %zu bytes", name, len);
    cr_assert_arr_eq(back, m.plain, len);

    m.tag[len % TAG] ^= 1;
    cr_assert_not(crypt_it(&m, open, back, m.sealed), "a wrong tag");
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(open);
}

Test(gcm, is_found_by_its_properties_alone)
{
    const char *properties = ours();

    for (size_t i = 0; i < 2; i++) {
        EVP_CIPHER *fast = EVP_CIPHER_fetch(NULL, names[i], properties);
        EVP_CIPHER *own = EVP_CIPHER_fetch(NULL, names[i], OWN);

        cr_assert_str_eq(OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(fast)), "culvert");
        cr_assert_str_eq(OSSL_PROVIDER_get0_name(EVP_CIPHER_get0_provider(own)), "default");
        cr_assert_eq(EVP_CIPHER_get_nid(fast), EVP_CIPHER_get_nid(own));
        cr_assert_eq(EVP_CIPHER_get_mode(fast), EVP_CIPHER_get_mode(own));
        cr_assert_eq(EVP_CIPHER_get_flags(fast) & EVP_CIPH_FLAG_AEAD_CIPHER,
                     EVP_CIPH_FLAG_AEAD_CIPHER);
        EVP_CIPHER_free(fast);
        EVP_CIPHER_free(own);
    }
}

Test(gcm, seals_and_opens_as_openssl_does)
{
    const char *properties = ours();

    for (size_t i = 0; i < 2; i++) {
        for (size_t len = 0; len <= 1100; len++) {
            one_way(names[i], properties, OWN, len);
            one_way(names[i], OWN, properties, len);
        }
        for (size_t len = 16300; len <= 16500; len++) {
            one_way(names[i], properties, OWN, len);
            one_way(names[i], OWN, properties, len);
        }
    }
}

Test(gcm, takes_an_iv_for_one_message_only)
{
    const char *properties = ours();
    static struct message m;
    EVP_CIPHER_CTX *ctx;
    int len;

    message_new(&m, 100);
    ctx = context(names[0], properties, 1, m.key);
    cr_assert_neq(EVP_CipherUpdate(ctx, m.sealed, &len, m.plain, 100), 1, "none was set");
    cr_assert(crypt_it(&m, ctx, m.sealed, m.plain));
    cr_assert_neq(EVP_CipherUpdate(ctx, m.sealed, &len, m.plain, 100), 1, "it was used up");
    EVP_CIPHER_CTX_free(ctx);
}

Test(gcm, refuses_what_it_cannot_do)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, names[0], ours());
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t text[64] = {0};
    int len;

    cr_assert_eq(EVP_CipherInit_ex(ctx, cipher, NULL, NULL, text, 1), 1);
    cr_assert_neq(EVP_CipherUpdate(ctx, text, &len, text, 8), 1, "without a key");
    cr_assert_neq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 16, NULL), 1);
    cr_assert_eq(EVP_CipherInit_ex(ctx, NULL, NULL, text, text, 1), 1);
    cr_assert_neq(EVP_CipherUpdate(ctx, NULL, &len, text, 33), 1, "too much additional data");
    cr_assert_eq(EVP_CipherInit_ex(ctx, NULL, NULL, text, text, 0), 1);
    cr_assert_eq(EVP_CipherUpdate(ctx, text, &len, text, 8), 1);
    cr_assert_neq(EVP_CipherFinal_ex(ctx, text, &len), 1, "without a tag to meet");
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

/* Records of TLS 1.2. */

static int record(EVP_CIPHER_CTX *ctx, uint8_t number, uint8_t *at, size_t len)
{
    uint8_t head[HEAD] = {[7] = number, [8] = 23, [9] = 3, [10] = 3};
    int out;

    head[HEAD - 2] = (uint8_t)(len >> 8);
    head[HEAD - 1] = (uint8_t)len;
    cr_assert_eq(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_TLS1_AAD, HEAD, head), TAG);
    if (EVP_CIPHER_CTX_is_encrypting(ctx))
        len += TAG;
    return EVP_CipherUpdate(ctx, at, &out, at, (int)len) == 1 ? out : -1;
}

static void records(const char *name, const char *seals, const char *opens)
{
    EVP_CIPHER_CTX *seal, *open;
    uint8_t key[32], salt[4], plain[1024], at[EXPLICIT + sizeof(plain) + TAG], last[EXPLICIT];

    fill(key, sizeof(key));
    fill(salt, sizeof(salt));
    seal = context(name, seals, 1, key);
    open = context(name, opens, 0, key);
    cr_assert_eq(EVP_CIPHER_CTX_ctrl(seal, EVP_CTRL_GCM_SET_IV_FIXED, sizeof(salt), salt), 1);
    cr_assert_eq(EVP_CIPHER_CTX_ctrl(open, EVP_CTRL_GCM_SET_IV_FIXED, sizeof(salt), salt), 1);
    for (uint8_t i = 0; i < 200; i++) {
        size_t len = next() % sizeof(plain);
        size_t whole = EXPLICIT + len + TAG;

        fill(plain, len);
        memcpy(at + EXPLICIT, plain, len);
        cr_assert_eq(record(seal, i, at, EXPLICIT + len), (int)whole);
        cr_assert(i == 0 || memcmp(at, last, EXPLICIT) != 0, "a nonce was used twice");
        memcpy(last, at, EXPLICIT);
        cr_assert_eq(record(open, i, at, whole), (int)len);
        cr_assert_arr_eq(at + EXPLICIT, plain, len);

        memcpy(at + EXPLICIT, plain, len);
        cr_assert_eq(record(seal, i, at, EXPLICIT + len), (int)whole);
        at[EXPLICIT + next() % (len + TAG)] ^= 0x10;
        cr_assert_eq(record(open, i, at, whole), -1, "a changed record was taken");
    }
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(open);
}

Test(gcm, has_the_records_of_tls_1_2)
{
    const char *properties = ours();

    for (size_t i = 0; i < 2; i++) {
        records(names[i], properties, OWN);
        records(names[i], OWN, properties);
    }
}
