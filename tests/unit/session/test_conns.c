#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

static struct end end;

static void start(enum cv_session_role role, bool culvert, unsigned features)
{
    struct cv_session_config config = end_culvert(role, features);

    config.culvert = culvert;
    end_init(&end, &config);
}

static void set_up(void)
{
    start(CV_SESSION_DIALLER, true, END_ALL);
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(conns, .init = set_up, .fini = tear_down);

static void again(enum cv_session_role role, bool culvert, unsigned features)
{
    end_deinit(&end);
    start(role, culvert, features);
}

/* The other end asks for connection @id, which is accepted. */
static void accepted(int64_t id)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, id, "tcp/a:1"), 0);
    end_tells(&end);
    cr_assert_eq(cv_session_accept(end.session, id), 0);
    end_says(&end);
}

Test(conns, a_dialler_counts_odd_ids_from_1)
{
    for (int64_t id = 1; id < 11; id += 2)
        cr_assert_eq(end_dial(&end), id);
    cr_assert_str_eq(end_says(&end), "Connect 1 tcp/a:1; Connect 3 tcp/a:1; Connect 5 tcp/a:1; "
                                     "Connect 7 tcp/a:1; Connect 9 tcp/a:1");
}

Test(conns, an_acceptor_counts_even_ids_from_2)
{
    again(CV_SESSION_ACCEPTOR, false, 0);
    for (int64_t id = 2; id < 10; id += 2)
        cr_assert_eq(end_dial(&end), id);
}

Test(conns, one_whose_end_was_told_is_no_longer_busy_though_a_last_frame_waits)
{
    struct cv_session_event event;
    int64_t first = end_dial(&end);

    end_dial(&end);
    end_says(&end);
    cr_assert_eq(cv_session_busy(end.session), 2);
    cr_assert_eq(cv_session_abort(end.session, first, CV_REASON_LOCAL, NULL), 0);
    cr_assert_eq(cv_session_busy(end.session), 2);
    cr_assert_eq(cv_session_poll(end.session, &event), 1);
    cr_assert_eq(event.kind, CV_EVENT_CLOSED);
    cr_assert_eq(cv_session_busy(end.session), 1);
    cr_assert_eq(cv_session_conns(end.session), 2);
    end_tells(&end);
    end_says(&end);
    cr_assert_eq(cv_session_busy(end.session), 1);
    cr_assert_eq(cv_session_conns(end.session), 1);
}

Test(conns, an_id_is_never_used_twice)
{
    for (int64_t id = 1; id < 100; id += 2) {
        cr_assert_eq(end_dial(&end), id);
        cr_assert_eq(cv_session_abort(end.session, id, CV_REASON_LOCAL, NULL), 0);
        end_says(&end);
        end_tells(&end);
        cr_assert_eq(cv_session_conns(end.session), 0);
    }
}

Test(conns, a_dial_steps_over_an_id_that_the_other_end_took_against_the_rule)
{
    accepted(1);
    accepted(3);
    cr_assert_eq(end_dial(&end), 5);
}

Test(conns, connect_carries_proto_and_address_and_data_may_follow_at_once)
{
    int64_t id;

    cr_assert_eq(cv_session_dial(end.session, "foo::tcp", "[::1]:22", NULL, end.now, &id), 0);
    end_source(&end, id, 10);
    cr_assert_str_eq(end_says(&end), "Connect 1 foo::tcp/[::1]:22; Data 1 10");
}

