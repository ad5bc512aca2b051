#include <criterion/criterion.h>
#include <string.h>

#include "discovery/answers.h"

static struct cv_prng prng;
static struct cv_random source;
static struct cv_answers answers;
static struct cv_ssdp_limit limit;

static void set_up(void)
{
    cv_prng_init(&prng, 1);
    source = cv_prng_random(&prng);
    memset(&answers, 0, sizeof(answers));
    memset(&limit, 0, sizeof(limit));
}

TestSuite(answers, .init = set_up);

static struct cv_answer search_by(uint8_t host, uint16_t port, const char *wanted)
{
    struct cv_answer search = {.peer = {.family = 4, .ip = {10, 0, 0, host}, .port = port},
                               .left = 1};

    strcpy(search.wanted, wanted);
    return search;
}

static enum cv_answers_took take(const struct cv_answer *search, uint64_t now)
{
    return cv_answers_take(&answers, &limit, search, 1 * CV_SEC, &source, now);
}

Test(answers, come_once_each_within_mx_and_in_their_time)
{
    struct cv_answer search = search_by(1, 5000, "ssdp:all");
    const struct cv_answer *answer;
    uint64_t due[4], now = 0;
    size_t index, count = 0;

    search.left = 15;
    cr_assert_eq(take(&search, 0), CV_ANSWERS_TAKEN);
    while ((now = cv_answers_deadline(&answers)) != CV_NEVER) {
        answer = cv_answers_next(&answers, &index, now);
        cr_assert_not_null(answer);
        cr_assert_str_eq(answer->wanted, "ssdp:all");
        due[count++] = now;
    }
    cr_assert_eq(count, 4);
    cr_assert_lt(due[3], 1 * CV_SEC);
    cr_assert_gt(due[3], due[0], "they are spread");
}

Test(answers, are_not_added_to_by_the_same_search_until_its_mx_is_over)
{
    struct cv_answer search = search_by(1, 5000, "a"), other = search_by(1, 5001, "a");
    size_t index;

    cr_assert_eq(take(&search, 0), CV_ANSWERS_TAKEN);
    cr_assert_eq(take(&search, 10), CV_ANSWERS_MERGED);
    cr_assert_eq(take(&other, 10), CV_ANSWERS_TAKEN, "another socket is another source");
    cr_assert_not_null(cv_answers_next(&answers, &index, CV_SEC - 1));
    cr_assert_eq(take(&search, CV_SEC - 1), CV_ANSWERS_MERGED, "answered, but within its MX");
    cr_assert_eq(take(&search, CV_SEC), CV_ANSWERS_TAKEN);
}

Test(answers, end_at_the_number_of_searches_that_wait)
{
    for (uint8_t i = 0; i < CV_SSDP_PENDING_MAX; i++) {
        struct cv_answer search = search_by((uint8_t)(i % 10 + 1), (uint16_t)(1000 + i), "a");

        cr_assert_eq(take(&search, 0), CV_ANSWERS_TAKEN, "%d", i);
    }
    cr_assert_eq(take(&(struct cv_answer){.peer = {.family = 4, .port = 9}, .left = 1}, 0),
                 CV_ANSWERS_LIMITED);
}

Test(answers, to_one_source_are_bounded_whatever_its_ports)
{
    uint16_t taken = 0;

    for (uint16_t port = 1000; port < 1100; port++) {
        struct cv_answer search = search_by(1, port, "a");

        taken = (uint16_t)(taken + (take(&search, 0) == CV_ANSWERS_TAKEN));
    }
    cr_assert_eq(taken, CV_SSDP_SOURCE_BURST);
}

Test(limit, refills_a_source_at_its_rate)
{
    struct cv_peer peer = {.family = 4, .ip = {10, 0, 0, 1}};

    cr_assert(cv_ssdp_limit_take(&limit, &peer, CV_SSDP_SOURCE_BURST, 0));
    cr_assert_not(cv_ssdp_limit_take(&limit, &peer, 1, 0));
    cr_assert_not(cv_ssdp_limit_take(&limit, &peer, 1, CV_SEC / CV_SSDP_SOURCE_RATE - 1));
    cr_assert(cv_ssdp_limit_take(&limit, &peer, 1, CV_SEC / CV_SSDP_SOURCE_RATE));
    cr_assert_not(cv_ssdp_limit_take(&limit, &peer, 1, CV_SEC / CV_SSDP_SOURCE_RATE));
}

Test(limit, bounds_all_sources_together)
{
    unsigned taken = 0;

    for (uint8_t i = 0; i < 200; i++) {
        struct cv_peer peer = {.family = 4, .ip = {10, 0, 0, i}};

        taken += cv_ssdp_limit_take(&limit, &peer, 4, 0) ? 4 : 0;
    }
    cr_assert_eq(taken, CV_SSDP_TOTAL_BURST);
}

Test(limit, refuses_one_source_more_than_it_remembers_until_one_is_quiet)
{
    uint64_t now = 0;
    struct cv_peer peer = {.family = 4};

    memset(&limit, 0, sizeof(limit));
    for (unsigned i = 0; i < CV_SSDP_SOURCES_MAX; i++) {
        peer.ip[3] = (uint8_t)i;
        cr_assert(cv_ssdp_limit_take(&limit, &peer, 1, now), "%u", i);
    }
    peer.ip[3] = 200;
    cr_assert_not(cv_ssdp_limit_take(&limit, &peer, 1, now));
    now += CV_SEC;
    cr_assert(cv_ssdp_limit_take(&limit, &peer, 1, now));
}
