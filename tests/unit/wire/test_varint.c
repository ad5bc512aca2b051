#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "support/test_hex.h"
#include "wire/varint.h"

/* Values at which the length or the sign changes, and how they are written. */
static const struct {
    int64_t value;
    const char *hex;
} known[] = {
    {0, "00"},
    {-1, "01"},
    {1, "02"},
    {-2, "03"},
    {63, "7e"},
    {-64, "7f"},
    {64, "8001"},
    {-65, "8101"},
    {8191, "fe7f"},
    {-8192, "ff7f"},
    {8192, "808001"},
    {INT32_MAX, "feffffff0f"},
    {INT32_MIN, "ffffffff0f"},
    {INT64_MAX, "feffffffffffffffff01"},
    {INT64_MIN, "ffffffffffffffffff01"},
};

Test(varint, writes_and_reads_known_values)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint8_t bytes[CV_VARINT_MAX];
        char hex[2 * CV_VARINT_MAX + 1];
        int64_t value = 7;
        size_t n = cv_varint_encode(bytes, known[i].value);

        test_hex(hex, bytes, n);
        cr_assert_str_eq(hex, known[i].hex);
        cr_assert_eq(cv_varint_decode(&value, bytes, n), (int)n);
        cr_assert_eq(value, known[i].value);
    }
}

Test(varint, asks_for_more_at_every_cut)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint8_t bytes[CV_VARINT_MAX];
        int64_t value;
        size_t n = cv_varint_encode(bytes, known[i].value);

        for (size_t cut = 0; cut < n; cut++)
            cr_assert_eq(cv_varint_decode(&value, bytes, cut), CV_EMORE);
    }
}

Test(varint, reads_no_byte_behind_its_end)
{
    const uint8_t bytes[] = {0x80, 0x01, 0xff, 0xff};
    int64_t value;

    cr_assert_eq(cv_varint_decode(&value, bytes, sizeof(bytes)), 2);
    cr_assert_eq(value, 64);
}

Test(varint, accepts_overlong_forms_of_up_to_ten_bytes)
{
    uint8_t bytes[CV_VARINT_MAX];

    for (size_t len = 1; len <= CV_VARINT_MAX; len++) {
        int64_t value;

        memset(bytes, 0x80, sizeof(bytes));
        bytes[0] = len == 1 ? 0x02 : 0x82;
        if (len > 1)
            bytes[len - 1] = 0x00;
        cr_assert_eq(cv_varint_decode(&value, bytes, len), (int)len);
        cr_assert_eq(value, 1);
    }
}

Test(varint, refuses_more_than_sixty_four_bits)
{
    uint8_t bytes[CV_VARINT_MAX];
    int64_t value;

    memset(bytes, 0xff, sizeof(bytes));
    for (int last = 2; last <= 0xff; last++) {
        bytes[9] = (uint8_t)last;
        cr_assert_eq(cv_varint_decode(&value, bytes, sizeof(bytes)), CV_EPROTO, "%d", last);
    }
}

Test(varint, refuses_an_eleventh_byte_even_when_it_would_add_nothing)
{
    uint8_t bytes[CV_VARINT_MAX + 1];
    int64_t value;

    memset(bytes, 0x80, sizeof(bytes));
    bytes[CV_VARINT_MAX] = 0;
    cr_assert_eq(cv_varint_decode(&value, bytes, sizeof(bytes)), CV_EPROTO);
}

Test(varint, returns_what_was_written_at_every_size)
{
    struct cv_prng prng;

    cv_prng_init(&prng, 1);
    for (int i = 0; i < 100000; i++) {
        uint8_t bytes[CV_VARINT_MAX];
        int64_t value = (int64_t)(cv_prng_next(&prng) >> (i % 64));
        int64_t got;
        size_t n;

        if (i & 64)
            value = -value;
        n = cv_varint_encode(bytes, value);
        cr_assert_leq(n, CV_VARINT_MAX);
        cr_assert_eq(cv_varint_decode(&got, bytes, n), (int)n);
        cr_assert_eq(got, value);
    }
}
