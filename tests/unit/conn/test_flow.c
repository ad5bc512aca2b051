#include <criterion/criterion.h>
#include <errno.h>

#include "base/error.h"
#include "conn/conn.h"
#include "support/test_alloc.h"

#define START (1000 * CV_SEC)

static const struct cv_flow_limits limits = {
    .pause_mark = 1000, .resume_mark = 125, .rx_cap = 4000, .window_max = CV_WINDOW_MAX};
static const uint8_t bytes[8000];

static struct test_alloc ta;
static struct cv_budget budget;
static struct cv_conn conn;

static void set_up(void)
{
    test_alloc_init(&ta);
    budget = (struct cv_budget){.limit = 1 << 20};
    cv_conn_init(&conn, CV_CONN_OPEN, CV_FLOW_REFERENCE, START);
}

static void tear_down(void)
{
    cv_conn_deinit(&conn, &ta.alloc, &budget);
    cr_assert_eq(ta.live, 0);
    cr_assert_eq(budget.used, 0);
}

TestSuite(flow, .init = set_up, .fini = tear_down);

static void culvert_end(void)
{
    cv_conn_init(&conn, CV_CONN_OPEN, CV_FLOW_PAUSE, START);
}

static int store(size_t len)
{
    int rc = cv_conn_received(&conn, len);

    return rc < 0 ? rc : cv_conn_store(&conn, &ta.alloc, &budget, &limits, bytes, len);
}

static void take(size_t len)
{
    cv_conn_unstore(&conn, &ta.alloc, &budget, len);
    cv_conn_consumed(&conn, &limits, len);
}

Test(flow, starts_free_in_both_directions)
{
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
    cr_assert_eq(conn.wants, 0);
    cr_assert_eq(conn.probe_at, CV_NEVER);
}

Test(flow, pauses_above_the_mark_and_not_at_it)
{
    cr_assert_eq(store(1000), 0);
    cr_assert_eq(conn.wants, 0);
    cr_assert_eq(store(1), 0);
    cr_assert_eq(conn.wants, CV_WANT_PAUSE);
}

Test(flow, resumes_below_an_eighth_and_not_at_it)
{
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    take(1001 - 125);
    cr_assert_eq(conn.wants, 0);
    take(1);
    cr_assert_eq(conn.wants, CV_WANT_RESUME);
}

Test(flow, asks_for_one_pause_however_much_more_comes)
{
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    cr_assert_eq(store(500), 0);
    cr_assert_eq(conn.wants, 0);
}

Test(flow, forgets_a_pause_that_was_never_said)
{
    cr_assert_eq(store(1001), 0);
    take(1001);
    cr_assert_eq(conn.wants, 0);
    cr_assert_not(conn.rx_paused);
}

Test(flow, says_a_pending_resume_before_a_new_pause)
{
    culvert_end();
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    take(1001);
    cr_assert_eq(store(1001), 0);
    cr_assert_eq(conn.wants, CV_WANT_RESUME | CV_WANT_PAUSE);
    cv_conn_said_resume(&conn, START);
    cv_conn_said_pause(&conn);
    cr_assert(conn.rx_paused);
    take(1001);
    cr_assert_eq(conn.wants, CV_WANT_RESUME);
}

Test(flow, keeps_two_pause_flags_not_one)
{
    culvert_end();
    cv_conn_on_pause(&conn, START, CV_NEVER);
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    /* our reader catches up: the peer may go on, and we are still paused by it */
    take(1001);
    cv_conn_said_resume(&conn, START);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    /* its reader catches up: we may go on, and our own pausing of it is not touched */
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    cv_conn_on_resume(&conn);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
    cr_assert(conn.rx_paused);
}

Test(flow, between_culvert_ends_none_of_the_three_reference_rules_is_done)
{
    culvert_end();
    cv_conn_on_pause(&conn, START, CV_NEVER);
    cr_assert_eq(conn.probe_at, CV_NEVER); /* not (c) */
    cv_conn_said_resume(&conn, START);
    cr_assert(conn.tx_paused); /* not (a) */
    cv_conn_on_resume(&conn);
    cr_assert_eq(conn.wants, 0); /* not (b) */
    cv_conn_tick(&conn, START + 100 * CV_SEC);
    cr_assert_eq(conn.wants, 0);
}

Test(flow, rule_a_our_resume_clears_our_own_tx_pause)
{
    cv_conn_on_pause(&conn, START, CV_NEVER);
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    take(1001);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cv_conn_said_resume(&conn, START);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
}

/* It forgot its Pause when our Resume came: there is nothing to ask it about. */
Test(flow, rule_a_leaves_no_probe_behind)
{
    cv_conn_on_pause(&conn, START, CV_NEVER);
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    take(1001);
    cv_conn_said_resume(&conn, START);
    cv_conn_tick(&conn, START + 10 * CV_SEC);
    cr_assert_eq(conn.wants, 0);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
    cr_assert_eq(conn.probe_at, CV_NEVER);
}

Test(flow, rule_b_answers_each_resume_with_one_resume)
{
    for (int i = 0; i < 3; i++) {
        cv_conn_on_pause(&conn, START, CV_NEVER);
        cv_conn_on_resume(&conn);
        cr_assert_eq(conn.wants, CV_WANT_RESUME);
        cv_conn_said_resume(&conn, START);
        cr_assert_eq(conn.wants, 0);
    }
}

Test(flow, rule_b_never_answers_a_resume_that_no_pause_stands_behind)
{
    cv_conn_on_resume(&conn);
    cr_assert_eq(conn.wants, 0);
    cv_conn_on_pause(&conn, START, CV_NEVER);
    cv_conn_on_resume(&conn);
    cv_conn_said_resume(&conn, START);
    for (int i = 0; i < 5; i++) {
        cv_conn_on_resume(&conn); /* the other end answers ours: two ends must not play ping-pong */
        cr_assert_eq(conn.wants, 0);
    }
}

