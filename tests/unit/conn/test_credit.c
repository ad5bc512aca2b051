#include <criterion/criterion.h>
#include <errno.h>

#include "base/error.h"
#include "conn/conn.h"
#include "support/test_alloc.h"

#define START  (1000 * CV_SEC)
#define RTT    (10 * CV_MSEC)
#define WINDOW CV_WINDOW_INITIAL

static const struct cv_flow_limits limits = {.pause_mark = CV_PAUSE_MARK,
                                             .resume_mark = CV_RESUME_MARK,
                                             .rx_cap = CV_RX_CAP,
                                             .window_max = CV_WINDOW_MAX};
static struct test_alloc ta;
static struct cv_budget budget;
static struct cv_conn conn;

static void set_up(void)
{
    test_alloc_init(&ta);
    budget = (struct cv_budget){.limit = (size_t)1 << 30};
    cv_conn_init(&conn, CV_CONN_OPEN, CV_FLOW_CREDIT, START);
}

static void tear_down(void)
{
    cv_conn_deinit(&conn, &ta.alloc, &budget);
    cr_assert_eq(ta.live, 0);
    cr_assert_eq(budget.used, 0);
}

TestSuite(credit, .init = set_up, .fini = tear_down);

/* The rule that conn.h gives for rx_window. */
static void assert_adds_up(void)
{
    cr_assert_eq(conn.rx_credit + conn.rx.len + conn.rx_consumed, conn.rx_window);
}

static void pass(size_t len)
{
    cr_assert_eq(cv_conn_received(&conn, len), 0);
    cv_conn_consumed(&conn, &limits, len);
    assert_adds_up();
}

static size_t grant(uint64_t now, uint64_t rtt, size_t most)
{
    size_t granted = cv_conn_said_window(&conn, most, now, rtt);

    assert_adds_up();
    cr_assert_eq(conn.wants, 0);
    return granted;
}

Test(credit, both_ends_assume_the_initial_window)
{
    cr_assert_eq(cv_conn_may_send(&conn), WINDOW);
    cr_assert_eq(cv_conn_received(&conn, WINDOW), 0);
}

Test(credit, one_byte_over_the_window_is_a_violation)
{
    cr_assert_eq(cv_conn_received(&conn, WINDOW + 1), CV_EFLOW);
    cr_assert_eq(cv_conn_received(&conn, WINDOW), 0);
    cr_assert_eq(cv_conn_received(&conn, 1), CV_EFLOW);
}

Test(credit, sends_what_was_granted_and_no_more)
{
    cv_conn_sent(&conn, WINDOW - 1, START);
    cr_assert_eq(cv_conn_may_send(&conn), 1);
    cv_conn_sent(&conn, 1, START);
    cr_assert_eq(cv_conn_may_send(&conn), 0);
    cr_assert_eq(cv_conn_on_window(&conn, 7), 0);
    cr_assert_eq(cv_conn_may_send(&conn), 7);
}

Test(credit, a_pause_does_not_stop_an_end_with_credit)
{
    cv_conn_on_pause(&conn, START, RTT);
    cr_assert_eq(cv_conn_may_send(&conn), WINDOW);
    cr_assert_eq(conn.probe_at, CV_NEVER);
    cv_conn_on_resume(&conn);
    cr_assert_eq(conn.wants, 0);
}

Test(credit, never_asks_for_a_pause)
{
    static uint8_t bytes[CV_WINDOW_INITIAL];

    cr_assert_eq(cv_conn_received(&conn, WINDOW), 0);
    cr_assert_eq(cv_conn_store(&conn, &ta.alloc, &budget, &limits, bytes, WINDOW), 0);
    cr_assert_eq(conn.wants, 0);
    assert_adds_up();
}

Test(credit, grants_at_half_a_window_and_not_before)
{
    pass(WINDOW / 2 - 1);
    cr_assert_eq(conn.wants, 0);
    pass(1);
    cr_assert_eq(conn.wants, CV_WANT_WINDOW);
    cr_assert_eq(grant(START + CV_SEC, CV_NEVER, CV_WINDOW_MAX), WINDOW / 2);
}

