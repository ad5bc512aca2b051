/* Keep-alive and deadlines. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

static struct end end;

static void start(enum cv_session_role role, bool culvert)
{
    struct cv_session_config config = end_reference(role);

    config.culvert = culvert;
    end_init(&end, &config);
}

static void set_up(void)
{
    start(CV_SESSION_DIALLER, true);
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(tick, .init = set_up, .fini = tear_down);

static void again(enum cv_session_role role, bool culvert)
{
    end_deinit(&end);
    start(role, culvert);
}

/* Goes from deadline to deadline until @until; the other end lives. Returns the pings said. */
static int pings(uint64_t until)
{
    int count = 0;

    while (cv_session_deadline(end.session) <= until) {
        uint64_t at = cv_session_deadline(end.session);

        cv_session_heard(end.session, at);
        cr_assert_eq(end_tick(&end, at), 0);
        count += strstr(end_says(&end), "ping") != NULL;
        cr_assert_gt(cv_session_deadline(end.session), at);
    }
    return count;
}

Test(tick, a_dialler_pings_every_5_s_and_a_culvert_end_without_connections_every_10)
{
    int64_t id;

    cr_assert_eq(pings(END_START + 50 * CV_SEC), 6); /* between Culvert ends one at once */
    cr_assert_eq(cv_session_dial(end.session, "tcp", "x:1", NULL, END_START + 51 * CV_SEC, &id), 0);
    cr_assert_eq(cv_session_deadline(end.session), END_START + 51 * CV_SEC + CV_PING_EVERY);
    cr_assert_eq(pings(END_START + 71 * CV_SEC), 4);
    again(CV_SESSION_DIALLER, false);
    cr_assert_eq(cv_session_deadline(end.session), END_START + CV_PING_EVERY);
    cr_assert_eq(pings(END_START + 50 * CV_SEC), 10);
}

Test(tick, an_acceptor_asks_once_for_a_round_trip_and_a_reference_end_never)
{
    again(CV_SESSION_ACCEPTOR, true);
    cr_assert_eq(pings(END_START + 300 * CV_SEC), 1);
    again(CV_SESSION_ACCEPTOR, false);
    cr_assert_eq(pings(END_START + 300 * CV_SEC), 0);
}

Test(tick, silence_for_15_s_is_the_end_between_culvert_ends)
{
    cr_assert_eq(end_tick(&end, END_START + CV_DEAD_AFTER - 1), 0);
    cr_assert_eq(end_tick(&end, END_START + CV_DEAD_AFTER), CV_EDEAD);
}

Test(tick, silence_for_60_s_is_the_end_with_a_reference_end)
{
    again(CV_SESSION_ACCEPTOR, false);
    cr_assert_eq(cv_session_deadline(end.session), END_START + CV_DEAD_AFTER_FOREIGN);
    cr_assert_eq(end_tick(&end, END_START + CV_DEAD_AFTER_FOREIGN - 1), 0);
    cr_assert_eq(end_tick(&end, END_START + CV_DEAD_AFTER_FOREIGN), CV_EDEAD);
}

Test(tick, any_inbound_byte_is_life)
{
    for (uint64_t at = END_START; at < END_START + 300 * CV_SEC; at += 14 * CV_SEC) {
        cv_session_heard(end.session, at);
        cr_assert_eq(cv_session_heard_at(end.session), at);
        cr_assert_eq(end_tick(&end, at + 14 * CV_SEC), 0);
    }
}

Test(tick, a_probe_asks_and_gives_5_s)
{
    again(CV_SESSION_ACCEPTOR, false);
    cv_session_probe(end.session, END_START);
    cr_assert(cv_session_probing(end.session));
    cr_assert_str_eq(end_says(&end), "ping");
    cr_assert_eq(cv_session_deadline(end.session), END_START + CV_TAKEOVER_WAIT);
    cr_assert_eq(end_tick(&end, END_START + CV_TAKEOVER_WAIT - 1), 0);
    cv_session_probe(end.session,
                     END_START + CV_TAKEOVER_WAIT - 1); /* a second one gives no more */
    cr_assert_eq(end_tick(&end, END_START + CV_TAKEOVER_WAIT), CV_EDEAD);
}

Test(tick, a_sign_of_life_ends_a_probe)
{
    cv_session_probe(end.session, END_START);
    cv_session_heard(end.session, END_START + CV_SEC);
    cr_assert_not(cv_session_probing(end.session));
    cr_assert_eq(end_tick(&end, END_START + CV_TAKEOVER_WAIT), 0);
}

