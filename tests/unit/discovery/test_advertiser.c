/* The advertiser in virtual time: what goes out, where, when. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "discovery/advertiser.h"
#include "discovery/limit.h"
#include "support/test_alloc.h"

#define UUID   "0d0d0d0d-0000-4000-8000-000000000001"
#define WALL   INT64_C(1795311525)
#define PLACE  "http://10.0.0.1:8123/ssdp/description.xml"
#define PLACE2 "http://10.0.0.2:8123/ssdp/description.xml"

static struct test_alloc ta;
static struct cv_prng prng;
static struct cv_random source;
static struct cv_advertiser *advertiser;
static uint64_t now;

static struct cv_advertiser_config config = {
    .identity = {.uuid = UUID, .type = CV_SSDP_TYPE, .service = CV_SSDP_SERVICE},
    .server = "Linux/6.1 UPnP/1.1 Culvert/0.1.0",
    .boot = 100,
    .config = 5,
    .age = CV_ADVERTISER_AGE,
};

static void set_up(void)
{
    now = 1000;
    test_alloc_init(&ta);
    cv_prng_init(&prng, 7);
    source = cv_prng_random(&prng);
    cr_assert_eq(cv_advertiser_new(&advertiser, &config, &ta.alloc, &source), 0);
}

static void tear_down(void)
{
    cv_advertiser_free(advertiser);
    cr_assert_eq(ta.live, 0);
}

TestSuite(advertiser, .init = set_up, .fini = tear_down);

static void set_links(size_t count, const char *first)
{
    const struct cv_advertiser_link links[] = {{1, CV_SSDP_V4, first},
                                               {2, CV_SSDP_V6_LINK, "http://[fe80::1]:8123/d.xml"}};

    cr_assert_eq(cv_advertiser_links(advertiser, links, count, now), 0);
}

/* What went out until @end, by link and kind. */
struct seen {
    unsigned alive[3], bye[3], update[3], answers;
    uint64_t first, last;           /* alive */
    struct cv_ssdp_message message; /* the last one */
    struct cv_ssdp_out out;         /* its text */
};

static void count(struct seen *seen)
{
    struct cv_ssdp_message *message = &seen->message;
    unsigned link = seen->out.link;

    cr_assert_leq(seen->out.len, CV_SSDP_OUT_MAX);
    cr_assert_eq(cv_ssdp_parse(message, seen->out.data, seen->out.len, WALL), 0);
    if (message->kind == CV_SSDP_ALIVE) {
        seen->first = seen->alive[link] ? seen->first : now;
        seen->last = now;
    }
    seen->alive[link] += message->kind == CV_SSDP_ALIVE;
    seen->bye[link] += message->kind == CV_SSDP_BYEBYE;
    seen->update[link] += message->kind == CV_SSDP_UPDATE;
    seen->answers += message->kind == CV_SSDP_ANSWER;
    cr_assert_eq(seen->out.multicast, message->kind != CV_SSDP_ANSWER);
}

/* Runs until @end; returns what went out. */
static struct seen run(uint64_t end)
{
    struct seen seen = {.first = 0};

    while (cv_advertiser_deadline(advertiser) <= end) {
        if (cv_advertiser_deadline(advertiser) > now)
            now = cv_advertiser_deadline(advertiser);
        while (cv_advertiser_next(advertiser, &seen.out, WALL, now))
            count(&seen);
    }
    now = end;
    return seen;
}

static void hear(const char *text, bool multicast, bool on_link)
{
    struct cv_ssdp_from from = {.link = 1,
                                .peer = {.family = 4, .ip = {10, 0, 0, 9}, .port = 5000},
                                .multicast = multicast,
                                .on_link = on_link};

    cv_advertiser_recv(advertiser, &from, text, strlen(text), now);
}

static void search(const char *target)
{
    char text[512];

    snprintf(text, sizeof(text),
             "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n"
             "MX: 2\r\nST: %s\r\n\r\n",
             target);
    hear(text, true, true);
}

Test(advertiser, says_nothing_before_it_has_a_link)
{
    cr_assert_eq(cv_advertiser_deadline(advertiser), CV_NEVER);
}

