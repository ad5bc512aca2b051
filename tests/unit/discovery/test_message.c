#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "discovery/url.h"

#define ALIVE                                                                        \
    "NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nUSN: uuid:1\r\n" \
    "CACHE-CONTROL: max-age=60\r\n"

static int parse(struct cv_ssdp_message *out, const char *text)
{
    return cv_ssdp_parse(out, text, strlen(text), 0);
}

Test(message, drops_whatever_starts_otherwise)
{
    static const char *const wrong[] = {
        "",
        "\r\n",
        "NOTIFY * HTTP/1.0\r\n\r\n",
        "notify * HTTP/1.1\r\n\r\n",
        "NOTIFY /x HTTP/1.1\r\n\r\n",
        "M-SEARCH * HTTP/1.0\r\n\r\n",
        "M-SEARCH  * HTTP/1.1\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    struct cv_ssdp_message message;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(parse(&message, wrong[i]), CV_ESYNTAX, "%s", wrong[i]);
}

Test(message, reads_a_datagram_of_the_greatest_length_and_no_longer_one)
{
    char data[CV_SSDP_IN_MAX + 1];
    struct cv_ssdp_message message;

    memset(data, 'x', sizeof(data));
    memcpy(data, "NOTIFY * HTTP/1.1\r\n", 19);
    cr_assert_eq(cv_ssdp_parse(&message, data, CV_SSDP_IN_MAX, 0), 0);
    cr_assert_eq(cv_ssdp_parse(&message, data, CV_SSDP_IN_MAX + 1, 0), CV_ESYNTAX);
}

Test(message, reads_nothing_behind_the_length_that_it_is_told)
{
    static const char text[] = "M-SEARCH * HTTP/1.1\r\nMX: 33";
    struct cv_ssdp_message message;

    cr_assert_eq(cv_ssdp_parse(&message, text, sizeof(text) - 2, 0), 0);
    cr_assert_eq(message.mx, 3);
}

Test(message, skips_lines_without_a_colon_continued_lines_and_the_body)
{
    struct cv_ssdp_message message;

    cr_assert_eq(parse(&message, "M-SEARCH * HTTP/1.1\r\nnonsense\r\nX: y\r\n ST: folded\r\n"
                                 "st \t:\t ssdp:all \t\r\n\r\nMX: 3\r\n"),
                 0);
    cr_assert(cv_ssdp_slice_is(message.target, "ssdp:all"));
    cr_assert_eq(message.mx, 0);
}

Test(message, takes_an_mx_that_is_a_positive_number_and_bounds_it)
{
    static const struct {
        const char *text;
        int mx;
    } known[] = {{"1", 1}, {"5", 5},  {"6", 5},   {"99999999999999999999", 5},
                 {"0", 0}, {"-1", 0}, {"1.5", 0}, {"3s", 0},
                 {"", 0},  {"+2", 0}};
    struct cv_ssdp_message message;
    char text[128];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        snprintf(text, sizeof(text), "M-SEARCH * HTTP/1.1\r\nMX: %s\r\n\r\n", known[i].text);
        cr_assert_eq(parse(&message, text), 0);
        cr_assert_eq(message.mx, known[i].mx, "%s", known[i].text);
    }
}

Test(message, finds_max_age_among_other_directives)
{
    static const struct {
        const char *text;
        int64_t age;
    } known[] = {{"max-age=60", 60},
                 {"MAX-AGE = 60 ", 60},
                 {"public, max-age=60, no-cache", 60},
                 {"x=\"a,max-age=9\", max-age=60", 60},
                 {"max-age=\" 60 \"", 60},
                 {"max-age=604800", CV_SSDP_AGE_MAX},
                 {"max-age=604801", CV_SSDP_AGE_MAX},
                 {"s-max-age=60", -1},
                 {"max-age", -1},
                 {"max-age=", -1},
                 {"max-age=6x", -1},
                 {"", -1},
                 {",,,", -1}};
    struct cv_ssdp_message message;
    char text[128];

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nCache-Control:%s\r\n\r\n", known[i].text);
        cr_assert_eq(parse(&message, text), 0);
        cr_assert_eq(message.age, known[i].age, "%s", known[i].text);
    }
}

Test(message, needs_the_discover_of_man)
{
    struct cv_ssdp_message message;

    cr_assert_eq(parse(&message, "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\n\r\n"), 0);
    cr_assert(message.discover);
    cr_assert_eq(parse(&message, "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:other\"\r\n\r\n"), 0);
    cr_assert_not(message.discover);
    cr_assert_eq(parse(&message, "M-SEARCH * HTTP/1.1\r\n\r\n"), 0);
    cr_assert_not(message.discover);
}

static enum cv_ssdp_verdict judge(const char *text, size_t len)
{
    struct cv_ssdp_message message;

    cr_assert_eq(cv_ssdp_parse(&message, text, len, 0), 0);
    return cv_ssdp_judge(&message);
}

