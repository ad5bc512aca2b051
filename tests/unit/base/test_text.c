#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "base/text.h"

static struct cv_text text;
static char buf[24];

static void set_up(void)
{
    memset(buf, 'Z', sizeof(buf));
    cv_text_init(&text, buf, sizeof(buf));
}

TestSuite(text, .init = set_up);

Test(text, starts_empty)
{
    cr_assert_str_eq(buf, "");
    cr_assert_eq(text.len, 0);
    cr_assert_not(text.truncated);
}

Test(text, joins_its_parts)
{
    cv_text_str(&text, "a");
    cv_text_bytes(&text, "bcd", 2);
    cv_text_bytes(&text, NULL, 0);
    cv_text_u64(&text, 12);
    cr_assert_str_eq(buf, "abc12");
    cr_assert_eq(text.len, 5);
}

Test(text, writes_numbers_at_their_limits)
{
    const struct {
        int64_t value;
        const char *words;
    } known[] = {{0, "0"},
                 {9, "9"},
                 {10, "10"},
                 {-1, "-1"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        set_up();
        cv_text_i64(&text, known[i].value);
        cr_assert_str_eq(buf, known[i].words);
    }
    set_up();
    cv_text_u64(&text, UINT64_MAX);
    cr_assert_str_eq(buf, "18446744073709551615");
}

Test(text, holds_one_byte_less_than_its_buffer)
{
    char room[4];

    cv_text_init(&text, room, sizeof(room));
    cv_text_str(&text, "abc");
    cr_assert_not(text.truncated);
    cr_assert_str_eq(room, "abc");
    cv_text_str(&text, "");
    cr_assert_not(text.truncated);
    cv_text_str(&text, "d");
    cr_assert(text.truncated);
    cr_assert_str_eq(room, "abc");
}

Test(text, remembers_that_something_was_left_out)
{
    char room[4];

    cv_text_init(&text, room, sizeof(room));
    cv_text_str(&text, "abcdef");
    cr_assert_str_eq(room, "abc");
    cr_assert_eq(text.len, 3);
    cv_text_bytes(&text, NULL, 0);
    cr_assert(text.truncated);
}

Test(text, of_one_byte_is_only_the_end)
{
    char room[1];

    cv_text_init(&text, room, sizeof(room));
    cv_text_str(&text, "x");
    cr_assert_str_eq(room, "");
    cr_assert(text.truncated);
}

static bool reads(const char *digits, int64_t expected)
{
    int64_t value = -7;

    return cv_text_to_i64(digits, strlen(digits), &value) && value == expected;
}

static bool refuses(const char *digits)
{
    int64_t value = -7;

    return !cv_text_to_i64(digits, strlen(digits), &value) && value == -7;
}

Test(text, reads_decimals)
{
    cr_assert(reads("0", 0));
    cr_assert(reads("007", 7));
    cr_assert(reads("15000", 15000));
    cr_assert(reads("9223372036854775807", INT64_MAX));
    cr_assert(reads("0000000000000000001", 1));
}

Test(text, refuses_what_is_no_decimal_of_63_bits)
{
    cr_assert(refuses(""));
    cr_assert(refuses("-1"));
    cr_assert(refuses("+1"));
    cr_assert(refuses(" 1"));
    cr_assert(refuses("1 "));
    cr_assert(refuses("1e3"));
    cr_assert(refuses("0x1"));
    cr_assert(refuses("9223372036854775808"));
    cr_assert(refuses("9999999999999999999"));
    cr_assert(refuses("00000000000000000001"));
}

Test(text, reads_no_byte_behind_the_length)
{
    int64_t value;

    cr_assert(cv_text_to_i64("12345", 2, &value));
    cr_assert_eq(value, 12);
}

Test(text, finds_a_part_wherever_it_stands)
{
    cr_assert(cv_text_holds("abc", "abc"));
    cr_assert(cv_text_holds("abc", "bc"));
    cr_assert(cv_text_holds("abc", ""));
    cr_assert(cv_text_holds("", ""));
    cr_assert_not(cv_text_holds("abc", "abcd"));
    cr_assert_not(cv_text_holds("", "a"));
    cr_assert_not(cv_text_holds("abc", "ac"));
}

Test(text, knows_hexadecimal_digits_of_either_case_and_no_others)
{
    const char digits[] = "0123456789abcdef";

    for (int c = 0; c < 256; c++) {
        const char *digit = c ? strchr(digits, tolower(c)) : NULL;

        cr_assert_eq(cv_text_hex_digit((char)c), digit ? digit - digits : -1, "%d", c);
    }
}