Test(advertiser, announces_its_set_three_times_on_each_link_a_few_hundred_ms_apart)
{
    struct seen seen;
    uint64_t start = now;

    set_links(2, PLACE);
    seen = run(now + 2 * CV_SEC);
    cr_assert_eq(seen.alive[1], 12);
    cr_assert_eq(seen.alive[2], 12);
    cr_assert_eq(seen.bye[1] + seen.bye[2] + seen.update[1] + seen.update[2], 0);
    cr_assert_leq(seen.first - start, CV_ADVERTISER_START);
    cr_assert_geq(seen.last - start, 2 * CV_ADVERTISER_GAP_MIN);
    cr_assert_leq(seen.last - start, CV_ADVERTISER_START + 2 * CV_ADVERTISER_GAP_MAX);
    cr_assert_eq(seen.message.boot, 100);
}

Test(advertiser, refreshes_at_random_before_half_of_max_age_for_ever)
{
    uint64_t gaps[8];

    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    for (size_t i = 0; i < 8; i++) {
        uint64_t before = now;
        struct seen seen = run(now + CV_ADVERTISER_AGE * CV_SEC / 2);

        cr_assert_geq(seen.alive[1], 4);
        gaps[i] = seen.first - before;
    }
    cr_assert_neq(gaps[0], gaps[1]);
    cr_assert_neq(gaps[1], gaps[2]);
}

Test(advertiser, says_byebye_to_all_and_is_done)
{
    struct seen seen;

    set_links(2, PLACE);
    run(now + 2 * CV_SEC);
    cv_advertiser_stop(advertiser, now);
    seen = run(now + 2 * CV_SEC);
    cr_assert_eq(seen.bye[1], 8);
    cr_assert_eq(seen.bye[2], 8);
    cr_assert_eq(seen.alive[1] + seen.alive[2], 0);
    cr_assert_eq(cv_advertiser_deadline(advertiser), CV_NEVER);
    search("ssdp:all");
    cr_assert_eq(cv_advertiser_deadline(advertiser), CV_NEVER, "nor does it answer");
}

Test(advertiser, answers_a_change_of_address_with_byebye_update_and_a_greater_bootid)
{
    struct seen seen;

    set_links(2, PLACE);
    run(now + 2 * CV_SEC);
    set_links(2, PLACE);
    cr_assert_eq(run(now + 2 * CV_SEC).alive[1], 0, "nothing changed");
    set_links(2, PLACE2);
    seen = run(now + 3 * CV_SEC);
    cr_assert_eq(seen.bye[1], 4);
    cr_assert_eq(seen.bye[2], 0, "only the changed link");
    cr_assert_eq(seen.update[1], 4);
    cr_assert_eq(seen.update[2], 4);
    cr_assert_eq(seen.alive[1], 12);
    cr_assert_eq(seen.alive[2], 12);
    cr_assert_eq(seen.message.boot, 101);
    cr_assert_eq(cv_advertiser_boot(advertiser), 101);
}

Test(advertiser, sends_byebye_then_update_then_alive)
{
    struct cv_ssdp_message message;
    struct cv_ssdp_out out;
    enum cv_ssdp_kind last = CV_SSDP_BYEBYE;

    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    set_links(1, PLACE2);
    for (unsigned i = 0; i < 12; i++) {
        now = cv_advertiser_deadline(advertiser) > now ? cv_advertiser_deadline(advertiser) : now;
        cr_assert_eq(cv_advertiser_next(advertiser, &out, WALL, now), 1);
        cr_assert_eq(cv_ssdp_parse(&message, out.data, out.len, WALL), 0);
        last = message.kind;
        cr_assert_eq(last, i < 4 ? CV_SSDP_BYEBYE : i < 8 ? CV_SSDP_UPDATE : CV_SSDP_ALIVE);
        cr_assert_eq(message.boot, i < 8 ? 100 : 101);
        cr_assert_eq(message.next_boot, i >= 4 && i < 8 ? 101 : -1);
        cr_assert(i < 4 || cv_ssdp_slice_is(message.location, PLACE2));
    }
}

