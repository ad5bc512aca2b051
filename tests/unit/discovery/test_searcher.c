/* The searcher in virtual time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "discovery/searcher.h"
#include "support/test_alloc.h"

#define USN "uuid:1::" CV_SSDP_TYPE

static struct test_alloc ta;
static struct cv_searcher *searcher;
static uint64_t now;

static void set_up(void)
{
    const struct cv_searcher_config config = {
        .target = CV_SSDP_TYPE, .server = "Linux/6.1 UPnP/1.1 Culvert/0", .timeout = 30 * CV_SEC};
    const unsigned links[] = {1, 2};
    const enum cv_ssdp_group groups[] = {CV_SSDP_V4, CV_SSDP_V6_LINK};

    now = 5000;
    test_alloc_init(&ta);
    cr_assert_eq(cv_searcher_new(&searcher, &config, &ta.alloc, now), 0);
    cr_assert_eq(cv_searcher_links(searcher, links, groups, 2, now), 0);
}

static void tear_down(void)
{
    cv_searcher_free(searcher);
    cr_assert_eq(ta.live, 0);
}

TestSuite(searcher, .init = set_up, .fini = tear_down);

/* Runs until @end; returns how many searches went out. */
static unsigned run(uint64_t end)
{
    struct cv_ssdp_out out;
    unsigned sent = 0;

    while (cv_searcher_deadline(searcher) <= end && !cv_searcher_over(searcher, now)) {
        if (cv_searcher_deadline(searcher) > now)
            now = cv_searcher_deadline(searcher);
        while (cv_searcher_next(searcher, &out, now)) {
            struct cv_ssdp_message message;

            cr_assert_eq(cv_ssdp_parse(&message, out.data, out.len, 0), 0);
            cr_assert_eq(message.kind, CV_SSDP_SEARCH);
            cr_assert(message.discover && message.mx == CV_SEARCHER_MX && out.multicast);
            sent++;
        }
    }
    now = end;
    return sent;
}

static void hear_from(uint8_t host, bool multicast, const char *text)
{
    struct cv_ssdp_from from = {.link = 1,
                                .peer = {.family = 4, .ip = {10, 0, 0, host}, .port = 1900},
                                .multicast = multicast,
                                .on_link = true};

    cv_searcher_recv(searcher, &from, text, strlen(text), 0, now);
}

static void answer(uint8_t host, const char *usn, const char *location)
{
    char text[2048];

    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\nST: " CV_SSDP_TYPE "\r\nUSN: %s\r\nLOCATION: %s\r\n"
             "CACHE-CONTROL: max-age=60\r\n\r\n",
             usn, location);
    hear_from(host, false, text);
}

static void notify(const char *kind, const char *location)
{
    char text[1024];

    snprintf(text, sizeof(text),
             "NOTIFY * HTTP/1.1\r\nNT: " CV_SSDP_TYPE "\r\nNTS: ssdp:%s\r\nUSN: " USN
             "\r\nLOCATION: %s\r\nCACHE-CONTROL: max-age=60\r\n\r\n",
             kind, location);
    hear_from(9, true, text);
}

static void expect(const char *location)
{
    struct cv_sighting found;

    cr_assert_eq(cv_searcher_poll(searcher, &found), 1);
    cr_assert_not(found.gone);
    cr_assert_str_eq(found.location, location);
}

static void expect_nothing(void)
{
    struct cv_sighting found;

    cr_assert_eq(cv_searcher_poll(searcher, &found), 0);
}

Test(searcher, searches_every_link_every_second_until_the_time_is_up)
{
    cr_assert_eq(run(now + 30 * CV_SEC), 60);
    cr_assert(cv_searcher_over(searcher, now));
    cr_assert_not(cv_searcher_found(searcher));
    cr_assert_eq(run(now + 60 * CV_SEC), 0);
}