Test(conns, accept_is_told_to_an_end_that_asked_for_acks_only)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_str_eq(end_tells(&end), "connect 2 tcp|a:1");
    cr_assert_eq(cv_session_accept(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "Connected 2");
    again(CV_SESSION_DIALLER, false, 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_eq(cv_session_accept(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "");
}

Test(conns, that_a_dial_waits_for_a_silent_end_is_told_to_who_knows_acks_until_it_is_through)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    end_tells(&end);
    cr_assert_eq(cv_session_say_silent(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "Silent 2");
    cr_assert_eq(cv_session_say_silent(end.session, 2), 0);
    cr_assert_eq(cv_session_accept(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "Connected 2");
    cr_assert_eq(cv_session_say_silent(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(cv_session_say_silent(end.session, 4), CV_ESTALE);
    again(CV_SESSION_DIALLER, false, 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    end_tells(&end);
    cr_assert_eq(cv_session_say_silent(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "");
}

Test(conns, an_end_takes_back_what_was_not_said_of_its_waiting)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    end_tells(&end);
    cr_assert_eq(cv_session_say_silent(end.session, 2), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_DIAL, "no"), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 no");
    end_tells(&end);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 4, "tcp/a:1"), 0);
    end_tells(&end);
    cr_assert_eq(cv_session_say_silent(end.session, 4), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 4, "no"), 0);
    cr_assert_str_eq(end_says(&end), "");
    end_tells(&end);
}

Test(conns, silent_is_told_of_our_own_dial_alone_and_not_when_it_is_through)
{
    accepted(2);
    cr_assert_eq(end_dial(&end), 1);
    end_says(&end);
    cr_assert_eq(end_hear(&end, CV_FRAME_SILENT, 2, ""), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_SILENT, 8, ""), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_eq(end_hear(&end, CV_FRAME_SILENT, 1, ""), 0);
    cr_assert_str_eq(end_tells(&end), "silent 1");
    cr_assert_eq(end_hear(&end, CV_FRAME_SILENT, 1, ""), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, 1, ""), 0);
    cr_assert_str_eq(end_tells(&end), "silent 1; connected 1");
    cr_assert_eq(end_hear(&end, CV_FRAME_SILENT, 1, ""), 0);
    cr_assert_str_eq(end_tells(&end), "");
}

Test(conns, connected_is_told_once_and_only_for_our_own_dial)
{
    accepted(2);
    cr_assert_eq(end_dial(&end), 1);
    end_says(&end);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, 2, ""), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, 1, ""), 0);
    cr_assert_str_eq(end_tells(&end), "connected 1");
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, 1, ""), 0);
    cr_assert_str_eq(end_tells(&end), "");
}

Test(conns, data_that_comes_before_accept_waits_for_the_target)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_eq(end_hear_data(&end, 2, 5000), 0);
    cr_assert_str_eq(end_tells(&end), "connect 2 tcp|a:1");
    cr_assert_eq(end_backlog(&end, 2), 0);
    cr_assert_eq(cv_session_accept(end.session, 2), 0);
    cr_assert_gt(end_backlog(&end, 2), 0);
    cr_assert_eq(end_hear_data(&end, 2, 1000), 0); /* behind what waits */
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_eq(end_drain(&end, 2, END_EVERYTHING), 6000);
    cr_assert_eq(end_hear_data(&end, 2, 7), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 7");
}

Test(conns, what_a_sink_does_not_take_is_stored_and_stays_in_order)
{
    accepted(2);
    end.takes = 3;
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(end_backlog(&end, 2), 7);
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 10");
    cr_assert_eq(end_drain(&end, 2, 16), 16);
    cr_assert_eq(end_drain(&end, 2, END_EVERYTHING), 1);
}

Test(conns, a_data_event_that_nobody_answers_is_stored_whole)
{
    struct cv_session_event event;
    uint8_t message[64];
    struct cv_frame frame = {.conn_id = 2, .type = CV_FRAME_DATA};
    size_t head = cv_frame_encode(message, &frame);

    accepted(2);
    memset(message + head, 'x', 8);
    cr_assert_eq(cv_session_recv(end.session, message, head + 8, true, end.now), 0);
    cr_assert_eq(cv_session_poll(end.session, &event), 1);
    cr_assert_eq(event.kind, CV_EVENT_DATA);
    cr_assert_eq(cv_session_poll(end.session, &event), 0);
    cr_assert_eq(end_backlog(&end, 2), 8);
}

Test(conns, finish_keeps_a_data_event_that_was_not_answered_yet)
{
    struct cv_session_event event;
    uint8_t message[64];
    struct cv_frame frame = {.conn_id = 2, .type = CV_FRAME_DATA};
    size_t head = cv_frame_encode(message, &frame);

    again(CV_SESSION_DIALLER, false, 0);
    accepted(2);
    memset(message + head, 'x', 8);
    cr_assert_eq(cv_session_recv(end.session, message, head + 8, true, end.now), 0);
    cr_assert_eq(cv_session_poll(end.session, &event), 1);
    cr_assert_eq(cv_session_finish(end.session, 2), 0);
    cr_assert_eq(end_backlog(&end, 2), 8);
    cr_assert_eq(cv_session_consume(end.session, 2, 8), 0);
    cr_assert_str_eq(end_tells(&end), "closed 2 eof");
}

