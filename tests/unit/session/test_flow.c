/* The rules of flow that the reference gets wrong, as a session keeps them (docs/ARCHITECTURE.md).
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "conn/conn.h"
#include "end.h"

#define MIB ((size_t)1024 * 1024)

static struct end end;
static struct pair pair;

static void set_up(void)
{
    struct cv_session_config config = end_reference(CV_SESSION_ACCEPTOR);

    config.rx_cap = 4 * MIB;
    end_init(&end, &config);
    cr_assert_eq(end_dial(&end), 2);
    cr_assert_str_eq(end_says(&end), "Connect 2 tcp/a:1");
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(flow, .init = set_up, .fini = tear_down);

/* @len bytes each way at once, through sinks that never take anything at first; false when it
 * stands still. */
static bool both_ways(size_t len)
{
    struct end *ends[] = {&pair.dialler, &pair.acceptor};

    for (int i = 0; i < 2; i++) {
        ends[i]->takes = 0;
        end_source(ends[i], 2, len);
    }
    for (;;) {
        size_t drained = 0;

        pair_run(&pair);
        for (int i = 0; i < 2; i++) {
            drained += end_drain(ends[i], 2, END_EVERYTHING);
            end_tells(ends[i]);
        }
        if (end_conn(ends[0], 2)->taken == len && end_conn(ends[1], 2)->taken == len)
            return true;
        if (drained == 0)
            return false;
    }
}

static void pair_open(bool culvert, unsigned features)
{
    pair_init(&pair, culvert, features);
    cr_assert_eq(end_dial(&pair.acceptor), 2);
    pair_run(&pair);
    cr_assert_eq(cv_session_accept(pair.dialler.session, 2), 0);
    pair_run(&pair);
}

Test(flow, keeps_two_pause_flags_not_one)
{
    const struct cv_session_stats *stats;

    pair_open(true, 0);
    cr_assert(both_ways(10 * MIB));
    stats = cv_session_stats(pair.acceptor.session);
    cr_assert_geq(stats->pauses_out, 4);
    cr_assert_geq(stats->pauses_in, 4);
    cr_assert_eq(stats->resumes_out, stats->pauses_out);
    cr_assert_eq(stats->resumes_in, stats->pauses_in);
    pair_deinit(&pair);
}

Test(flow, two_ends_in_reference_mode_bring_an_echo_to_its_end_too)
{
    const struct cv_session_stats *stats;

    pair_open(false, 0);
    cr_assert(both_ways(10 * MIB));
    stats = cv_session_stats(pair.acceptor.session);
    cr_assert_leq(stats->resumes_out, stats->pauses_out + stats->resumes_in);
    pair_deinit(&pair);
}

Test(flow, with_credit_no_pause_is_ever_said)
{
    pair_open(true, END_ALL);
    cr_assert(both_ways(10 * MIB));
    cr_assert_eq(cv_session_stats(pair.acceptor.session)->pauses_out, 0);
    cr_assert_eq(cv_session_stats(pair.dialler.session)->pauses_out, 0);
    pair_deinit(&pair);
}

Test(flow, rule_a_after_our_resume_we_go_on_ourselves)
{
    end.takes = 0;
    end_source(&end, 2, 100);
    cr_assert_eq(end_hear(&end, CV_FRAME_PAUSE, 2, ""), 0);
    cr_assert_eq(end_hear_data(&end, 2, 2 * MIB + 1), 0);
    cr_assert_str_eq(end_says(&end), "Pause 2");
    end_drain(&end, 2, END_EVERYTHING);
    cr_assert_str_eq(end_says(&end), "Resume 2; Data 2 100");
    /* and nothing is left to ask about */
    cr_assert_eq(end_tick(&end, end.now + 10 * CV_SEC), 0);
    cr_assert_str_eq(end_says(&end), "");
}

Test(flow, rule_b_each_resume_is_answered_with_one_resume)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_RESUME, 2, ""), 0);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_hear(&end, CV_FRAME_PAUSE, 2, ""), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_RESUME, 2, ""), 0);
    cr_assert_str_eq(end_says(&end), "Resume 2");
    cr_assert_eq(end_hear(&end, CV_FRAME_RESUME, 2, ""), 0);
    cr_assert_str_eq(end_says(&end), "");
}

Test(flow, rule_c_a_forgotten_pause_is_asked_about_by_a_resume_and_a_small_data)
{
    uint64_t at = end.now + 200 * CV_MSEC;

    end_source(&end, 2, MIB);
    cr_assert_eq(end_hear(&end, CV_FRAME_PAUSE, 2, ""), 0);
    cr_assert_eq(cv_session_deadline(end.session), at);
    cr_assert_eq(end_tick(&end, at - 1), 0);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_tick(&end, at), 0);
    cr_assert_str_eq(end_says(&end), "Resume 2");
    cr_assert_eq(cv_session_deadline(end.session), at + CV_PROBE_GAP);
    cr_assert_eq(end_tick(&end, at + CV_PROBE_GAP), 0);
    cr_assert_str_eq(end_says(&end), "Data 2 4096");
    cr_assert_eq(end_hear(&end, CV_FRAME_PAUSE, 2, ""), 0);
    at = end.now + 400 * CV_MSEC; /* it meant it: twice as long */
    cr_assert_eq(cv_session_deadline(end.session), at);
    cr_assert_eq(end_tick(&end, at), 0);
    cr_assert_str_eq(end_says(&end), "Resume 2");
    cr_assert_eq(end_tick(&end, at + CV_PROBE_GAP), 0);
    cr_assert_str_eq(end_says(&end), "Data 2 4096");
    cr_assert_eq(end_tick(&end, end.now + CV_PROBE_ANSWER), 0);
    cr_assert_str_eq(end_says_one(&end), "Data 2 32640");
}

