#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "discovery/cache.h"
#include "support/test_alloc.h"

static struct test_alloc ta;
static struct cv_cache *cache;
static uint64_t now;

static void set_up(void)
{
    now = 77;
    test_alloc_init(&ta);
    cr_assert_eq(cv_cache_new(&cache, &ta.alloc, "Media"), 0);
}

static void tear_down(void)
{
    cv_cache_free(cache);
    cr_assert_eq(ta.live, 0);
}

TestSuite(cache, .init = set_up, .fini = tear_down);

/* Something that a device says. */
struct said {
    const char *kind, *uuid, *type, *location, *more;
    unsigned age;
    uint8_t host;
};

static int hear(struct said said)
{
    struct cv_ssdp_from from = {.peer = {.family = 4, .ip = {10, 0, 0, said.host}},
                                .multicast = true};
    const char *type = said.type ? said.type : "urn:x:device:MediaRenderer:1";
    char text[2048];

    snprintf(text, sizeof(text),
             "NOTIFY * HTTP/1.1\r\nNT: %s\r\nNTS: ssdp:%s\r\nUSN: uuid:%s::%s\r\n"
             "LOCATION: %s\r\nCACHE-CONTROL: max-age=%u\r\nSERVER: s\r\n%s\r\n",
             type, said.kind ? said.kind : "alive", said.uuid ? said.uuid : "1", type,
             said.location ? said.location : "http://10.0.0.1/d.xml", said.age ? said.age : 60,
             said.more ? said.more : "");
    return cv_cache_recv(cache, &from, text, strlen(text), 0, now);
}

static void expect(enum cv_cache_change change, const char *uuid)
{
    struct cv_cache_event event;
    char usn[300];

    cr_assert_eq(cv_cache_poll(cache, &event, now), 1);
    cr_assert_eq(event.change, change);
    snprintf(usn, sizeof(usn), "uuid:%s::", uuid);
    cr_assert_eq(strncmp(event.usn, usn, strlen(usn)), 0, "%s", event.usn);
}

static void expect_nothing(void)
{
    struct cv_cache_event event;

    cr_assert_eq(cv_cache_poll(cache, &event, now), 0);
}

Test(cache, tells_what_is_added_refreshed_removed_and_expired)
{
    cr_assert_eq(hear((struct said){.uuid = "1"}), 0);
    expect(CV_CACHE_ADDED, "1");
    cr_assert_eq(hear((struct said){.uuid = "1"}), 0);
    expect(CV_CACHE_REFRESHED, "1");
    cr_assert_eq(hear((struct said){.uuid = "2", .age = 20}), 0);
    expect(CV_CACHE_ADDED, "2");
    cr_assert_eq(hear((struct said){.uuid = "1", .kind = "byebye"}), 0);
    expect(CV_CACHE_REMOVED, "1");
    expect_nothing();
    cr_assert_eq(cv_cache_deadline(cache), now + 20 * CV_SEC);
    now += 20 * CV_SEC - 1;
    expect_nothing();
    now++;
    expect(CV_CACHE_EXPIRED, "2");
    expect_nothing();
    cr_assert_eq(cv_cache_deadline(cache), CV_NEVER);
    cr_assert_eq(cv_cache_count(cache), 0);
    cr_assert_eq(hear((struct said){.uuid = "3", .kind = "byebye"}), 0);
    expect_nothing();
}

Test(cache, shows_what_a_device_says_of_itself)
{
    struct cv_cache_event event;

    cr_assert_eq(hear((struct said){.host = 9, .age = 33}), 0);
    cr_assert_eq(cv_cache_poll(cache, &event, now), 1);
    cr_assert_str_eq(event.usn, "uuid:1::urn:x:device:MediaRenderer:1");
    cr_assert_str_eq(event.type, "urn:x:device:MediaRenderer:1");
    cr_assert_str_eq(event.server, "s");
    cr_assert_str_eq(event.location, "http://10.0.0.1/d.xml");
    cr_assert_eq(event.age, 33);
    cr_assert_eq(event.sender.ip[3], 9);
}

Test(cache, leaves_other_types_out)
{
    cr_assert_eq(hear((struct said){.type = "urn:x:device:Printer:1"}), 0);
    expect_nothing();
}

Test(cache, does_not_keep_what_was_sent_to_it_alone_or_says_no_age)
{
    struct cv_ssdp_from from = {.multicast = false};
    static const char alone[] =
        "NOTIFY * HTTP/1.1\r\nNT: Media\r\nNTS: ssdp:alive\r\nUSN: uuid:1\r\n"
        "LOCATION: http://10.0.0.1/\r\nCACHE-CONTROL: max-age=60\r\n\r\n";
    static const char ageless[] =
        "NOTIFY * HTTP/1.1\r\nNT: Media\r\nNTS: ssdp:alive\r\nUSN: uuid:1\r\n"
        "LOCATION: http://10.0.0.1/\r\n\r\n";

    cr_assert_eq(cv_cache_recv(cache, &from, alone, sizeof(alone) - 1, 0, now), 0);
    from.multicast = true;
    cr_assert_eq(cv_cache_recv(cache, &from, ageless, sizeof(ageless) - 1, 0, now), 0);
    expect_nothing();
}

Test(cache, removes_the_whole_device_at_byebye_of_any_of_its_services)
{
    cr_assert_eq(hear((struct said){.type = "MediaA"}), 0);
    expect(CV_CACHE_ADDED, "1");
    cr_assert_eq(hear((struct said){.type = "MediaB"}), 0);
    expect(CV_CACHE_ADDED, "1");
    cr_assert_eq(hear((struct said){.type = "upnp:rootdevice", .kind = "byebye"}), 0);
    expect(CV_CACHE_REMOVED, "1");
    expect(CV_CACHE_REMOVED, "1");
    expect_nothing();
}