Test(searcher, searches_no_more_when_something_has_answered)
{
    run(now + 3 * CV_SEC / 2);
    answer(9, USN, "http://10.0.0.9/d.xml");
    cr_assert_eq(run(now + 10 * CV_SEC), 0);
    cr_assert(cv_searcher_found(searcher));
    cr_assert(cv_searcher_over(searcher, now));
    expect("http://10.0.0.9/d.xml");
    expect_nothing();
}

Test(searcher, waits_for_the_answers_of_the_others)
{
    run(now + CV_SEC / 2);
    answer(9, USN, "http://10.0.0.9/d.xml");
    cr_assert_not(cv_searcher_over(searcher, now));
    now += CV_SEC;
    cr_assert_not(cv_searcher_over(searcher, now));
    now += CV_SEC;
    cr_assert(cv_searcher_over(searcher, now));
}

Test(searcher, keeps_the_order_and_leaves_duplicates_out)
{
    answer(9, "uuid:2::" CV_SSDP_TYPE, "http://10.0.0.2/d.xml");
    answer(9, USN, "http://10.0.0.1/d.xml");
    answer(9, "uuid:2::" CV_SSDP_TYPE, "http://10.0.0.2/d.xml");
    expect("http://10.0.0.2/d.xml");
    expect("http://10.0.0.1/d.xml");
    answer(9, USN, "http://10.0.0.1/d.xml");
    expect_nothing();
}

Test(searcher, takes_the_alternates_behind_the_location)
{
    hear_from(9, false,
              "HTTP/1.1 200 OK\r\nST: " CV_SSDP_TYPE "\r\nUSN: " USN
              "\r\nAL: <http://10.0.0.2/a><x:y><https://10.0.0.3/b>\r\n"
              "LOCATION: http://10.0.0.1/d.xml\r\n\r\n");
    expect("http://10.0.0.1/d.xml");
    expect("http://10.0.0.2/a");
    expect("https://10.0.0.3/b");
    expect_nothing();
}

Test(searcher, counts_an_announcement_too)
{
    run(now + 40 * CV_SEC);
    notify("alive", "http://10.0.0.9/d.xml");
    expect("http://10.0.0.9/d.xml");
}

Test(searcher, takes_back_what_says_byebye)
{
    struct cv_sighting gone;

    notify("alive", "http://10.0.0.9/d.xml");
    notify("byebye", "x");
    expect_nothing();
    notify("alive", "http://10.0.0.9/d.xml");
    expect("http://10.0.0.9/d.xml");
    notify("byebye", "x");
    cr_assert_eq(cv_searcher_poll(searcher, &gone), 1);
    cr_assert(gone.gone);
    cr_assert_str_eq(gone.location, "http://10.0.0.9/d.xml");
    expect_nothing();
    notify("alive", "http://10.0.0.9/d.xml");
    expect("http://10.0.0.9/d.xml");
}

Test(searcher, ignores_an_announcement_that_was_sent_to_it_alone)
{
    hear_from(9, false,
              "NOTIFY * HTTP/1.1\r\nNT: " CV_SSDP_TYPE "\r\nNTS: ssdp:alive\r\nUSN: " USN
              "\r\nLOCATION: http://10.0.0.9/d.xml\r\nCACHE-CONTROL: max-age=60\r\n\r\n");
    expect_nothing();
    cr_assert_not(cv_searcher_found(searcher));
}

Test(searcher, ignores_other_types_and_its_own_searches)
{
    struct cv_ssdp_out out;

    hear_from(9, true,
              "NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\nNTS: ssdp:alive\r\nUSN: " USN
              "\r\nLOCATION: http://10.0.0.9/d.xml\r\nCACHE-CONTROL: max-age=60\r\n\r\n");
    cr_assert_eq(cv_searcher_next(searcher, &out, now), 1);
    hear_from(9, true, out.data);
    expect_nothing();
}