Test(credit, grants_only_what_the_sink_took)
{
    static uint8_t bytes[CV_WINDOW_INITIAL];

    cr_assert_eq(cv_conn_received(&conn, WINDOW), 0);
    cr_assert_eq(cv_conn_store(&conn, &ta.alloc, &budget, &limits, bytes, WINDOW), 0);
    cv_conn_unstore(&conn, &ta.alloc, &budget, WINDOW / 2);
    cv_conn_consumed(&conn, &limits, WINDOW / 2);
    cr_assert_eq(grant(START, RTT, CV_WINDOW_MAX),
                 WINDOW / 2); /* bytes still wait: no growth either */
    cr_assert_eq(cv_conn_received(&conn, WINDOW / 2 + 1), CV_EFLOW);
}

Test(credit, doubles_when_the_window_is_used_up_within_two_round_trips)
{
    pass(WINDOW);
    cr_assert_eq(grant(START + 2 * RTT, RTT, CV_WINDOW_MAX), 2 * WINDOW);
    cr_assert_eq(conn.rx_window, 2 * WINDOW);
}

Test(credit, does_not_grow_when_the_window_lasted_longer)
{
    pass(WINDOW);
    cr_assert_eq(grant(START + 2 * RTT + 1, RTT, CV_WINDOW_MAX), WINDOW);
}

Test(credit, reckons_with_no_shorter_round_trip_than_a_busy_process_keeps)
{
    pass(WINDOW);
    cr_assert_eq(grant(START + 2 * CV_WINDOW_ROUND, 1, CV_WINDOW_MAX), 2 * WINDOW);
    pass(2 * WINDOW);
    cr_assert_eq(grant(START + 4 * CV_WINDOW_ROUND + 1, 1, CV_WINDOW_MAX), 2 * WINDOW);
}

Test(credit, does_not_grow_without_a_known_round_trip)
{
    pass(WINDOW);
    cr_assert_eq(grant(START, CV_NEVER, CV_WINDOW_MAX), WINDOW);
}

Test(credit, does_not_grow_when_the_budget_is_short)
{
    pass(WINDOW);
    cr_assert_eq(grant(START, RTT, WINDOW), WINDOW);
}

Test(credit, grows_up_to_its_maximum_and_stays_there)
{
    size_t most = 0;

    for (int i = 0; i < 12; i++) {
        pass(conn.rx_credit);
        grant(START, RTT, CV_WINDOW_MAX);
        cr_assert_geq(conn.rx_window, most);
        most = conn.rx_window;
    }
    cr_assert_eq(most, CV_WINDOW_MAX);
}

Test(credit, grows_no_further_than_it_may_now)
{
    pass(WINDOW);
    cr_assert_eq(grant(START, RTT, WINDOW + 1000), WINDOW + 1000);
    cr_assert_eq(conn.rx_window, WINDOW + 1000);
}

/* What was granted cannot be taken back: each grant is made smaller, and is never nothing. */
Test(credit, shrinks_step_by_step_when_memory_is_short)
{
    size_t last;

    pass(WINDOW);
    grant(START, RTT, 4 * WINDOW);
    pass(2 * WINDOW);
    grant(START, RTT, 4 * WINDOW);
    last = conn.rx_window;
    cr_assert_eq(last, 4 * WINDOW);
    while (last > WINDOW) {
        pass(conn.rx_credit);
        cr_assert_gt(grant(START, RTT, WINDOW), 0);
        cr_assert_lt(conn.rx_window, last);
        last = conn.rx_window;
    }
    cr_assert_eq(last, WINDOW);
}

Test(credit, a_grant_that_is_not_positive_or_runs_over_breaks_the_protocol)
{
    cr_assert_eq(cv_conn_on_window(&conn, 0), CV_EPROTO);
    cr_assert_eq(cv_conn_on_window(&conn, -1), CV_EPROTO);
    cr_assert_eq(cv_conn_on_window(&conn, INT64_MIN), CV_EPROTO);
    cr_assert_eq(cv_conn_may_send(&conn), WINDOW);
    cr_assert_eq(cv_conn_on_window(&conn, INT64_MAX), 0);
    cr_assert_eq(cv_conn_on_window(&conn, INT64_MAX), CV_EPROTO);
}

Test(credit, has_no_cap_but_its_window)
{
    struct cv_flow_limits small = limits;
    static uint8_t bytes[CV_WINDOW_INITIAL];

    small.rx_cap = 1;
    cr_assert_eq(cv_conn_received(&conn, WINDOW), 0);
    cr_assert_eq(cv_conn_store(&conn, &ta.alloc, &budget, &small, bytes, WINDOW), 0);
}