Test(cache, removes_a_device_that_has_started_anew_before_it_adds_it)
{
    cr_assert_eq(hear((struct said){.more = "BOOTID.UPNP.ORG: 1\r\n"}), 0);
    expect(CV_CACHE_ADDED, "1");
    cr_assert_eq(hear((struct said){.more = "BOOTID.UPNP.ORG: 1\r\n"}), 0);
    expect(CV_CACHE_REFRESHED, "1");
    cr_assert_eq(hear((struct said){.more = "BOOTID.UPNP.ORG: 2\r\n"}), 0);
    expect(CV_CACHE_REMOVED, "1");
    expect(CV_CACHE_ADDED, "1");
    expect_nothing();
}

Test(cache, keeps_a_device_that_says_its_next_bootid)
{
    cr_assert_eq(hear((struct said){.more = "BOOTID.UPNP.ORG: 1\r\n"}), 0);
    expect(CV_CACHE_ADDED, "1");
    cr_assert_eq(hear((struct said){.kind = "update",
                                    .more = "BOOTID.UPNP.ORG: 1\r\nNEXTBOOTID.UPNP.ORG: 2\r\n"}),
                 0);
    cr_assert_eq(hear((struct said){.more = "BOOTID.UPNP.ORG: 2\r\n"}), 0);
    expect(CV_CACHE_REFRESHED, "1");
    expect_nothing();
}

Test(cache, lives_as_long_as_the_last_of_its_locations)
{
    struct cv_cache_event event;

    cr_assert_eq(hear((struct said){.location = "http://a/1", .age = 50}), 0);
    expect(CV_CACHE_ADDED, "1");
    now++;
    cr_assert_eq(hear((struct said){.location = "http://a/2", .age = 10}), 0);
    cr_assert_eq(cv_cache_poll(cache, &event, now), 1);
    cr_assert_str_eq(event.location, "http://a/2");
    now += 10 * CV_SEC;
    expect_nothing();
    cr_assert_eq(hear((struct said){.location = "http://a/1", .age = 20}), 0);
    cr_assert_eq(cv_cache_poll(cache, &event, now), 1);
    cr_assert_eq(event.change, CV_CACHE_REFRESHED);
    cr_assert_str_eq(event.location, "http://a/1");
    now += 20 * CV_SEC;
    expect(CV_CACHE_EXPIRED, "1");
}

Test(cache, holds_so_many_locations_of_one_name)
{
    char location[64];
    size_t bytes = 0;

    for (unsigned i = 0; i < 3 * CV_CACHE_LOCATIONS; i++) {
        snprintf(location, sizeof(location), "http://a/%02u", i);
        now++;
        cr_assert_eq(hear((struct said){.location = location}), 0);
        expect(i ? CV_CACHE_REFRESHED : CV_CACHE_ADDED, "1");
        if (i + 1 == CV_CACHE_LOCATIONS)
            bytes = cv_cache_bytes(cache);
    }
    cr_assert_eq(cv_cache_bytes(cache), bytes);
}

static void fill(unsigned count, uint8_t host)
{
    char uuid[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(uuid, sizeof(uuid), "%u-%u", host, i);
        cr_assert_eq(hear((struct said){.uuid = uuid, .host = host}), 0);
        expect(CV_CACHE_ADDED, uuid);
    }
}

Test(cache, lets_the_sender_with_most_names_make_room)
{
    fill(CV_CACHE_ENTRIES_MAX, 1);
    cr_assert_eq(hear((struct said){.uuid = "one-more", .host = 1}), CV_EFULL);
    fill(10, 2);
    cr_assert_eq(cv_cache_count(cache), CV_CACHE_ENTRIES_MAX);
    cr_assert_eq(hear((struct said){.uuid = "2-0", .host = 2}), 0);
    expect(CV_CACHE_REFRESHED, "2-0");
}

Test(cache, holds_bounded_bytes)
{
    char location[CV_SSDP_URL_MAX + 1], uuid[32];
    unsigned full = 0;

    memset(location, 'x', sizeof(location));
    memcpy(location, "http://a/", 9);
    location[CV_SSDP_URL_MAX] = '\0';
    for (unsigned i = 0; i < CV_CACHE_ENTRIES_MAX; i++) {
        struct cv_cache_event event;

        snprintf(uuid, sizeof(uuid), "%u", i);
        full += hear((struct said){.uuid = uuid, .location = location}) == CV_EFULL;
        while (cv_cache_poll(cache, &event, now))
            ;
        cr_assert_leq(cv_cache_bytes(cache), CV_CACHE_BYTES_MAX);
    }
    cr_assert_gt(full, 0);
}

Test(cache, survives_each_allocation_failing)
{
    for (size_t n = 1; n <= 3; n++) {
        struct cv_cache_event event;

        ta.fail_at = ta.calls + n;
        (void)!hear((struct said){.uuid = "9", .more = "AL: <http://b/1>\r\n"});
        while (cv_cache_poll(cache, &event, now))
            ;
        cr_assert_eq(hear((struct said){.uuid = "9"}), 0);
        cr_assert_eq(cv_cache_poll(cache, &event, now), 1);
        cr_assert_eq(hear((struct said){.uuid = "9", .kind = "byebye"}), 0);
        expect(CV_CACHE_REMOVED, "9");
        cr_assert_eq(cv_cache_count(cache), 0);
    }
    ta.fail_at = ta.calls + 1;
    cr_assert_eq(cv_cache_new(&(struct cv_cache *){NULL}, &ta.alloc, NULL), -ENOMEM);
}
