/* The file service: what it answers. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "integration/files_fixture.h"

TestSuite(files, .init = files_setup, .fini = files_teardown, .timeout = 60);

static void stamp(const char *name, time_t when)
{
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", files_shelf, name);
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

Test(files, sends_a_file)
{
    struct answer answer;

    stamp("a.txt", 784111777);
    answer = get("/a.txt", "");
    cr_assert_eq(answer.head.status, 200);
    cr_assert_str_eq(answer.body, "0123456789");
    assert_header(&answer, "content-length", "10");
    assert_header(&answer, "content-type", "text/plain; charset=utf-8");
    assert_header(&answer, "last-modified", "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_header(&answer, "accept-ranges", "bytes");
    assert_header(&answer, "x-content-type-options", "nosniff");
    assert_header(&answer, "connection", "close");
    cr_assert_not_null(cv_http_find(&answer.head, "date"));
    free(answer.text);
}

Test(files, answers_head_with_the_same_head_and_no_body)
{
    struct answer answer = ask("HEAD /a.txt HTTP/1.1\r\n" H "Range: bytes=1-2\r\n" CLOSE);

    cr_assert_eq(answer.head.status, 200);
    assert_header(&answer, "content-length", "10");
    cr_assert_eq(answer.body_len, 0);
    free(answer.text);
    answer = ask("HEAD /nothing HTTP/1.1\r\n" H CLOSE);
    cr_assert_eq(answer.head.status, 404);
    cr_assert_gt(answer.head.content_length, 0);
    cr_assert_eq(answer.body_len, 0);
    free(answer.text);
}

Test(files, reaches_names_with_any_bytes_and_links_inside)
{
    assert_status("/%61.txt", 200);
    assert_status("/%c3%a4%20%2541.md", 200);
    assert_status("/b%20%3C%26%22%27%3E.html", 200);
    assert_status("/zoo/inside", 200);
    assert_status("http://culvert.files/a.txt?any=query", 200);
    assert_status("/empty.bin", 200);
}

Test(files, lets_nobody_out_of_its_folder)
{
    static const char *const targets[] = {
        "/..",
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/%2E./outside.txt",
        "/zoo/../a.txt",
        "/zoo/%2e%2e%2foutside.txt",
        "/..%2foutside.txt",
        "/zoo/outside",
        "/absolute",
        "/magic",
        "/loop",
        "/.hidden",
        "/%2ehidden",
        "/zoo/.git/config",
        "/zoo/.git/",
        "/.",
        "/pipe",
        "/a.txt/",
        "/a.txt/x",
        "//etc/hostname",
        "//",
        "/zoo//x.json",
        "/%2fetc%2fhostname",
        "/%2f",
        "/nothing",
        "/zoo%2fx.json",
        "/docs/index.html/",
        "/zoo/./x.json",
    };

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        assert_status(targets[i], 404);
    assert_status("/%00", 400);
    assert_status("/a%zz", 400);
    assert_status("/a.txt%", 400);
}

Test(files, refuses_a_path_that_is_too_long)
{
    char target[6000] = "/";

    memset(target + 1, 'a', 300);
    assert_status(target, 404);
    memset(target + 1, 'a', sizeof(target) - 2);
    assert_status(target, 404);
}

Test(files, does_not_tell_more_than_that_it_may_not_read)
{
    char path[512];

    if (geteuid() == 0)
        cr_skip_test("root may read everything");
    snprintf(path, sizeof(path), "%s/a.txt", files_shelf);
    cr_assert_eq(chmod(path, 0), 0);
    assert_status("/a.txt", 403);
}

Test(files, lists_a_folder)
{
    struct answer answer = get("/", "");
    const char *body = answer.body, *zoo = strstr(body, "href=\"zoo/\""),
               *docs = strstr(body, "href=\"docs/\""), *a = strstr(body, "href=\"a.txt\"");

    cr_assert_eq(answer.head.status, 200);
    assert_header(&answer, "content-type", "text/html; charset=utf-8");
    cr_assert(docs && zoo && a && docs < zoo && zoo < a, "order: %s", body);
    cr_assert_not_null(strstr(body, "<a href=\"b%20%3C%26%22%27%3E.html\">b &lt;&amp;&quot;'&gt;"
                                    ".html</a>"));
    cr_assert_not_null(strstr(body, "<a href=\"%C3%A4%20%2541.md\">\xc3\xa4 %41.md</a>"));
    cr_assert_not_null(strstr(body, ">10 B<"));
    cr_assert_not_null(strstr(body, "prefers-color-scheme: dark"));
    cr_assert_null(strstr(body, "hidden"));
    cr_assert_null(strstr(body, "pipe"));
    cr_assert_null(strstr(body, "absolute"));
    cr_assert_null(strstr(body, "magic"));
    cr_assert_null(strstr(body, "Up one folder"));
    free(answer.text);
}

Test(files, lists_a_folder_within_a_folder)
{
    struct answer answer = get("/zoo/", "");

    cr_assert_not_null(strstr(answer.body, "href=\"../\""));
    cr_assert_not_null(strstr(answer.body, "<a href=\"/\">/</a>zoo/</h1>"), "%s", answer.body);
    cr_assert_not_null(strstr(answer.body, "href=\"inside\""));
    cr_assert_null(strstr(answer.body, "outside"));
    cr_assert_null(strstr(answer.body, ".git"));
    free(answer.text);
    put_folder("zoo/d & e");
    put_folder("zoo/d & e/f");
    answer = get("/zoo/d%20%26%20e/f/", "");
    cr_assert_not_null(strstr(answer.body, "<a href=\"/\">/</a><a href=\"/zoo/\">zoo</a>/"
                                           "<a href=\"/zoo/d%20%26%20e/\">d &amp; e</a>/f/</h1>"),
                       "%s", answer.body);
    cr_assert_not_null(strstr(answer.body, "This folder is empty."));
    free(answer.text);
}

Test(files, shows_so_many_entries_of_a_folder_and_says_that_there_are_more)
{
    struct answer answer;
    char name[32];

    put_folder("many");
    for (int i = 0; i < 4097; i++) {
        snprintf(name, sizeof(name), "many/%d", i);
        put(name, "");
        if (i != 4095)
            continue;
        answer = get("/many/", "");
        cr_assert_null(strstr(answer.body, "there are more"));
        free(answer.text);
    }
    answer = get("/many/", "");
    cr_assert_not_null(strstr(answer.body, "Only 4096 entries are shown"));
    free(answer.text);
}

Test(files, serves_the_index_of_a_folder)
{
    struct answer answer = get("/docs/", "");

    cr_assert_eq(answer.head.status, 200);
    cr_assert_str_eq(answer.body, "the index");
    assert_header(&answer, "content-type", "text/html; charset=utf-8");
    free(answer.text);
}

Test(files, sends_a_folder_without_slash_to_the_one_with)
{
    struct answer answer = get("/zoo", "");

    cr_assert_eq(answer.head.status, 301);
    assert_header(&answer, "location", "/zoo/");
    free(answer.text);
    answer = get("http://culvert.files/%7aoo?a=/b", "");
    cr_assert_eq(answer.head.status, 301);
    assert_header(&answer, "location", "/%7aoo/?a=/b");
    free(answer.text);
    assert_status("//zoo", 404); /* "//zoo/" would be another host */
}

