#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "net/record.h"

/* RFC 8448, section 3: "Simple 1-RTT Handshake". */
static const uint8_t client_secret[32] = {
    0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8, 0x88, 0x9b, 0xce, 0x65, 0x52,
    0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf, 0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5};
static const uint8_t client_key[16] = {0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9,
                                       0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51};
static const uint8_t client_iv[12] = {0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08,
                                      0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9};
static const uint8_t client_record[72] = {
    0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94, 0xd0, 0xaf, 0xfa,
    0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea, 0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc,
    0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8, 0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20,
    0x44, 0x1e, 0x2b, 0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
    0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4};

#define PAYLOAD 50 /* bytes 0, 1, 2, ... */

static const SSL_CIPHER *suite(uint8_t number)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    SSL *ssl = SSL_new(ctx);
    const SSL_CIPHER *found = SSL_CIPHER_find(ssl, (const unsigned char[]){0x13, number});

    SSL_free(ssl);
    SSL_CTX_free(ctx);
    cr_assert(found);
    return found;
}

static void start(struct cv_record_keys *keys, bool seals)
{
    cr_assert_eq(cv_record_init(keys, suite(1), client_secret, sizeof(client_secret), seals), 0);
}

Test(record, has_the_keys_and_the_bytes_of_rfc_8448)
{
    uint8_t payload[PAYLOAD], out[PAYLOAD + CV_RECORD_EXTRA];
    struct cv_record_keys keys;

    for (size_t i = 0; i < sizeof(payload); i++)
        payload[i] = (uint8_t)i;
    start(&keys, true);
    cr_assert_arr_eq(keys.key, client_key, sizeof(client_key));
    cr_assert_arr_eq(keys.iv, client_iv, sizeof(client_iv));
    cr_assert_eq(cv_record_seal(&keys, out, payload, sizeof(payload)), 0);
    cr_assert_arr_eq(out, client_record, sizeof(client_record));
    cv_record_deinit(&keys);
    cr_assert_null(keys.cipher);
}

Test(record, opens_each_record_once_and_in_its_place)
{
    struct cv_record_keys keys;
    uint8_t out[sizeof(client_record)], type;
    size_t len;

    start(&keys, false);
    cr_assert_eq(cv_record_size(client_record), sizeof(client_record));
    cr_assert_eq(cv_record_open(&keys, client_record, sizeof(client_record), out, &type, &len), 0);
    cr_assert_eq(type, SSL3_RT_APPLICATION_DATA);
    cr_assert_eq(len, PAYLOAD);
    cr_assert_eq(out[PAYLOAD - 1], PAYLOAD - 1);
    cr_assert_eq(cv_record_open(&keys, client_record, sizeof(client_record), out, &type, &len),
                 CV_EPROTO, "it was number 0");
    cv_record_deinit(&keys);
}

Test(record, refuses_a_record_with_any_byte_changed_and_leaves_nothing_of_it)
{
    uint8_t bad[sizeof(client_record)], out[sizeof(client_record)], type;
    size_t len;

    for (size_t i = 0; i < sizeof(bad); i++) {
        struct cv_record_keys keys;

        start(&keys, false);
        memcpy(bad, client_record, sizeof(bad));
        bad[i] ^= 0x40;
        cr_assert_eq(cv_record_open(&keys, bad, sizeof(bad), out, &type, &len), CV_EPROTO, "%zu",
                     i);
        cr_assert_eq(out[PAYLOAD - 1], 0);
        cv_record_deinit(&keys);
    }
}

/* Sealed by one end and opened by the other, with the keys that follow after each. */
static void exchange(uint8_t number, size_t len)
{
    static uint8_t data[CV_RECORD_DATA], record[CV_RECORD_MAX], out[CV_RECORD_MAX];
    uint8_t secret[EVP_MAX_MD_SIZE] = {number};
    size_t secret_len = number == 2 ? 48 : 32;
    struct cv_record_keys here, there;

    memset(data, 0x5a, len);
    cr_assert_eq(cv_record_init(&here, suite(number), secret, secret_len, true), 0);
    cr_assert_eq(cv_record_init(&there, suite(number), secret, secret_len, false), 0);
    for (int i = 0; i < 3; i++) {
        uint8_t type;
        size_t n;

        cr_assert_eq(cv_record_seal(&here, record, data, len), 0);
        cr_assert_eq(cv_record_size(record), len + CV_RECORD_EXTRA);
        cr_assert_eq(cv_record_open(&there, record, len + CV_RECORD_EXTRA, out, &type, &n), 0);
        cr_assert_eq(n, len);
        cr_assert_arr_eq(out, data, len);
        if (i == 1) {
            cr_assert_eq(cv_record_update(&here), 0);
            cr_assert_eq(cv_record_update(&there), 0);
            cr_assert_eq(here.number, 0);
        }
    }
    cv_record_deinit(&here);
    cv_record_deinit(&there);
}

Test(record, speaks_every_suite)
{
    for (uint8_t number = 1; number <= 3; number++) {
        exchange(number, 1);
        exchange(number, CV_RECORD_DATA);
    }
}

/* What OpenSSL says is opened under its number and sealed under that of the wire. */
Test(record, numbers_what_openssl_says_for_the_wire)
{
    static const uint8_t alert[] = {1, 0}, update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, 0};
    struct cv_record_keys wire, openssl, reader;
    uint8_t record[64], other[64], out[64], type;
    size_t len, size;

    start(&wire, true);
    start(&openssl, true);
    start(&reader, false);
    cr_assert_eq(cv_record_seal(&wire, record, (const uint8_t *)"data", 4), 0);
    cr_assert_eq(cv_record_open(&reader, record, 4 + CV_RECORD_EXTRA, out, &type, &len), 0);

    size = cv_record_inward(&openssl, record, SSL3_RT_ALERT, alert, sizeof(alert));
    cr_assert_eq(cv_record_outward(&wire, record, size), 0);
    cr_assert_eq(cv_record_open(&reader, record, size, out, &type, &len), 0);
    cr_assert_eq(type, SSL3_RT_ALERT);
    cr_assert_eq(len, sizeof(alert));

    size = cv_record_inward(&openssl, record, SSL3_RT_HANDSHAKE, update, sizeof(update));
    memcpy(other, record, size);
    cr_assert_eq(cv_record_outward(&wire, record, size), 0);
    cr_assert_eq(cv_record_open(&reader, record, size, out, &type, &len), 0);
    cr_assert_eq(cv_record_update(&reader), 0);
    cr_assert_eq(cv_record_seal(&wire, record, (const uint8_t *)"more", 4), 0);
    cr_assert_eq(cv_record_open(&reader, record, 4 + CV_RECORD_EXTRA, out, &type, &len), 0,
                 "the keys changed behind it");

    memcpy(record, other, size);
    cr_assert_eq(cv_record_outward(&wire, record, size), -EPROTO, "what was numbered already");
    cv_record_deinit(&wire);
    cv_record_deinit(&openssl);
    cv_record_deinit(&reader);
}
