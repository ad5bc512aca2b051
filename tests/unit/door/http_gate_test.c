#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/http_gate.h"

static struct cv_slice slice(const char *text)
{
    return (struct cv_slice){text, strlen(text)};
}

static struct cv_http_gate read_path(const char *text)
{
    struct cv_http_gate gate;

    cr_assert(cv_http_gate_is(slice(text)));
    cr_assert_eq(cv_http_gate_parse(&gate, slice(text)), 0, "%s: %s", text, gate.error);
    return gate;
}

static void check(const char *text, const char *client, bool https, const char *host,
                  const char *address, const char *path)
{
    struct cv_http_gate gate = read_path(text);

    cr_assert_str_eq(gate.client, client);
    cr_assert_eq(gate.https, https);
    cr_assert_str_eq(gate.host, host);
    cr_assert_str_eq(gate.address, address);
    cr_assert_eq(gate.path.len, strlen(path));
    cr_assert_arr_eq(gate.path.at, path, strlen(path));
}

Test(http_gate, reads_client_scheme_host_and_path)
{
    check("/client/foo/http/127.0.0.1:8000/a/b", "foo", false, "127.0.0.1:8000", "127.0.0.1:8000",
          "/a/b");
    check("/client/foo/http/intra", "foo", false, "intra", "intra:80", "/");
    check("/client/foo/https/intra/", "foo", true, "intra", "intra:443", "/");
    check("/client/a%40b/HTTPS/[::1]/x", "a@b", true, "[::1]", "[::1]:443", "/x");
    check("/client/foo/http/[::1]:81", "foo", false, "[::1]:81", "[::1]:81", "/");
    check("/client/foo/http/%5B::1%5D%3A81/", "foo", false, "[::1]:81", "[::1]:81", "/");
}

Test(http_gate, leaves_the_targets_path_as_it_is)
{
    check("/client/foo/http/h//a/../%2e%2F/?", "foo", false, "h", "h:80", "//a/../%2e%2F/?");
}

Test(http_gate, knows_its_own_paths)
{
    cr_assert_not(cv_http_gate_is(slice("/client")));
    cr_assert_not(cv_http_gate_is(slice("/clients/foo")));
    cr_assert_not(cv_http_gate_is(slice("/Client/foo")));
    cr_assert_not(cv_http_gate_is(slice("/")));
    cr_assert(cv_http_gate_is(slice("/client/")));
}

Test(http_gate, refuses_what_is_not_whole_or_odd)
{
    static const char *const cases[] = {
        "/client/",
        "/client//http/h/",
        "/client/foo",
        "/client/foo/",
        "/client/foo/http",
        "/client/foo/http/",
        "/client/foo/http//x",
        "/client/foo/ftp/h/",
        "/client/foo/httpx/h/",
        "/client/foo%2f/http/h/",
        "/client/fo o/http/h/",
        "/client/a::b/http/h/",
        "/client/%zz/http/h/",
        "/client/foo/http/h%00/",
        "/client/foo/http/h%0d%0a/",
        "/client/foo/http/u@h/",
        "/client/foo/http/h%20/",
        "/client/foo/http/a%2fb/",
        "/client/foo/http/a%3fb/",
        "/client/foo/http/h%/",
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cv_http_gate gate;

        cr_assert_eq(cv_http_gate_parse(&gate, slice(cases[i])), CV_ESYNTAX, "%s", cases[i]);
        cr_assert_not_null(gate.error);
    }
}

Test(http_gate, takes_a_host_of_the_longest_length)
{
    char path[600] = "/client/foo/http/";
    size_t start = strlen(path);
    struct cv_http_gate gate;

    memset(path + start, 'a', CV_HTTP_GATE_HOST_MAX);
    cr_assert_eq(cv_http_gate_parse(&gate, slice(path)), 0);
    cr_assert_eq(strlen(gate.address), CV_HTTP_GATE_HOST_MAX + 3);
    path[start + CV_HTTP_GATE_HOST_MAX] = 'a';
    cr_assert_eq(cv_http_gate_parse(&gate, slice(path)), CV_ESYNTAX);
}

Test(http_gate, finds_the_time_to_wait)
{
    static const struct {
        const char *query;
        unsigned want;
    } cases[] = {
        {"", CV_HTTP_GATE_WAIT},
        {"timeout=3", 3},
        {"a=b&timeout=7&timeout=9", 7},
        {"xtimeout=7", CV_HTTP_GATE_WAIT},
        {"timeout=", CV_HTTP_GATE_WAIT},
        {"timeout=0", CV_HTTP_GATE_WAIT},
        {"timeout=-1", CV_HTTP_GATE_WAIT},
        {"timeout=5m&timeout=3", CV_HTTP_GATE_WAIT},
        {"timeout=3600", CV_HTTP_GATE_WAIT_MAX},
        {"timeout=3601", CV_HTTP_GATE_WAIT_MAX},
        {"timeout=9223372036854775807", CV_HTTP_GATE_WAIT_MAX},
        {"timeout=99999999999999999999", CV_HTTP_GATE_WAIT},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(cv_http_gate_wait(slice(cases[i].query)), cases[i].want, "%s", cases[i].query);
    cr_assert_eq(cv_http_gate_wait((struct cv_slice){0}), CV_HTTP_GATE_WAIT);
}