Test(message, rejects_control_and_foreign_bytes_where_they_would_be_shown)
{
    static const char *const wrong[] = {
        "NOTIFY * HTTP/1.1\r\nNT: a\x1b[31m\r\nNTS: ssdp:alive\r\nUSN: uuid:1\r\n"
        "LOCATION: http://a/\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nNT: a\r\nNTS: ssdp:byebye\r\nUSN: uuid:\xc3\xa4\r\n\r\n",
        ALIVE "LOCATION: http://a/\x7f\r\n\r\n",
        ALIVE "LOCATION: http://a/b c\r\n\r\n",
        ALIVE "LOCATION: ftp://a/\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(judge(wrong[i], strlen(wrong[i])), CV_SSDP_REJECT, "%s", wrong[i]);
    cr_assert_eq(judge(ALIVE "LOCATION: http://a/\r\n\r\n", strlen(ALIVE) + 25), CV_SSDP_KEEP);
}

/* An announcement whose USN has @len bytes. */
static enum cv_ssdp_verdict judge_usn(size_t len)
{
    char usn[400], text[800];

    memset(usn, 'u', len);
    usn[len] = '\0';
    snprintf(text, sizeof(text),
             "NOTIFY * HTTP/1.1\r\nNT: a\r\nNTS: ssdp:byebye\r\nUSN: %s\r\n\r\n", usn);
    return judge(text, strlen(text));
}

Test(message, takes_a_name_of_the_greatest_length_and_no_longer_one)
{
    cr_assert_eq(judge_usn(CV_SSDP_NAME_MAX), CV_SSDP_GONE);
    cr_assert_eq(judge_usn(CV_SSDP_NAME_MAX + 1), CV_SSDP_REJECT);
}

Test(message, takes_an_update_only_with_the_next_bootid)
{
    static const char without[] =
        "NOTIFY * HTTP/1.1\r\nNT: a\r\nNTS: ssdp:update\r\nUSN: uuid:1\r\n";
    char with[256];

    cr_assert_eq(judge(without, sizeof(without) - 1), CV_SSDP_SKIP);
    snprintf(with, sizeof(with), "%sNEXTBOOTID.UPNP.ORG: 8\r\n\r\n", without);
    cr_assert_eq(judge(with, strlen(with)), CV_SSDP_MOVED);
}

static struct cv_ssdp_notice notice = {.target = "upnp:rootdevice",
                                       .target_len = 15,
                                       .usn = "uuid:1::upnp:rootdevice",
                                       .location = "http://10.0.0.1:8123/d.xml",
                                       .server = "Linux/6.1 UPnP/1.1 Culvert/0.1.0",
                                       .age = 1800,
                                       .boot = 7,
                                       .next_boot = 8,
                                       .config = 9,
                                       .mx = 2,
                                       .wall = 1795311525};

Test(message, writes_an_answer_with_every_header_that_is_required)
{
    char out[CV_SSDP_OUT_MAX + 1];

    cr_assert_gt(cv_ssdp_write_answer(out, &notice), 0);
    cr_assert_str_eq(out, "HTTP/1.1 200 OK\r\n"
                          "CACHE-CONTROL: max-age=1800\r\n"
                          "DATE: Sun, 22 Nov 2026 01:38:45 GMT\r\n"
                          "EXT:\r\n"
                          "LOCATION: http://10.0.0.1:8123/d.xml\r\n"
                          "SERVER: Linux/6.1 UPnP/1.1 Culvert/0.1.0\r\n"
                          "ST: upnp:rootdevice\r\n"
                          "USN: uuid:1::upnp:rootdevice\r\n"
                          "BOOTID.UPNP.ORG: 7\r\n"
                          "CONFIGID.UPNP.ORG: 9\r\n"
                          "\r\n");
}

Test(message, writes_a_search_to_each_group)
{
    char out[CV_SSDP_OUT_MAX + 1];
    struct cv_ssdp_notice search = notice;

    search.group = CV_SSDP_V6_SITE;
    cr_assert_gt(cv_ssdp_write_search(out, &search), 0);
    cr_assert_str_eq(out, "M-SEARCH * HTTP/1.1\r\n"
                          "HOST: [FF05::C]:1900\r\n"
                          "MAN: \"ssdp:discover\"\r\n"
                          "MX: 2\r\n"
                          "ST: upnp:rootdevice\r\n"
                          "USER-AGENT: Linux/6.1 UPnP/1.1 Culvert/0.1.0\r\n"
                          "\r\n");
    search.group = CV_SSDP_V6_LINK;
    cr_assert_gt(cv_ssdp_write_search(out, &search), 0);
    cr_assert_not_null(strstr(out, "HOST: [FF02::C]:1900\r\n"));
    search.group = CV_SSDP_V4;
    cr_assert_gt(cv_ssdp_write_search(out, &search), 0);
    cr_assert_not_null(strstr(out, "HOST: 239.255.255.250:1900\r\n"));
}

Test(message, says_byebye_without_location_age_and_server)
{
    char out[CV_SSDP_OUT_MAX + 1];

    cr_assert_gt(cv_ssdp_write_notify(out, CV_SSDP_BYEBYE, &notice), 0);
    cr_assert_str_eq(out, "NOTIFY * HTTP/1.1\r\n"
                          "HOST: 239.255.255.250:1900\r\n"
                          "NT: upnp:rootdevice\r\n"
                          "NTS: ssdp:byebye\r\n"
                          "USN: uuid:1::upnp:rootdevice\r\n"
                          "BOOTID.UPNP.ORG: 7\r\n"
                          "CONFIGID.UPNP.ORG: 9\r\n"
                          "\r\n");
    cr_assert_gt(cv_ssdp_write_notify(out, CV_SSDP_UPDATE, &notice), 0);
    cr_assert_not_null(strstr(out, "NTS: ssdp:update\r\n"));
    cr_assert_not_null(strstr(out, "NEXTBOOTID.UPNP.ORG: 8\r\n"));
    cr_assert_not_null(strstr(out, "LOCATION: "));
    cr_assert_null(strstr(out, "CACHE-CONTROL"));
}

Test(message, reads_what_it_writes)
{
    char out[CV_SSDP_OUT_MAX + 1];
    struct cv_ssdp_message message;
    int len = cv_ssdp_write_notify(out, CV_SSDP_ALIVE, &notice);

    cr_assert_eq(cv_ssdp_parse(&message, out, (size_t)len, 0), 0);
    cr_assert_eq(cv_ssdp_judge(&message), CV_SSDP_KEEP);
    cr_assert_eq(message.age, 1800);
    cr_assert_eq(message.boot, 7);
}

Test(message, writes_no_more_than_512_bytes)
{
    char out[CV_SSDP_OUT_MAX + 1], location[400];
    struct cv_ssdp_notice longer = notice;
    size_t room = CV_SSDP_OUT_MAX - (size_t)cv_ssdp_write_notify(out, CV_SSDP_ALIVE, &notice);
    size_t len = strlen(notice.location) + room;

    memset(location, 'l', sizeof(location));
    longer.location = location;
    location[len] = '\0';
    cr_assert_eq(cv_ssdp_write_notify(out, CV_SSDP_ALIVE, &longer), CV_SSDP_OUT_MAX);
    location[len] = 'l';
    location[len + 1] = '\0';
    cr_assert_eq(cv_ssdp_write_notify(out, CV_SSDP_ALIVE, &longer), CV_ETOOLONG);
}

Test(url, splits_what_was_found)
{
    struct cv_ssdp_url url;
    const char *text = "https://[fd00::1]:8443/a/b?c";

    cr_assert_eq(cv_ssdp_url_parse(&url, text, strlen(text)), 0);
    cr_assert(url.tls && url.bracketed && !url.websocket);
    cr_assert(cv_ssdp_slice_is(url.host, "fd00::1"));
    cr_assert_eq(url.port, 8443);
    cr_assert(cv_ssdp_slice_is(url.path, "/a/b?c"));
    cr_assert_eq(cv_ssdp_url_parse(&url, "HTTP://a", 8), 0);
    cr_assert_eq(url.port, 80);
    cr_assert_eq(url.path.len, 0);
    cr_assert_eq(cv_ssdp_ws_parse(&url, "wss://a/connect", 15), 0);
    cr_assert(url.tls && url.websocket);
    cr_assert_eq(url.port, 443);
}

Test(url, takes_no_user_no_fragment_no_odd_host_and_no_odd_port)
{
    static const char *const wrong[] = {
        "http://",
        "http:///x",
        "http://u@h/",
        "http://h:0/",
        "http://h:65536/",
        "http://h:1x/",
        "http://h:/",
        "http://h/#f",
        "http://h/\"",
        "http://[fe80::1",
        "http://[fe80::1%2]",
        "http://h:80:80/",
        "ws://h/",
        "//h/",
        "http//h/",
        "http://h?x",
        "http\x1a//h",
    };
    struct cv_ssdp_url url;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert_eq(cv_ssdp_url_parse(&url, wrong[i], strlen(wrong[i])), CV_ESYNTAX, "%s",
                     wrong[i]);
}

Test(url, takes_one_of_the_greatest_length_and_no_longer_one)
{
    char text[CV_SSDP_URL_MAX + 2];
    struct cv_ssdp_url url;

    memset(text, 'x', sizeof(text));
    memcpy(text, "http://h/", 9);
    cr_assert_eq(cv_ssdp_url_parse(&url, text, CV_SSDP_URL_MAX), 0);
    cr_assert_eq(cv_ssdp_url_parse(&url, text, CV_SSDP_URL_MAX + 1), CV_ESYNTAX);
}