struct range_case {
    char range[48];
    int status;
    char content_range[24];
    char body[16];
};

Test(files, sends_one_range)
{
    static const struct range_case cases[] = {
        {"bytes=0-0", 206, "bytes 0-0/10", "0"},
        {"bytes=2-4", 206, "bytes 2-4/10", "234"},
        {"Bytes=7-", 206, "bytes 7-9/10", "789"},
        {"bytes=9-9", 206, "bytes 9-9/10", "9"},
        {"bytes=5-99", 206, "bytes 5-9/10", "56789"},
        {"bytes=-3", 206, "bytes 7-9/10", "789"},
        {"bytes=-10", 206, "bytes 0-9/10", "0123456789"},
        {"bytes=-99", 206, "bytes 0-9/10", "0123456789"},
        {"bytes=10-", 416, "bytes */10", ""},
        {"bytes=10-11", 416, "bytes */10", ""},
        {"bytes=-0", 416, "bytes */10", ""},
        {"bytes=4-2", 200, "", "0123456789"},
        {"bytes=1-2,4-5", 200, "", "0123456789"},
        {"bytes=-", 200, "", "0123456789"},
        {"bytes=", 200, "", "0123456789"},
        {"bytes=a-b", 200, "", "0123456789"},
        {"bytes=+1-2", 200, "", "0123456789"},
        {"bytes=3-99999999999999999999", 200, "", "0123456789"},
        {"lines=1-2", 200, "", "0123456789"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct range_case *c = &cases[i];
        struct answer answer;
        char header[64];

        snprintf(header, sizeof(header), "Range: %s\r\n", c->range);
        answer = get("/a.txt", header);
        cr_assert_eq(answer.head.status, c->status, "%s: %d", c->range, answer.head.status);
        assert_header(&answer, "content-range", *c->content_range ? c->content_range : NULL);
        if (c->status != 416)
            cr_assert_str_eq(answer.body, c->body, "%s", c->range);
        cr_assert_eq(answer.head.content_length, (int64_t)answer.body_len);
        free(answer.text);
    }
}

Test(files, has_no_range_of_an_empty_file)
{
    struct answer answer = get("/empty.bin", "Range: bytes=0-\r\n");

    cr_assert_eq(answer.head.status, 416);
    free(answer.text);
    answer = get("/empty.bin", "Range: bytes=-5\r\n");
    cr_assert_eq(answer.head.status, 416);
    free(answer.text);
}

static void assert_conditional(const char *headers, int want)
{
    struct answer answer = get("/a.txt", headers);

    cr_assert_eq(answer.head.status, want, "%s gave %d", headers, answer.head.status);
    if (want == 304)
        cr_assert_eq(answer.body_len, 0);
    free(answer.text);
}

Test(files, sends_only_what_has_changed)
{
    stamp("a.txt", 784111777);
    assert_conditional("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304);
    assert_conditional("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 304);
    assert_conditional("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200);
    assert_conditional("If-Modified-Since: yesterday\r\n", 200);
    assert_conditional("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT and more\r\n", 200);
    assert_conditional("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                       "If-None-Match: \"x\"\r\n",
                       200);
    assert_conditional("Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 206);
    assert_conditional("Range: bytes=1-2\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200);
    assert_conditional("Range: bytes=1-2\r\nIf-Range: \"tag\"\r\n", 200);
}

Test(files, takes_no_other_method_and_no_body)
{
    struct answer answer = ask("DELETE /a.txt HTTP/1.1\r\n" H CLOSE);

    cr_assert_eq(answer.head.status, 405);
    assert_header(&answer, "allow", "GET, HEAD");
    free(answer.text);
    /* The body is no second request: the connection ends with the first answer. */
    answer =
        ask("POST / HTTP/1.1\r\n" H "Content-Length: 40\r\n\r\nGET /a.txt HTTP/1.1\r\n" H CLOSE);
    cr_assert_eq(answer.head.status, 405);
    assert_header(&answer, "connection", "close");
    cr_assert_eq(answer.head.content_length, (int64_t)answer.body_len);
    free(answer.text);
    answer = ask("GET /a.txt HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc");
    cr_assert_eq(answer.head.status, 413);
    free(answer.text);
    answer = ask("GET /a.txt HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
    cr_assert_eq(answer.head.status, 413);
    free(answer.text);
    answer = ask("GET /a.txt HTTP/1.1\r\n" H "Content-Length: 0\r\n" CLOSE);
    cr_assert_eq(answer.head.status, 200);
    free(answer.text);
}

Test(files, refuses_what_is_no_request)
{
    static char big[CV_HTTP_HEAD_MAX + 4096];
    struct answer answer = ask("GET / HTTP/1.1\r\n\r\n");

    cr_assert_eq(answer.head.status, 400);
    assert_header(&answer, "connection", "close");
    free(answer.text);
    answer = ask("GET / HTTP/2.0\r\n\r\n");
    cr_assert_eq(answer.head.status, 505);
    free(answer.text);
    memset(big, 'a', sizeof(big) - 1);
    memcpy(big, "GET / HTTP/1.1\r\n" H "A: ", 38);
    memcpy(big + 8000, "\r\nB: ", 5);
    memcpy(big + 16000, "\r\nC: ", 5);
    answer = ask(big);
    cr_assert_eq(answer.head.status, 431);
    free(answer.text);
    memset(big, 'a', sizeof(big) - 1);
    memcpy(big, "GET /", 5);
    answer = ask(big);
    cr_assert_eq(answer.head.status, 414);
    free(answer.text);
}