Test(advertiser, tells_of_an_address_that_was_gone_for_a_while)
{
    struct seen seen;

    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    cr_assert_eq(cv_advertiser_links(advertiser, NULL, 0, now), 0);
    cr_assert_eq(cv_advertiser_deadline(advertiser), CV_NEVER);
    set_links(1, PLACE2);
    seen = run(now + 3 * CV_SEC);
    cr_assert_eq(seen.bye[1], 4);
    cr_assert_eq(seen.update[1], 4);
    cr_assert_eq(seen.alive[1], 12);
}

Test(advertiser, keeps_bootid_within_31_bits)
{
    struct cv_advertiser *last;
    struct cv_advertiser_config high = config;
    const struct cv_advertiser_link one = {1, CV_SSDP_V4, PLACE}, two = {1, CV_SSDP_V4, PLACE2};

    high.boot = UINT32_C(0x7fffffff);
    cr_assert_eq(cv_advertiser_new(&last, &high, &ta.alloc, &source), 0);
    cr_assert_eq(cv_advertiser_links(last, &one, 1, now), 0);
    cr_assert_eq(cv_advertiser_links(last, &two, 1, now), 0);
    cr_assert_eq(cv_advertiser_boot(last), 0);
    cv_advertiser_free(last);
}

Test(advertiser, answers_a_search_within_mx_to_whoever_asked)
{
    struct seen seen;

    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    search("ssdp:all");
    seen = run(now + 2 * CV_SEC);
    cr_assert_eq(seen.answers, 4);
    cr_assert_eq(seen.out.peer.port, 5000);
    cr_assert_eq(seen.out.peer.ip[3], 9);
    cr_assert(cv_ssdp_slice_is(seen.message.location, PLACE));
    cr_assert_eq(seen.message.age, CV_ADVERTISER_AGE);
    cr_assert_eq(cv_advertiser_stats(advertiser)->sent, 4);
}

Test(advertiser, echoes_the_version_that_was_asked_for)
{
    struct cv_advertiser_config newer = config;
    struct cv_advertiser *old = advertiser;
    struct seen seen;

    strcpy(newer.identity.type, "urn:x:device:T:3");
    cr_assert_eq(cv_advertiser_new(&advertiser, &newer, &ta.alloc, &source), 0);
    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    search("urn:x:device:T:2");
    seen = run(now + 2 * CV_SEC);
    cr_assert_eq(seen.answers, 1);
    cr_assert(cv_ssdp_slice_is(seen.message.target, "urn:x:device:T:2"));
    cr_assert(cv_ssdp_slice_is(seen.message.usn, "uuid:" UUID "::urn:x:device:T:2"));
    cv_advertiser_free(advertiser);
    advertiser = old;
}

Test(advertiser, is_silent_to_a_search_that_breaks_the_rules)
{
    static const char *const wrong[] = {
        "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 0\r\nST: ssdp:all\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: x\r\nST: ssdp:all\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMX: 1\r\nST: ssdp:all\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: urn:other:1\r\n\r\n",
        "M-SEARCH * HTTP/1.0\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n",
    };

    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        hear(wrong[i], true, true);
        cr_assert_eq(run(now + 5 * CV_SEC).answers, 0, "%s", wrong[i]);
    }
}

Test(advertiser, needs_no_mx_of_a_search_that_was_sent_to_it_alone)
{
    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    hear("M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nST: upnp:rootdevice\r\n\r\n", false,
         true);
    cr_assert_eq(run(now + 1 * CV_SEC).answers, 1);
}

Test(advertiser, does_not_answer_outside_of_the_interfaces_networks)
{
    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    hear("M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n", true,
         false);
    cr_assert_eq(run(now + 2 * CV_SEC).answers, 0);
    cr_assert_eq(cv_advertiser_stats(advertiser)->foreign, 1);
}