Test(tick, who_is_asked_for_a_sign_of_life_and_gives_none_is_silent_and_nothing_ends)
{
    end_says(&end);
    cv_session_ask(end.session, END_START);
    cr_assert_str_eq(end_says(&end), "ping");
    cr_assert_not(cv_session_silent(end.session, END_START + CV_ANSWER_WAIT - 1));
    cv_session_ask(end.session, END_START + CV_ANSWER_WAIT - 1); /* gives no more time */
    cr_assert_str_eq(end_says(&end), "");
    cr_assert(cv_session_silent(end.session, END_START + CV_ANSWER_WAIT));
    cr_assert_not(cv_session_probing(end.session));
    cr_assert_eq(end_tick(&end, END_START + CV_TAKEOVER_WAIT), 0);
    cr_assert(cv_session_silent(end.session, END_START + CV_TAKEOVER_WAIT));
    cv_session_heard(end.session, END_START + CV_TAKEOVER_WAIT);
    cr_assert_not(cv_session_silent(end.session, END_START + 2 * CV_TAKEOVER_WAIT));
}

Test(tick, a_stop_of_this_process_makes_nobody_silent)
{
    cv_session_ask(end.session, END_START);
    cv_session_woke(end.session, END_START + 10 * CV_SEC);
    cr_assert_not(cv_session_silent(end.session, END_START + 10 * CV_SEC));
    cr_assert(cv_session_silent(end.session, END_START + 10 * CV_SEC + CV_ANSWER_WAIT));
}

/* Sets the session's round trip by its next ping. */
static void round_trip(uint64_t trip)
{
    uint64_t at = cv_session_deadline(end.session);

    cv_session_heard(end.session, at);
    cr_assert_eq(end_tick(&end, at), 0);
    cr_assert_str_eq(end_says(&end), "ping");
    cv_session_pong(end.session, at + trip);
    cr_assert_eq(cv_session_rtt(end.session), trip);
}

Test(tick, a_slow_link_has_four_round_trips_to_answer)
{
    cr_assert_eq(cv_session_patience(end.session), CV_ANSWER_WAIT);
    round_trip(3 * CV_SEC);
    cr_assert_eq(cv_session_patience(end.session), CV_TAKEOVER_WAIT);
    round_trip(CV_SEC);
    cr_assert_eq(cv_session_patience(end.session), 4 * CV_SEC);
    round_trip(CV_MSEC);
    cr_assert_eq(cv_session_patience(end.session), CV_ANSWER_WAIT);
}

Test(tick, a_round_trip_is_measured_when_asked_for_and_not_too_often)
{
    uint64_t at = END_START + CV_MSEC;

    round_trip(30 * CV_MSEC);
    cr_assert(cv_session_measure(end.session, at));
    cr_assert_not(cv_session_measure(end.session, at));
    cr_assert_str_eq(end_says(&end), "ping");
    cr_assert_not(cv_session_measure(end.session, at + 2 * CV_MEASURE_EVERY), "it is under way");
    cv_session_pong(end.session, at + 5 * CV_MSEC);
    cr_assert_leq(cv_session_rtt(end.session), 30 * CV_MSEC);
    cr_assert_not(cv_session_measure(end.session, at + CV_MEASURE_EVERY - 1));
    cr_assert(cv_session_measure(end.session, at + CV_MEASURE_EVERY));
}

Test(tick, the_shortest_round_trip_is_kept)
{
    cr_assert_eq(cv_session_rtt(end.session), CV_NEVER);
    cv_session_pong(end.session, END_START + CV_MSEC); /* nobody asked */
    cr_assert_eq(cv_session_rtt(end.session), CV_NEVER);
    for (uint64_t i = 0; i < 3; i++) {
        static const uint64_t trips[] = {30 * CV_MSEC, 10 * CV_MSEC, 20 * CV_MSEC};
        uint64_t at = cv_session_deadline(end.session);

        cv_session_heard(end.session, at);
        cr_assert_eq(end_tick(&end, at), 0);
        cr_assert_str_eq(end_says(&end), "ping");
        cv_session_pong(end.session, at + trips[i]);
        cr_assert_eq(cv_session_rtt(end.session), i == 0 ? 30 * CV_MSEC : 10 * CV_MSEC);
    }
}

Test(tick, a_cut_session_has_no_deadline_and_does_not_die_again)
{
    cv_session_cut(end.session);
    cr_assert_eq(cv_session_deadline(end.session), CV_NEVER);
    cr_assert_eq(end_tick(&end, END_START + 3600 * CV_SEC), 0);
    cv_session_probe(end.session, end.now);
    cr_assert_not(cv_session_probing(end.session));
    cr_assert_str_eq(end_says(&end), "");
}

Test(tick, an_end_that_did_not_run_itself_gives_the_other_5_s)
{
    const uint64_t woke = END_START + 100 * CV_SEC;

    cv_session_woke(end.session, woke);
    cr_assert_eq(end_tick(&end, woke), 0);
    cr_assert_eq(end_tick(&end, woke + CV_PING_EVERY - 1), 0);
    cr_assert_eq(end_tick(&end, woke + CV_PING_EVERY), CV_EDEAD);
}
