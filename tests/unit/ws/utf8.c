#include <criterion/criterion.h>
#include <string.h>

#include "ws/utf8.h"

/* UTF-8 of @point, surrogates and what is over U+10FFFF too; returns its length. */
static size_t encode(uint8_t *out, uint32_t point)
{
    size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const uint8_t marks[] = {0, 0x00, 0xc0, 0xe0, 0xf0};

    for (size_t i = len; i-- > 1; point >>= 6)
        out[i] = (uint8_t)(0x80 | (point & 0x3f));
    out[0] = (uint8_t)(marks[len] | point);
    return len;
}

static bool whole(const uint8_t *bytes, size_t len)
{
    uint32_t state = CV_UTF8_START;

    return cv_utf8_check(&state, bytes, len) && state == CV_UTF8_START;
}

Test(ws_utf8, takes_every_code_point_but_surrogates)
{
    for (uint32_t point = 0; point < 0x120000; point++) {
        bool valid = point < 0x110000 && (point < 0xd800 || point > 0xdfff);
        uint8_t bytes[4];
        size_t len = encode(bytes, point);

        if (whole(bytes, len) != valid)
            cr_assert(false, "U+%04X", (unsigned)point);
    }
}

/* What the first two bytes may be, from the table of RFC 3629, 4: the whole square of them. */
static bool pair_allowed(unsigned first, unsigned second)
{
    unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    if (first < 0x80)
        return second < 0x80 || (second >= 0xc2 && second <= 0xf4);
    return first >= 0xc2 && first <= 0xf4 && second >= low && second <= high;
}

Test(ws_utf8, fails_at_the_first_byte_that_cannot_be_right)
{
    for (unsigned first = 0; first < 256; first++) {
        uint8_t one = (uint8_t)first;
        uint32_t state = CV_UTF8_START;
        bool begins = first < 0x80 || (first >= 0xc2 && first <= 0xf4);

        cr_assert_eq(cv_utf8_check(&state, &one, 1), begins, "%02x", first);
        for (unsigned second = 0; begins && second < 256; second++) {
            uint8_t two = (uint8_t)second;
            uint32_t next = state;

            cr_assert_eq(cv_utf8_check(&next, &two, 1), pair_allowed(first, second), "%02x %02x",
                         first, second);
        }
    }
}

Test(ws_utf8, finds_a_bad_byte_wherever_it_stands_among_ascii)
{
    uint8_t text[64];

    for (size_t len = 1; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof(text));
            cr_assert(whole(text, len));
            text[at] = 0x80;
            cr_assert_not(whole(text, len), "%zu of %zu", at, len);
            text[at] = 0xc3;
            cr_assert_not(whole(text, len), "%zu of %zu", at, len);
            if (at + 1 == len)
                continue;
            text[at + 1] = 0xa9;
            cr_assert(whole(text, len), "%zu of %zu", at, len);
        }
    }
}

Test(ws_utf8, is_the_same_cut_at_every_byte)
{
    static const uint8_t text[] = "ascii run \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and more of it";
    const size_t len = sizeof(text) - 1;

    for (size_t cut = 0; cut <= len; cut++) {
        uint32_t state = CV_UTF8_START;

        cr_assert(cv_utf8_check(&state, text, cut));
        cr_assert(cv_utf8_check(&state, text + cut, len - cut));
        cr_assert_eq(state, CV_UTF8_START);
    }
}