Test(advertiser, answers_a_flood_no_more_than_its_limits_say)
{
    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    for (unsigned i = 0; i < 1000; i++)
        search("ssdp:all");
    cr_assert_eq(run(now + 2 * CV_SEC).answers, 4, "the same search is one");
    cr_assert_eq(cv_advertiser_stats(advertiser)->merged, 999);
    for (unsigned i = 0; i < 1000; i++) {
        char text[] = "urn:culvert-tunnel:device:TunnelServer:1";
        struct cv_ssdp_from from = {.link = 1,
                                    .peer = {.family = 4, .ip = {10, 0, 0, 9}},
                                    .multicast = true,
                                    .on_link = true};
        char datagram[256];

        from.peer.port = (uint16_t)(6000 + i);
        snprintf(datagram, sizeof(datagram),
                 "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 5\r\nST: %s\r\n\r\n", text);
        cv_advertiser_recv(advertiser, &from, datagram, strlen(datagram), now);
    }
    cr_assert_leq(run(now + 5 * CV_SEC).answers, CV_SSDP_SOURCE_BURST);
    cr_assert_gt(cv_advertiser_stats(advertiser)->limited, 900);
}

Test(advertiser, forgets_what_a_link_that_is_gone_was_asked)
{
    set_links(1, PLACE);
    run(now + 2 * CV_SEC);
    search("ssdp:all");
    cr_assert_eq(cv_advertiser_links(advertiser, NULL, 0, now), 0);
    cr_assert_eq(cv_advertiser_deadline(advertiser), CV_NEVER);
}

Test(advertiser, takes_so_many_links_and_locations_that_fit)
{
    struct cv_advertiser_link links[CV_ADVERTISER_LINKS_MAX + 1];
    char place[CV_ADVERTISER_LOCATION_MAX + 2];

    for (unsigned i = 0; i <= CV_ADVERTISER_LINKS_MAX; i++)
        links[i] = (struct cv_advertiser_link){i, CV_SSDP_V4, PLACE};
    cr_assert_eq(cv_advertiser_links(advertiser, links, CV_ADVERTISER_LINKS_MAX + 1, now),
                 CV_EFULL);
    cr_assert_eq(cv_advertiser_links(advertiser, links, CV_ADVERTISER_LINKS_MAX, now), 0);
    memset(place, 'x', sizeof(place));
    place[CV_ADVERTISER_LOCATION_MAX + 1] = '\0';
    links[0].location = place;
    cr_assert_eq(cv_advertiser_links(advertiser, links, 1, now), CV_ETOOLONG);
    place[CV_ADVERTISER_LOCATION_MAX] = '\0';
    cr_assert_eq(cv_advertiser_links(advertiser, links, 1, now), 0);
}

Test(advertiser, refuses_a_location_with_which_a_datagram_would_be_over_512_bytes)
{
    struct cv_advertiser_config wide = config;
    struct cv_advertiser_link link = {1, CV_SSDP_V4, PLACE};
    struct cv_advertiser *other;
    char place[CV_ADVERTISER_LOCATION_MAX + 1];

    memset(wide.identity.type, 'u', CV_SSDP_TYPE_MAX);
    wide.identity.type[1] = ':';
    wide.identity.type[CV_SSDP_TYPE_MAX] = '\0';
    memset(place, 'x', CV_ADVERTISER_LOCATION_MAX);
    place[CV_ADVERTISER_LOCATION_MAX] = '\0';
    link.location = place;
    cr_assert_eq(cv_advertiser_new(&other, &wide, &ta.alloc, &source), 0);
    cr_assert_eq(cv_advertiser_links(other, &link, 1, now), CV_ETOOLONG);
    cv_advertiser_free(other);
}

Test(advertiser, refuses_what_is_no_uuid_or_type_and_says_when_memory_is_out)
{
    struct cv_advertiser_config bad = config;
    struct cv_advertiser *other;

    bad.identity.uuid[0] = 'x';
    cr_assert_eq(cv_advertiser_new(&other, &bad, &ta.alloc, &source), CV_ESYNTAX);
    bad = config;
    strcpy(bad.identity.type, "a b");
    cr_assert_eq(cv_advertiser_new(&other, &bad, &ta.alloc, &source), CV_ESYNTAX);
    ta.fail_at = ta.calls + 1;
    cr_assert_eq(cv_advertiser_new(&other, &config, &ta.alloc, &source), -ENOMEM);
}