Test(searcher, finds_by_part_of_a_type)
{
    const struct cv_searcher_config config = {
        .target = CV_SSDP_ALL, .part = "MediaRenderer", .server = "x", .timeout = CV_SEC};
    struct cv_searcher *mine = searcher;

    cr_assert_eq(cv_searcher_new(&searcher, &config, &ta.alloc, now), 0);
    answer(9, USN, "http://10.0.0.9/d.xml");
    expect_nothing();
    hear_from(9, false,
              "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:MediaRenderer:1\r\n"
              "USN: uuid:3\r\nLOCATION: http://10.0.0.3/d.xml\r\n\r\n");
    expect("http://10.0.0.3/d.xml");
    cv_searcher_free(searcher);
    searcher = mine;
}

Test(searcher, searches_anew_after_all_was_lost)
{
    answer(9, USN, "http://10.0.0.9/d.xml");
    expect("http://10.0.0.9/d.xml");
    run(now + 100 * CV_SEC);
    cv_searcher_again(searcher, now);
    cr_assert_eq(run(now + 2 * CV_SEC), 6);
    answer(9, USN, "http://10.0.0.9/d.xml");
    expect("http://10.0.0.9/d.xml");
}

Test(searcher, searches_at_once_on_a_link_that_is_new)
{
    const unsigned links[] = {1, 2, 3};
    const enum cv_ssdp_group groups[] = {CV_SSDP_V4, CV_SSDP_V6_LINK, CV_SSDP_V4};
    struct cv_ssdp_out out;

    cr_assert_eq(run(now + CV_SEC / 2), 2);
    cr_assert_eq(cv_searcher_links(searcher, links, groups, 3, now), 0);
    cr_assert_eq(cv_searcher_next(searcher, &out, now), 1);
    cr_assert_eq(out.link, 3);
    cr_assert_eq(cv_searcher_next(searcher, &out, now), 0);
}

Test(searcher, remembers_so_much_of_one_sender_and_so_much_of_all)
{
    struct cv_sighting found;
    unsigned count = 0;
    char usn[64];

    for (unsigned i = 0; i < CV_SEARCHER_FOUND_MAX + 10; i++) {
        snprintf(usn, sizeof(usn), "uuid:%u", i);
        answer(9, usn, "http://10.0.0.9/d.xml");
    }
    while (cv_searcher_poll(searcher, &found))
        count++;
    cr_assert_eq(count, CV_SEARCHER_SENDER_MAX);
    for (unsigned i = 0; i < CV_SEARCHER_FOUND_MAX + 10; i++) {
        snprintf(usn, sizeof(usn), "uuid:x%u", i);
        answer((uint8_t)(10 + i), usn, "http://10.0.0.9/d.xml");
    }
    while (cv_searcher_poll(searcher, &found))
        count++;
    cr_assert_eq(count, CV_SEARCHER_FOUND_MAX);
}

Test(searcher, refuses_too_many_links_too_long_a_target_and_says_when_memory_is_out)
{
    unsigned links[CV_SEARCHER_LINKS_MAX + 1] = {0};
    enum cv_ssdp_group groups[CV_SEARCHER_LINKS_MAX + 1] = {CV_SSDP_V4};
    char target[CV_SSDP_NAME_MAX + 2];
    struct cv_searcher_config config = {.target = target, .server = "x"};
    struct cv_searcher *other;

    cr_assert_eq(cv_searcher_links(searcher, links, groups, CV_SEARCHER_LINKS_MAX + 1, now),
                 CV_EFULL);
    cr_assert_eq(cv_searcher_links(searcher, links, groups, CV_SEARCHER_LINKS_MAX, now), 0);
    memset(target, 't', sizeof(target));
    target[CV_SSDP_NAME_MAX + 1] = '\0';
    cr_assert_eq(cv_searcher_new(&other, &config, &ta.alloc, now), CV_ETOOLONG);
    target[CV_SSDP_NAME_MAX] = '\0';
    ta.fail_at = ta.calls + 1;
    cr_assert_eq(cv_searcher_new(&other, &config, &ta.alloc, now), -ENOMEM);
    cr_assert_eq(cv_searcher_new(&other, &config, &ta.alloc, now), 0);
    cv_searcher_free(other);
}
