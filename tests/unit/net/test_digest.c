#include <criterion/criterion.h>
#include <string.h>

#include "net/digest.h"
#include "support/test_hex.h"

static void expect_hex(const uint8_t *got, size_t len, const char *hex)
{
    char text[2 * CV_SHA256_LEN + 1];

    test_hex(text, got, len);
    cr_assert_str_eq(text, hex);
}

Test(digest, makes_the_sha1_of_fips_180)
{
    uint8_t out[CV_SHA1_LEN];

    cr_assert_eq(cv_sha1(out, "abc", 3), 0);
    expect_hex(out, sizeof(out), "a9993e364706816aba3e25717850c26c9cd0d89d");
    cr_assert_eq(cv_sha1(out, "", 0), 0);
    expect_hex(out, sizeof(out), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

Test(digest, makes_the_sha256_of_fips_180)
{
    uint8_t out[CV_SHA256_LEN];

    cr_assert_eq(cv_sha256(out, "abc", 3), 0);
    expect_hex(out, sizeof(out),
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

Test(digest, encodes_the_base64_of_rfc_4648)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    char out[16];

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        cv_base64(out, pairs[i][0], strlen(pairs[i][0]));
        cr_assert_str_eq(out, pairs[i][1]);
    }
}

Test(digest, compares_every_byte_of_a_secret)
{
    uint8_t a[32] = {0}, b[32] = {0};

    cr_assert(cv_secret_equal(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = 1;
        cr_assert_not(cv_secret_equal(a, b, sizeof(a)));
        b[i] = 0;
    }
    cr_assert(cv_secret_equal(a, b, 0));
}

Test(digest, clears_a_secret)
{
    char secret[] = "hunter2";

    cv_secret_clear(secret, sizeof(secret));
    for (size_t i = 0; i < sizeof(secret); i++)
        cr_assert_eq(secret[i], 0);
}
