#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/http.h"
#include "door/http_text.h"

Test(http_text, writes_a_head)
{
    static const char want[] = "HTTP/1.1 206 Partial Content\r\nA: b\tc\r\nEmpty: \r\n"
                               "Content-Length: 18446744073709551615\r\n\r\n";
    struct cv_http_text text;
    char buf[256];

    cv_http_text_init(&text, buf, sizeof(buf), 206);
    cv_http_text_header(&text, "A", "b\tc");
    cv_http_text_header(&text, "Empty", "");
    cv_http_text_number(&text, "Content-Length", UINT64_MAX);
    cr_assert_eq(cv_http_text_end(&text), (int)strlen(want));
    cr_assert_str_eq(buf, want);
}

Test(http_text, writes_every_status_so_that_our_own_reader_accepts_it)
{
    static const int statuses[] = {
#define X(number, reason) number,
        CV_HTTP_STATUS_MAP(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct cv_http_text text;
        struct cv_http_head head;
        size_t head_len;
        char buf[128];
        int len;

        cv_http_text_init(&text, buf, sizeof(buf), statuses[i]);
        len = cv_http_text_end(&text);
        cr_assert_gt(len, 0);
        cr_assert_eq(cv_http_response_parse(&head, buf, (size_t)len, &head_len), 0);
        cr_assert_eq(head.status, statuses[i]);
        cr_assert_str_neq(cv_http_reason(statuses[i]), "Unknown");
    }
    cr_assert_str_eq(cv_http_reason(299), "Unknown");
}

static int end_with(const char *name, const char *value)
{
    struct cv_http_text text;
    char buf[128];

    cv_http_text_init(&text, buf, sizeof(buf), 200);
    cv_http_text_header(&text, name, value);
    cv_http_text_header(&text, "Fine", "yes");
    return cv_http_text_end(&text);
}

Test(http_text, refuses_what_would_start_a_line_of_its_own)
{
    cr_assert_eq(end_with("A", "b\r\nSet-Cookie: x"), CV_ESYNTAX);
    cr_assert_eq(end_with("A", "b\n"), CV_ESYNTAX);
    cr_assert_eq(end_with("A", "b\r"), CV_ESYNTAX);
    cr_assert_eq(end_with("A", "\x01"), CV_ESYNTAX);
    cr_assert_eq(end_with("A", "\x7f"), CV_ESYNTAX);
    cr_assert_eq(end_with("A b", "c"), CV_ESYNTAX);
    cr_assert_eq(end_with("A:", "c"), CV_ESYNTAX);
    cr_assert_eq(end_with("", "c"), CV_ESYNTAX);
    cr_assert_eq(end_with("A\r\n", "c"), CV_ESYNTAX);
    cr_assert_gt(end_with("A", "\xc3\xa4"), 0);
}

Test(http_text, refuses_a_status_that_is_none)
{
    struct cv_http_text text;
    char buf[64];

    cv_http_text_init(&text, buf, sizeof(buf), 99);
    cr_assert_eq(cv_http_text_end(&text), CV_ESYNTAX);
    cv_http_text_init(&text, buf, sizeof(buf), 600);
    cr_assert_eq(cv_http_text_end(&text), CV_ESYNTAX);
}

Test(http_text, says_when_a_head_does_not_fit)
{
    static const char want[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    struct cv_http_text text;
    char buf[sizeof(want)];

    for (size_t size = 1; size <= sizeof(want); size++) {
        cv_http_text_init(&text, buf, size, 200);
        cv_http_text_header(&text, "A", "b");
        cr_assert_eq(cv_http_text_end(&text),
                     size == sizeof(want) ? (int)sizeof(want) - 1 : CV_ETOOLONG);
    }
    cr_assert_str_eq(buf, want);
}
