#include <criterion/criterion.h>
#include <string.h>

#include "access/quote.h"
#include "access/token.h"
#include "base/error.h"
#include "support/test_hex.h"

Test(token, is_base64url_of_its_bits)
{
    uint8_t random[CV_TOKEN_RANDOM];
    char text[CV_TOKEN_LEN + 1];

    memset(random, 0, sizeof(random));
    cv_token_format(text, random);
    cr_assert_str_eq(text, "cvt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    memset(random, 0xff, sizeof(random));
    cv_token_format(text, random);
    cr_assert_str_eq(text, "cvt___________________________________________8");
    /* python3: base64.urlsafe_b64encode(bytes(range(32))) */
    for (size_t i = 0; i < sizeof(random); i++)
        random[i] = (uint8_t)i;
    cv_token_format(text, random);
    cr_assert_str_eq(text, "cvt_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    cr_assert_eq(strlen(text), CV_TOKEN_LEN);
    cr_assert(cv_token_valid(text, CV_TOKEN_LEN));
}

Test(token, a_hash_reads_back)
{
    uint8_t digest[CV_TOKEN_DIGEST], back[CV_TOKEN_DIGEST];
    char text[CV_HASH_LEN + 1];

    for (size_t i = 0; i < sizeof(digest); i++)
        digest[i] = (uint8_t)(i * 37 + 200);
    cv_hash_format(text, digest);
    cr_assert_eq(strlen(text), CV_HASH_LEN);
    cr_assert_eq(cv_hash_parse(back, text, CV_HASH_LEN), 0);
    cr_assert_arr_eq(back, digest, sizeof(digest));
    text[20] = 'F';
    cr_assert_eq(cv_hash_parse(back, text, CV_HASH_LEN), 0);
    for (size_t len = 0; len < CV_HASH_LEN; len++)
        cr_assert_eq(cv_hash_parse(back, text, len), CV_ESYNTAX);
    text[CV_HASH_LEN - 1] = 'g';
    cr_assert_eq(cv_hash_parse(back, text, CV_HASH_LEN), CV_ESYNTAX);
    text[CV_HASH_LEN - 1] = '0';
    text[0] = 'S';
    cr_assert_eq(cv_hash_parse(back, text, CV_HASH_LEN), CV_ESYNTAX);
}

Test(token, valid_is_what_a_bearer_header_carries)
{
    static const char *const good[] = {"a", "a.b-c_d~e+f/g==", "0"};
    static const char *const bad[] = {"", "=", "a b", "a=b", "sha256:00", "a\n", "\xc3\xa4", "a,b"};
    char text[CV_TOKEN_MAX + 1];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert(cv_token_valid(good[i], strlen(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(cv_token_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
    cr_assert_not(cv_token_valid("a\0b", 3));
    memset(text, 'a', sizeof(text));
    cr_assert(cv_token_valid(text, CV_TOKEN_MAX));
    cr_assert_not(cv_token_valid(text, CV_TOKEN_MAX + 1));
}

Test(token, digests_differ_at_any_bit)
{
    uint8_t a[CV_TOKEN_DIGEST] = {0}, b[CV_TOKEN_DIGEST] = {0};

    cr_assert(cv_access_equal(a, b));
    for (size_t bit = 0; bit < 8 * CV_TOKEN_DIGEST; bit++) {
        b[bit / 8] = (uint8_t)(1U << bit % 8);
        cr_assert_not(cv_access_equal(a, b));
        b[bit / 8] = 0;
    }
}

Test(token, quoting_keeps_a_message_on_its_line_and_a_token_out_of_it)
{
    char buf[CV_QUOTE_MAX * 4 + 16], many[CV_QUOTE_MAX + 1];
    struct cv_text text;

    cv_text_init(&text, buf, sizeof(buf));
    cv_quote(&text, "a\n\x1b'\\\x7f\0b", 8);
    cr_assert_str_eq(buf, "'a\\x0a\\x1b\\x27\\x5c\\x7f\\x00b'");
    cv_text_init(&text, buf, sizeof(buf));
    cv_quote_str(&text, "\xc2\x9b\xc2\xa0\xc3\xa4\xc2");
    cr_assert_str_eq(buf, "'\\xc2\\x9b\xc2\xa0\xc3\xa4\xc2'");
    cv_text_init(&text, buf, sizeof(buf));
    cv_quote_str(&text, "dial=cvt_secret");
    cr_assert_null(strstr(buf, "secret"));
    memset(many, 'a', sizeof(many));
    cv_text_init(&text, buf, sizeof(buf));
    cv_quote(&text, many, CV_QUOTE_MAX);
    cr_assert_eq(text.len, CV_QUOTE_MAX + 2);
    cv_text_init(&text, buf, sizeof(buf));
    cv_quote(&text, many, CV_QUOTE_MAX + 1);
    cr_assert_str_eq(buf + CV_QUOTE_MAX + 1, "'...");
}
