/* SSDP datagrams and descriptions: the codec, and the state machines that are fed with it.
 *
 * Every slice of a message lies inside the datagram; what a machine sends is no longer than 512
 * bytes and is read by the codec; no input makes the advertiser answer more than its limits say. */
#include <stdlib.h>
#include <string.h>

#include "discovery/advertiser.h"
#include "discovery/cache.h"
#include "discovery/description.h"
#include "discovery/searcher.h"
#include "discovery/url.h"
#include "support/test_alloc.h"

#define LINK 1

static void require(bool fine)
{
    if (!fine)
        abort();
}

static void check_slice(struct cv_ssdp_slice slice, const char *data, size_t len)
{
    require(!slice.at || (slice.at >= data && slice.len <= len - (size_t)(slice.at - data)));
}

static void check_message(const char *data, size_t len)
{
    struct cv_ssdp_message message;
    struct cv_ssdp_url url;
    enum cv_ssdp_verdict verdict;

    if (cv_ssdp_parse(&message, data, len, 1000000) < 0)
        return;
    check_slice(message.target, data, len);
    check_slice(message.usn, data, len);
    check_slice(message.location, data, len);
    check_slice(message.al, data, len);
    check_slice(message.server, data, len);
    require(message.age >= -1 && message.age <= CV_SSDP_AGE_MAX);
    require(message.mx >= 0 && message.mx <= CV_SSDP_MX_MAX);
    verdict = cv_ssdp_judge(&message);
    if (verdict == CV_SSDP_KEEP || verdict == CV_SSDP_REPORT) {
        require(cv_ssdp_url_parse(&url, message.location.at, message.location.len) == 0);
        check_slice(url.host, data, len);
        check_slice(url.path, data, len);
        require(url.host.len > 0 && url.port > 0);
    }
}

static void feed_advertiser(const struct cv_ssdp_from *from, const char *data, size_t len)
{
    static const struct cv_advertiser_config config = {
        .identity = {.uuid = "0d0d0d0d-0000-4000-8000-000000000001",
                     .type = CV_SSDP_TYPE,
                     .service = CV_SSDP_SERVICE},
        .server = "x",
        .age = CV_ADVERTISER_AGE};
    const struct cv_advertiser_link link = {LINK, CV_SSDP_V4, "http://10.0.0.1/d.xml"};
    struct cv_advertiser *advertiser;
    struct cv_ssdp_message message;
    struct cv_ssdp_out out;
    struct test_alloc ta;
    struct cv_prng prng;
    struct cv_random source = cv_prng_random(&prng);

    cv_prng_init(&prng, 1);
    test_alloc_init(&ta);
    require(cv_advertiser_new(&advertiser, &config, &ta.alloc, &source) == 0);
    require(cv_advertiser_links(advertiser, &link, 1, 0) == 0);
    cv_advertiser_recv(advertiser, from, data, len, 0);
    while (cv_advertiser_next(advertiser, &out, 0, 6 * CV_SEC)) {
        require(out.len <= CV_SSDP_OUT_MAX);
        require(cv_ssdp_parse(&message, out.data, out.len, 0) == 0);
    }
    require(cv_advertiser_stats(advertiser)->sent <= CV_SSDP_TARGETS_MAX);
    cv_advertiser_free(advertiser);
    require(ta.live == 0);
}

static void feed_finders(const struct cv_ssdp_from *from, const char *data, size_t len)
{
    const struct cv_searcher_config config = {
        .target = CV_SSDP_ALL, .server = "x", .timeout = CV_SEC};
    struct cv_searcher *searcher;
    struct cv_cache *cache;
    struct cv_sighting sighting;
    struct cv_cache_event event;
    struct cv_ssdp_url url;
    struct test_alloc ta;

    test_alloc_init(&ta);
    require(cv_searcher_new(&searcher, &config, &ta.alloc, 0) == 0);
    require(cv_cache_new(&cache, &ta.alloc, NULL) == 0);
    cv_searcher_recv(searcher, from, data, len, 0, 0);
    require(cv_cache_recv(cache, from, data, len, 0, 0) <= 0);
    while (cv_searcher_poll(searcher, &sighting))
        require(cv_ssdp_url_parse(&url, sighting.location, strlen(sighting.location)) == 0);
    while (cv_cache_poll(cache, &event, 0))
        require(event.location[0] != '\0');
    require(cv_cache_bytes(cache) <= CV_CACHE_BYTES_MAX);
    cv_searcher_free(searcher);
    cv_cache_free(cache);
    require(ta.live == 0);
}

static void check_description(const char *data, size_t len)
{
    char url[CV_SSDP_URL_MAX + 1];
    struct cv_ssdp_url parsed;

    if (cv_description_read(url, data, len) == 0 && url[0])
        require(cv_ssdp_ws_parse(&parsed, url, strlen(url)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cv_ssdp_from from = {.link = LINK, .peer = {.family = 4, .port = 9}, .on_link = true};
    const char *text = (const char *)data;

    check_message(text, size);
    check_description(text, size);
    for (unsigned i = 0; i < 2; i++) {
        from.multicast = i == 0;
        feed_advertiser(&from, text, size);
        feed_finders(&from, text, size);
    }
    return 0;
}