Test(conns, user_comes_back_with_each_event_and_slot)
{
    int mark;
    struct cv_session_event event;
    struct cv_slot slot;
    int64_t id;

    cr_assert_eq(cv_session_dial(end.session, "tcp", "a:1", &mark, end.now, &id), 0);
    end_says(&end);
    end_source(&end, id, 1);
    cv_session_next(end.session, SIZE_MAX, end.now, &slot);
    cr_assert_eq(slot.user, &mark);
    cr_assert_eq(cv_session_set_user(end.session, id, &end), 0);
    cr_assert_eq(cv_session_abort(end.session, id, CV_REASON_LOCAL, NULL), 0);
    cr_assert_eq(cv_session_poll(end.session, &event), 1);
    cr_assert_eq(event.user, &end);
}

Test(conns, a_half_close_crosses_and_the_other_direction_goes_on)
{
    accepted(2);
    end_source(&end, 2, 10);
    end_says(&end);
    cr_assert_eq(cv_session_finish(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "CloseWrite 2");
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 10");
    cr_assert_eq(cv_session_finish(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 2, ""), 0);
    cr_assert_str_eq(end_tells(&end), "closed 2 eof");
    cr_assert_eq(cv_session_conns(end.session), 0);
}

Test(conns, the_other_ends_half_close_is_told_when_everything_is_taken)
{
    accepted(2);
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 2, ""), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 10");
    end_drain(&end, 2, 9);
    cr_assert_str_eq(end_tells(&end), "");
    end_drain(&end, 2, 1);
    cr_assert_str_eq(end_tells(&end), "fin 2");
    end_source(&end, 2, 10);
    cr_assert_str_eq(end_says(&end), "Data 2 10");
    cr_assert_eq(cv_session_finish(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "CloseWrite 2");
    cr_assert_str_eq(end_tells(&end), "closed 2 eof");
}

Test(conns, a_half_close_while_dialling_is_told_after_accept)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 2, ""), 0);
    cr_assert_eq(end_hear_data(&end, 2, 5), 0); /* against its own word */
    cr_assert_str_eq(end_tells(&end), "connect 2 tcp|a:1");
    cr_assert_eq(cv_session_accept(end.session, 2), 0);
    cr_assert_str_eq(end_tells(&end), "fin 2");
}

Test(conns, without_half_close_the_end_of_a_source_ends_both_directions)
{
    again(CV_SESSION_DIALLER, true, CV_FEATURE_ACK);
    accepted(2);
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(cv_session_finish(end.session, 2), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 EOF");
    cr_assert_eq(end_hear_data(&end, 2, 10), 0); /* was under way */
    cr_assert_str_eq(end_tells(&end), "data 2 10; drain 2");
    cr_assert_eq(end_drain(&end, 2, END_EVERYTHING), 10);
    cr_assert_str_eq(end_tells(&end), "closed 2 eof");
    cr_assert_str_eq(end_says(&end), "");
}

Test(conns, a_half_close_that_was_not_negotiated_is_skipped)
{
    again(CV_SESSION_DIALLER, true, CV_FEATURE_ACK);
    accepted(2);
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 2, ""), 0);
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 10");
}

Test(conns, abort_drops_what_waits_and_says_why)
{
    accepted(2);
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, "broken pipe"), 0);
    cr_assert_eq(cv_session_buffered(end.session), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 broken pipe");
    cr_assert_str_eq(end_tells(&end), "data 2 10; closed 2 local: broken pipe");
}

Test(conns, the_text_of_an_abort_is_cut_at_100_bytes)
{
    char text[201];

    memset(text, 'e', sizeof(text));
    text[200] = '\0';
    accepted(2);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, text), 0);
    cr_assert_eq(strlen(end_says(&end)), strlen("Error 2 ") + CV_ERROR_TEXT_MAX);
}

Test(conns, a_dial_that_is_given_up_before_connect_went_out_says_nothing)
{
    int64_t id = end_dial(&end);

    cr_assert_eq(cv_session_abort(end.session, id, CV_REASON_LOCAL, NULL), 0);
    cr_assert_str_eq(end_says(&end), "");
    end_tells(&end);
    cr_assert_eq(cv_session_conns(end.session), 0);
}

Test(conns, a_failed_target_says_two_errors_to_a_reference_end_and_one_to_culvert)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_DIAL, "refused"), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 refused");
    again(CV_SESSION_DIALLER, false, 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_DIAL, "refused"), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 refused; Error 2 EOF");
}

