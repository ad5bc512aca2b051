#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/socks.h"

/* Reads the first @len bytes from a block of just that size, so that a sanitizer sees a step
 * behind. */
static int hello(struct cv_socks_hello *out, const void *in, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    int rc;

    memcpy(copy + 1, in, len);
    rc = cv_socks_hello_read(out, copy + 1, len);
    free(copy);
    return rc;
}

static int request(struct cv_socks_request *out, const void *in, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    int rc;

    memcpy(copy + 1, in, len);
    rc = cv_socks_request_read(out, copy + 1, len);
    free(copy);
    return rc;
}

Test(socks, asks_for_more_at_every_cut_of_a_hello)
{
    static const uint8_t in[] = {5, 3, 0, 1, 2, 'x'};
    struct cv_socks_hello out;

    for (size_t cut = 0; cut < 5; cut++)
        cr_assert_eq(hello(&out, in, cut), CV_EMORE, "cut at %zu", cut);
    cr_assert_eq(hello(&out, in, sizeof(in)), 5);
    cr_assert(out.no_auth && out.password);
}

Test(socks, knows_the_methods_that_are_offered)
{
    struct cv_socks_hello out;

    cr_assert_eq(hello(&out, "\5\1\0", 3), 3);
    cr_assert(out.no_auth && !out.password);
    cr_assert_eq(hello(&out, "\5\1\2", 3), 3);
    cr_assert(!out.no_auth && out.password);
    cr_assert_eq(hello(&out, "\5\2\1\x80", 4), 4);
    cr_assert(!out.no_auth && !out.password);
}

Test(socks, refuses_what_is_no_hello_at_its_first_wrong_byte)
{
    struct cv_socks_hello out;

    cr_assert_eq(hello(&out, "\4", 1), CV_EPROTO);
    cr_assert_eq(hello(&out, "GET / HTTP/1.1\r\n", 16), CV_EPROTO);
    cr_assert_eq(hello(&out, "\5\0", 2), CV_EPROTO);
}

Test(socks, asks_for_more_at_every_cut_of_a_login)
{
    static const uint8_t in[] = {1, 3, 'f', 'o', 'o', 4, 'w', 'o', 'r', 'd', 'x'};
    struct cv_socks_login out;

    for (size_t cut = 0; cut < 10; cut++)
        cr_assert_eq(cv_socks_login_read(&out, in, cut), CV_EMORE, "cut at %zu", cut);
    cr_assert_eq(cv_socks_login_read(&out, in, sizeof(in)), 10);
    cr_assert(out.user_len == 3 && memcmp(out.user, "foo", 3) == 0);
    cr_assert(out.password_len == 4 && memcmp(out.password, "word", 4) == 0);
}

Test(socks, reads_the_longest_and_the_empty_login)
{
    uint8_t in[CV_SOCKS_MESSAGE_MAX];
    struct cv_socks_login out;

    memset(in, 'a', sizeof(in));
    in[0] = 1;
    in[1] = in[257] = 255;
    cr_assert_eq(cv_socks_login_read(&out, in, sizeof(in)), CV_SOCKS_MESSAGE_MAX);
    cr_assert(out.user_len == 255 && out.password_len == 255);
    cr_assert_eq(cv_socks_login_read(&out, in, sizeof(in) - 1), CV_EMORE);
    cr_assert_eq(cv_socks_login_read(&out, (const uint8_t *)"\1\0\0", 3), 3);
    cr_assert(out.user_len == 0 && out.password_len == 0);
    cr_assert_eq(cv_socks_login_read(&out, (const uint8_t *)"\5", 1), CV_EPROTO);
}

Test(socks, asks_for_more_at_every_cut_of_a_request)
{
    static const char *const in[] = {"\5\1\0\1\x7f\0\0\1\0\x50", "\5\1\0\3\4host\x01\xbb",
                                     "\5\1\0\4\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x1f\x90"};
    static const size_t lens[] = {10, 11, 22};
    static const char *const want[] = {"127.0.0.1:80", "host:443",
                                       "[fd00:0000:0000:0000:0000:0000:0000:0001]:8080"};
    struct cv_socks_request out;

    for (size_t i = 0; i < 3; i++) {
        for (size_t cut = 0; cut < lens[i]; cut++)
            cr_assert_eq(request(&out, in[i], cut), CV_EMORE, "%zu cut at %zu", i, cut);
        cr_assert_eq(request(&out, in[i], lens[i]), (int)lens[i]);
        cr_assert_eq(out.problem, CV_SOCKS_OK);
        cr_assert_str_eq(out.address, want[i]);
    }
}

Test(socks, puts_an_ipv6_address_that_came_as_a_name_into_brackets)
{
    struct cv_socks_request out;

    cr_assert_eq(request(&out, "\5\1\0\3\3::1\0\x50", 10), 10);
    cr_assert_str_eq(out.address, "[::1]:80");
}

Test(socks, takes_a_name_of_255_bytes)
{
    uint8_t in[262] = {5, 1, 0, 3, 255};
    struct cv_socks_request out;

    memset(in + 5, 'a', 255);
    in[260] = in[261] = 0xff;
    cr_assert_eq(request(&out, in, sizeof(in)), 262);
    cr_assert_eq(out.problem, CV_SOCKS_OK);
    cr_assert_eq(strlen(out.address), 261);
}

Test(socks, says_what_is_wrong_with_a_request)
{
    static const struct {
        const char *in;
        size_t len;
        enum cv_socks_reply reply;
    } cases[] = {
        {"\5\2\0\1\x7f\0\0\1\0\x50", 10, CV_SOCKS_NO_COMMAND},
        {"\5\3\0\1\0\0\0\0\0\0", 10, CV_SOCKS_NO_COMMAND},
        {"\5\1\0\2\x7f\0\0\1\0\x50", 10, CV_SOCKS_NO_ADDRESS_TYPE},
        {"\5\1\0\1\x7f\0\0\1\0\0", 10, CV_SOCKS_FAILURE},
        {"\5\1\0\3\0\0\x50", 7, CV_SOCKS_FAILURE},
        {"\5\1\0\3\3a/b\0\x50", 10, CV_SOCKS_FAILURE},
        {"\5\1\0\3\3a\0b\0\x50", 10, CV_SOCKS_FAILURE},
        {"\5\1\0\3\3a\nb\0\x50", 10, CV_SOCKS_FAILURE},
        {"\5\1\0\3\3a b\0\x50", 10, CV_SOCKS_FAILURE},
    };
    struct cv_socks_request out;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_gt(request(&out, cases[i].in, cases[i].len), 0, "case %zu", i);
        cr_assert_eq(out.problem, cases[i].reply, "case %zu", i);
        cr_assert_not_null(out.text);
    }
    cr_assert_eq(request(&out, "\4\1\0\1\x7f\0\0\1\0\x50", 10), CV_EPROTO);
    cr_assert_eq(request(&out, "\5\1\1\1\x7f\0\0\1\0\x50", 10), CV_EPROTO);
}

Test(socks, writes_its_answers)
{
    uint8_t out[CV_SOCKS_REPLY_LEN];

    cv_socks_method_write(out, CV_SOCKS_NONE);
    cr_assert_arr_eq(out, "\5\xff", 2);
    cv_socks_verdict_write(out, true);
    cr_assert_arr_eq(out, "\1\0", 2);
    cv_socks_verdict_write(out, false);
    cr_assert_arr_eq(out, "\1\1", 2);
    cv_socks_reply_write(out, 5);
    cr_assert_arr_eq(out, "\5\5\0\1\0\0\0\0\0\0", 10);
}