Test(flow, a_peer_that_ignores_pause_loses_that_connection_alone)
{
    cr_assert_eq(end_dial(&end), 4);
    end_says(&end);
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 2, 4 * MIB), 0);
    end_tells(&end);
    cr_assert_str_eq(end_says(&end), "Pause 2");
    cr_assert_eq(end_hear_data(&end, 2, 1), 0);
    cr_assert_str_eq(end_says(&end),
                     "Error 2 the other end kept sending after it was asked to pause");
    cr_assert_str_eq(end_tells(&end),
                     "closed 2 cap: the other end kept sending after it was asked to pause");
    cr_assert_eq(cv_session_buffered(end.session), 0);
    end.takes = END_EVERYTHING;
    cr_assert_eq(end_hear_data(&end, 4, 5), 0);
    cr_assert_str_eq(end_tells(&end), "data 4 5");
}

Test(flow, a_peer_that_ignores_its_window_loses_that_connection_alone)
{
    struct cv_session_config config = end_culvert(CV_SESSION_ACCEPTOR, END_ALL);

    end_deinit(&end);
    end_init(&end, &config);
    cr_assert_eq(end_dial(&end), 2);
    cr_assert_eq(end_dial(&end), 4);
    end_says(&end);
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 2, CV_WINDOW_INITIAL), 0);
    end_tells(&end);
    cr_assert_eq(end_hear_data(&end, 2, 1), 0);
    cr_assert_str_eq(end_tells(&end),
                     "closed 2 cap: the other end kept sending after it was asked to pause");
    cr_assert_eq(end_hear_data(&end, 4, 5), 0);
    cr_assert_str_eq(end_tells(&end), "data 4 5");
}

Test(flow, keys_are_validated_at_the_door)
{
    char long_key[CV_ANNOUNCE_MAX];

    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, "evil::x/5"), 0);
    cr_assert_str_eq(end_tells(&end), "notice bad_announce 0");
    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, "/5"), 0);
    cr_assert_str_eq(end_tells(&end), "notice bad_announce 0");
    memset(long_key, 'k', sizeof(long_key));
    memcpy(long_key + 80, "/5", 3);
    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, long_key), 0);
    cr_assert_str_eq(end_tells(&end), "notice bad_announce 0");
    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, long_key + 1), 0);
    cr_assert_str_neq(end_tells(&end), "notice bad_announce 0"); /* 79 are fine */
    cr_assert_eq(cv_session_announce(end.session, true, "evil/x", 5), CV_EBADKEY);
    cr_assert_eq(cv_session_announce(end.session, true, "", 5), CV_EBADKEY);
    cr_assert_str_eq(end_says(&end), "");
}

Test(flow, nothing_is_cut_silently_when_we_dial)
{
    char address[CV_CONNECT_MAX + 1];
    int64_t id;

    memset(address, 'h', sizeof(address));
    address[263] = '\0';
    cr_assert_eq(cv_session_dial(end.session, "tcp", address, NULL, end.now, &id), CV_ETOOLONG);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(cv_session_conns(end.session), 1);
    address[262] = '\0';
    cr_assert_eq(cv_session_dial(end.session, "tcp", address, NULL, end.now, &id), 0);
    cr_assert_eq(strlen(end_says(&end)), strlen("Connect 4 ") + CV_CONNECT_MAX);
}

Test(flow, nothing_is_cut_silently_when_we_are_dialled)
{
    char body[CV_CONNECT_MAX + 2];

    memset(body, 'h', sizeof(body));
    memcpy(body, "tcp/", 4);
    body[CV_CONNECT_MAX + 1] = '\0';
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 1, body), 0);
    cr_assert_str_eq(end_tells(&end), "notice bad_connect 1");
    cr_assert_str_eq(end_says(&end), "Error 1 the address is over 266 bytes");
    body[CV_CONNECT_MAX] = '\0';
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 1, body), 0);
    cr_assert_eq(strncmp(end_tells(&end), "connect 1 tcp|hhh", 17), 0);
}

Test(flow, an_announcement_over_100_bytes_is_ignored_not_cut)
{
    char body[CV_ANNOUNCE_MAX + 2];

    memset(body, '1', sizeof(body));
    memcpy(body, "k/", 2);
    body[CV_ANNOUNCE_MAX + 1] = '\0';
    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, body), 0);
    cr_assert_str_eq(end_tells(&end), "notice bad_announce 0");
}

Test(flow, a_refused_address_closes_one_connection)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 1, "tcp/no:1"), 0);
    cr_assert_str_eq(end_tells(&end), "connect 1 tcp|no:1");
    cr_assert_eq(cv_session_abort(end.session, 1, CV_REASON_REFUSED, NULL), 0);
    cr_assert_str_eq(end_says(&end), "Error 1 not allowed by this end");
    cr_assert_str_eq(end_tells(&end), "closed 1 refused: not allowed by this end");
    cr_assert_eq(end_hear_data(&end, 2, 5), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 5");
}

Test(flow, a_duplicate_conn_id_is_ignored_and_told_and_the_first_lives)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/b:2"), 0);
    cr_assert_str_eq(end_tells(&end), "notice duplicate 2");
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_hear_data(&end, 2, 5), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 5");
    cr_assert_eq(cv_session_conns(end.session), 1);
}