Test(flow, rule_b_two_ends_of_ours_in_reference_mode_fall_silent)
{
    struct cv_conn other;
    int said = 0;

    cv_conn_init(&other, CV_CONN_OPEN, CV_FLOW_REFERENCE, START);
    cr_assert_eq(store(1001), 0);
    cv_conn_said_pause(&conn);
    cv_conn_on_pause(&other, START, CV_NEVER);
    take(1001);
    while (conn.wants || other.wants) {
        if (conn.wants) {
            cv_conn_said_resume(&conn, START);
            cv_conn_on_resume(&other);
        } else {
            cv_conn_said_resume(&other, START);
            cv_conn_on_resume(&conn);
        }
        cr_assert_lt(++said, 4);
    }
    cr_assert_eq(cv_conn_may_send(&other), SIZE_MAX);
    cr_assert_eq(other.probe_at, CV_NEVER);
}

/* From a Pause to the moment when the probe's Data may go; returns that moment. */
static uint64_t ask(uint64_t paused_at, uint64_t wait)
{
    uint64_t gap_over = paused_at + wait + CV_PROBE_GAP;

    cr_assert_eq(conn.probe_at, paused_at + wait);
    cv_conn_tick(&conn, paused_at + wait - 1);
    cr_assert_eq(conn.wants, 0);
    cv_conn_tick(&conn, paused_at + wait);
    cr_assert_eq(conn.wants, CV_WANT_RESUME);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cv_conn_said_resume(&conn, paused_at + wait);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cv_conn_tick(&conn, gap_over - 1);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cv_conn_tick(&conn, gap_over);
    cr_assert_eq(cv_conn_may_send(&conn), CV_PROBE_BYTES);
    return gap_over;
}

Test(flow, rule_c_paused_for_200_ms_it_asks_by_a_resume_and_one_small_data)
{
    uint64_t at;

    cv_conn_on_pause(&conn, START, CV_NEVER);
    at = ask(START, 200 * CV_MSEC);
    cv_conn_sent(&conn, 100, at);
    cr_assert_eq(cv_conn_may_send(&conn), 0); /* one frame is the question */
    cv_conn_tick(&conn, at + CV_PROBE_ANSWER - 1);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cv_conn_tick(&conn, at + CV_PROBE_ANSWER);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
    cr_assert_eq(conn.probe_at, CV_NEVER);
}

Test(flow, rule_c_waits_twice_as_long_after_each_pause_that_comes_back_up_to_5_s)
{
    static const uint64_t waits[] = {200, 400, 800, 1600, 3200, 5000, 5000};
    uint64_t at = START;

    cv_conn_on_pause(&conn, at, CV_NEVER);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        at = ask(at, waits[i] * CV_MSEC);
        cv_conn_sent(&conn, 1, at);
        cv_conn_on_pause(&conn, at, CV_NEVER);
    }
    cv_conn_on_resume(&conn);
    cv_conn_on_pause(&conn, at, CV_NEVER);
    cr_assert_eq(conn.probe_at, at + 200 * CV_MSEC); /* a real Resume: from the start again */
}

Test(flow, rule_c_gives_the_answer_two_round_trips_where_these_are_longer)
{
    uint64_t at;

    cv_conn_on_pause(&conn, START, 300 * CV_MSEC);
    at = ask(START, 200 * CV_MSEC);
    cv_conn_sent(&conn, 1, at);
    cv_conn_tick(&conn, at + 600 * CV_MSEC - 1);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cv_conn_tick(&conn, at + 600 * CV_MSEC);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
}

Test(flow, rule_c_goes_on_by_itself_when_it_has_nothing_to_ask_with)
{
    uint64_t at;

    cv_conn_on_pause(&conn, START, CV_NEVER);
    at = ask(START, 200 * CV_MSEC);
    cv_conn_tick(&conn, at + CV_PROBE_ANSWER);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
}

Test(flow, rule_c_a_resume_in_time_stops_the_question)
{
    cv_conn_on_pause(&conn, START, CV_NEVER);
    cv_conn_on_resume(&conn);
    cv_conn_said_resume(&conn, START);
    cv_conn_tick(&conn, START + 10 * CV_SEC);
    cr_assert_eq(conn.wants, 0);
}

Test(flow, the_cap_takes_its_last_byte_and_refuses_the_next)
{
    cr_assert_eq(store(4000), 0);
    cr_assert_eq(store(1), CV_EFLOW);
    cr_assert_eq(conn.rx.len, 4000);
    take(1);
    cr_assert_eq(store(1), 0);
}

Test(flow, a_full_budget_refuses_and_keeps_what_was_there)
{
    cr_assert_eq(store(10), 0);
    budget.limit = budget.used;
    cr_assert_eq(store(4000 - 10), CV_EFULL);
    cr_assert_eq(conn.rx.len, 10);
}

Test(flow, without_memory_storing_fails_and_keeps_what_was_there)
{
    cr_assert_eq(store(10), 0);
    ta.fail_at = ta.calls + 1;
    cr_assert_eq(store(3000), -ENOMEM);
    cr_assert_eq(conn.rx.len, 10);
    cr_assert_eq(budget.used, ta.bytes);
}

Test(flow, a_window_frame_means_nothing_to_ends_that_pause)
{
    cr_assert_eq(cv_conn_received(&conn, SIZE_MAX), 0);
    cv_conn_sent(&conn, 1 << 20, START);
    cr_assert_eq(cv_conn_may_send(&conn), SIZE_MAX);
}