Test(conns, max_conns_bounds_our_dials_and_theirs)
{
    struct cv_session_config config = end_culvert(CV_SESSION_DIALLER, END_ALL);

    end_deinit(&end);
    config.max_conns = 2;
    end_init(&end, &config);
    cr_assert_eq(end_dial(&end), 1);
    accepted(2);
    cr_assert_eq(end_dial(&end), CV_EFULL);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 4, "tcp/a:1"), 0);
    cr_assert_str_eq(end_tells(&end), "notice conn_limit 4");
    cr_assert_str_eq(end_says(&end), "Error 4 too many connections on this session");
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), 0);
    end_says(&end);
    end_tells(&end);
    cr_assert_eq(end_dial(&end), 3);
}

Test(conns, a_stale_id_is_an_error_code_everywhere)
{
    const uint8_t *data;
    size_t len;

    accepted(2);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), 0);
    end_tells(&end); /* CLOSED: stale from here on, though its Error was not sent yet */
    cr_assert_eq(cv_session_conns(end.session), 1);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(cv_session_accept(end.session, 2), CV_ESTALE);
        cr_assert_eq(cv_session_set_user(end.session, 2, NULL), CV_ESTALE);
        cr_assert_eq(cv_session_ready(end.session, 2, true), CV_ESTALE);
        cr_assert_eq(cv_session_finish(end.session, 2), CV_ESTALE);
        cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), CV_ESTALE);
        cr_assert_eq(cv_session_backlog(end.session, 2, &data, &len), CV_ESTALE);
        cr_assert_eq(cv_session_consume(end.session, 2, 0), CV_ESTALE);
        end_says(&end);
    }
    cr_assert_eq(cv_session_conns(end.session), 0);
    cr_assert_eq(cv_session_accept(end.session, 99), CV_ESTALE);
}

Test(conns, closed_is_told_exactly_once_whatever_is_done_after)
{
    accepted(2);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_KILLED, NULL), 0);
    cr_assert_eq(cv_session_finish(end.session, 2), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "x"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 2, ""), 0);
    cv_session_cut(end.session);
    cr_assert_str_eq(end_tells(&end), "closed 2 local: the local socket failed");
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_eq(cv_session_stats(end.session)->closed[CV_REASON_LOCAL], 1);
}

/* Both ends of a connection closed while our CloseWrite still waits to go out. */
static void closed_but_not_said(void)
{
    cr_assert_eq(end_dial(&end), 1);
    end_says(&end);
    cr_assert_eq(cv_session_finish(end.session, 1), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 1, ""), 0);
}

Test(conns, nothing_is_told_after_closed_whatever_the_other_end_says)
{
    closed_but_not_said();
    cr_assert_str_eq(end_tells(&end), "closed 1 eof");
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, 1, ""), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 1, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_str_eq(end_says(&end), "CloseWrite 1");
    cr_assert_eq(cv_session_conns(end.session), 0);
}

Test(conns, the_reason_that_was_counted_is_the_one_that_is_told)
{
    closed_but_not_said();
    /* a call that feeds without polling, as a link does whose event is still to be fetched */
    cr_assert_eq(cv_session_stats(end.session)->closed[CV_REASON_EOF], 1);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 1, "late"), 0);
    cr_assert_str_eq(end_tells(&end), "closed 1 eof");
}

Test(conns, an_error_about_a_connect_that_never_went_out_is_about_something_else)
{
    cr_assert_eq(end_dial(&end), 1);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 1, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_str_eq(end_says(&end), "Connect 1 tcp/a:1");
}

Test(conns, stats_sort_dials_by_how_long_they_took)
{
    const uint64_t waits[] = {0, CV_MSEC, CV_MSEC + 1, 300 * CV_MSEC, 60 * CV_SEC};
    const struct cv_session_stats *stats = cv_session_stats(end.session);
    struct cv_session_stats sum = {.opened = 1};
    uint64_t time = 0;

    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        int64_t id = 0;

        cr_assert_eq(cv_session_dial(end.session, "tcp", "a:1", NULL, end.now, &id), 0);
        end_says(&end);
        end.now += waits[i];
        cv_session_heard(end.session, end.now);
        cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, id, ""), 0);
        time += waits[i];
    }
    cr_assert_eq(stats->dialled[0], 2);
    cr_assert_eq(stats->dialled[1], 1);
    cr_assert_eq(stats->dialled[8], 1); /* up to 1 s */
    cr_assert_eq(stats->dialled[CV_DIAL_BOUNDS], 1);
    cr_assert_eq(stats->dial_time, time);
    cv_session_stats_add(&sum, stats);
    cr_assert_eq(sum.opened, 6);
    cr_assert_eq(sum.dialled[0], 2);
    cr_assert_eq(sum.dial_time, time);
}
