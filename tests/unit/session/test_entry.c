/* What an entry holds, how it is bounded, and how it ends. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

#define KIB ((size_t)1024)

static struct end end;
static struct cv_budget process;

static void start(size_t session_limit, size_t process_limit)
{
    struct cv_session_config config = end_reference(CV_SESSION_ACCEPTOR);

    process = (struct cv_budget){.limit = process_limit};
    config.budget = session_limit;
    config.parent = &process;
    end_init(&end, &config);
    cr_assert_eq(end_dial(&end), 2);
    cr_assert_eq(end_dial(&end), 4);
    end_says(&end);
    end.takes = 0;
}

static void set_up(void)
{
    start(64 * KIB, 1024 * KIB);
}

/* However it ended, everything was given back. */
static void tear_down(void)
{
    end_deinit(&end);
    cr_assert_eq(process.used, 0);
}

TestSuite(entry, .init = set_up, .fini = tear_down);

Test(entry, what_is_stored_is_charged_to_session_and_process)
{
    cr_assert_eq(end_hear_data(&end, 2, 10 * KIB), 0);
    cr_assert_geq(cv_session_buffered(end.session), 10 * KIB);
    cr_assert_leq(cv_session_buffered(end.session), 12 * KIB);
    cr_assert_eq(process.used, cv_session_buffered(end.session));
    end_drain(&end, 2, END_EVERYTHING);
    cr_assert_eq(cv_session_buffered(end.session), 0);
    cr_assert_eq(process.used, 0);
}

Test(entry, over_the_sessions_budget_one_connection_ends_and_the_others_keep_theirs)
{
    cr_assert_eq(end_hear_data(&end, 4, 10 * KIB), 0);
    for (int i = 0; i < 60; i++)
        cr_assert_eq(end_hear_data(&end, 2, KIB), 0);
    cr_assert_leq(cv_session_buffered(end.session), 64 * KIB);
    cr_assert_str_eq(end_says(&end), "Error 2 the buffer budget is used up");
    end.events[0] = '\0';
    cr_assert_eq(end_drain(&end, 4, END_EVERYTHING), 10 * KIB);
    cr_assert_eq(cv_session_buffered(end.session), 0);
    cr_assert_eq(cv_session_stats(end.session)->closed[CV_REASON_BUDGET], 1);
}

/* A session may hold no more than what the process then has left, so half of it when it is alone.
 */
Test(entry, over_its_share_of_the_processs_budget_the_same)
{
    end_deinit(&end);
    start(64 * KIB, 20 * KIB);
    cr_assert_eq(end_hear_data(&end, 2, 9 * KIB), 0);
    cr_assert_eq(process.used, 10 * KIB);
    cr_assert_eq(end_hear_data(&end, 4, 2 * KIB), 0);
    cr_assert_eq(cv_session_stats(end.session)->closed[CV_REASON_BUDGET], 1);
    cr_assert_eq(cv_session_set_user(end.session, 2, NULL), CV_ESTALE);
    cr_assert_eq(end_drain(&end, 4, END_EVERYTHING), 2 * KIB);
    cr_assert_eq(process.used, 0);
}

Test(entry, who_hoards_pays_not_who_happens_to_come_next)
{
    cr_assert_eq(end_hear_data(&end, 2, 60 * KIB), 0);
    end_tells(&end);
    cr_assert_eq(end_hear_data(&end, 4, 10 * KIB), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 the buffer budget is used up");
    cr_assert_eq(end_drain(&end, 4, END_EVERYTHING), 10 * KIB);
    cr_assert_eq(cv_session_stats(end.session)->closed[CV_REASON_BUDGET], 1);
}

Test(entry, a_piece_over_the_whole_budget_ends_its_own_connection)
{
    end_deinit(&end);
    start(4 * KIB, 1024 * KIB);
    cr_assert_eq(end_hear_data(&end, 2, 10 * KIB), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 the buffer budget is used up");
    cr_assert_eq(cv_session_buffered(end.session), 0);
}

Test(entry, a_drain_is_told_when_bytes_still_wait_and_not_else)
{
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    end_tells(&end);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "EOF"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 4, "EOF"), 0);
    cr_assert_str_eq(end_tells(&end), "drain 2; closed 4 eof");
    end_drain(&end, 2, 9);
    cr_assert_str_eq(end_tells(&end), "");
    end_drain(&end, 2, 1);
    cr_assert_str_eq(end_tells(&end), "closed 2 eof");
}

Test(entry, a_stopped_session_goes_on_but_opens_nothing)
{
    cr_assert(cv_session_usable(end.session));
    cv_session_stop(end.session);
    cr_assert_not(cv_session_usable(end.session));
    cr_assert_eq(end_dial(&end), CV_ECLOSED);
    end.takes = END_EVERYTHING;
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_str_eq(end_tells(&end), "data 2 10");
}

Test(entry, abort_all_ends_each_connection_and_says_so)
{
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    end_tells(&end);
    cv_session_abort_all(end.session, CV_REASON_KILLED);
    cr_assert_str_eq(end_says(&end), "Error 2 ended by an operator; Error 4 ended by an operator");
    cr_assert_str_eq(end_tells(&end), "closed 2 killed: ended by an operator; "
                                      "closed 4 killed: ended by an operator");
    cr_assert_eq(cv_session_conns(end.session), 0);
}

Test(entry, freeing_a_session_gives_everything_back_to_the_process)
{
    cr_assert_eq(end_hear_data(&end, 2, 10 * KIB), 0);
    cr_assert_gt(process.used, 0);
}

Test(entry, each_reason_that_drops_bytes_gives_them_back)
{
    cr_assert_eq(end_hear_data(&end, 2, 10 * KIB), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), 0);
    cr_assert_eq(process.used, 0);
}

Test(entry, an_error_is_echoed_to_a_reference_end_and_what_came_before_stays_readable)
{
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "reset"), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 reset");
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "EOF"), 0); /* its second one */
    cr_assert_str_eq(end_tells(&end), "data 2 10; drain 2");
    cr_assert_eq(end_drain(&end, 2, END_EVERYTHING), 10);
    cr_assert_str_eq(end_tells(&end), "closed 2 remote: reset");
    cr_assert_str_eq(end_says(&end), "");
}

Test(entry, an_error_of_eof_is_an_orderly_end)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "EOF"), 0);
    cr_assert_str_eq(end_tells(&end), "closed 2 eof");
    cr_assert_str_eq(end_says(&end), "Error 2 EOF");
}

Test(entry, an_error_text_is_looked_at_up_to_100_bytes)
{
    char text[151];

    memset(text, 'e', sizeof(text));
    text[150] = '\0';
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, text), 0);
    cr_assert_eq(strlen(end_says(&end)), strlen("Error 2 ") + CV_ERROR_TEXT_MAX);
}

Test(entry, between_culvert_ends_an_error_is_not_echoed)
{
    struct cv_session_config config = end_culvert(CV_SESSION_ACCEPTOR, END_ALL);

    end_deinit(&end);
    end_init(&end, &config);
    cr_assert_eq(end_dial(&end), 2);
    end_says(&end);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "reset"), 0);
    cr_assert_str_eq(end_tells(&end), "closed 2 remote: reset");
    cr_assert_str_eq(end_says(&end), "");
}

Test(entry, an_error_ends_a_dial_under_way_but_eof_leaves_it_what_was_sent)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 1, "tcp/a:1"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 3, "tcp/a:1"), 0);
    end_tells(&end);
    cr_assert_eq(end_hear_data(&end, 3, 5), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 1, "reset"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 3, "EOF"), 0);
    cr_assert_str_eq(end_tells(&end), "closed 1 remote: reset");
    cr_assert_eq(cv_session_accept(end.session, 3), 0);
    cr_assert_eq(end_drain(&end, 3, END_EVERYTHING), 5);
    cr_assert_str_eq(end_tells(&end), "closed 3 eof");
}

Test(entry, a_cut_session_ends_each_connection_after_its_sink_took_everything)
{
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 1, "tcp/a:1"), 0);
    end_tells(&end);
    cv_session_cut(end.session);
    /* a target that nobody is left to talk to need not be dialled on */
    cr_assert_str_eq(end_tells(&end), "drain 2; closed 4 session; closed 1 session");
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_dial(&end), CV_ECLOSED);
    cr_assert_eq(end_drain(&end, 2, END_EVERYTHING), 10);
    cr_assert_str_eq(end_tells(&end), "closed 2 session");
    cr_assert_eq(cv_session_conns(end.session), 0);
    cr_assert_eq(cv_session_deadline(end.session), CV_NEVER);
}

Test(entry, a_sink_that_takes_nothing_for_30_s_loses_what_waits_for_it)
{
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(end_hear_data(&end, 4, 10), 0);
    end_drain(&end, 2, 1); /* what it took while the link was there does not count */
    end_tells(&end);
    cv_session_cut(end.session);
    cr_assert_str_eq(end_tells(&end), "drain 2; drain 4");
    cr_assert_eq(cv_session_deadline(end.session), END_START + CV_DRAIN_WAIT);
    cr_assert_eq(end_tick(&end, END_START + CV_DRAIN_WAIT - 1), 0);
    cr_assert_str_eq(end_tells(&end), "");
    end_drain(&end, 4, 1); /* this one is slow, not dead */
    cr_assert_eq(end_tick(&end, END_START + CV_DRAIN_WAIT), 0);
    cr_assert_str_eq(end_tells(&end), "closed 2 local: it does not take what is left for it");
    cr_assert_eq(end_tick(&end, END_START + 2 * CV_DRAIN_WAIT), 0);
    cr_assert_str_eq(end_tells(&end), "closed 4 local: it does not take what is left for it");
}

Test(entry, what_a_draining_sink_took_before_the_cut_does_not_count)
{
    cr_assert_eq(end_hear_data(&end, 2, 10), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 2, "EOF"), 0);
    end_drain(&end, 2, 1);
    end_tells(&end);
    cv_session_cut(end.session);
    end_tells(&end);
    cr_assert_eq(end_tick(&end, END_START + CV_DRAIN_WAIT), 0);
    cr_assert_str_eq(end_tells(&end), "closed 2 local: it does not take what is left for it");
}

Test(entry, counters_add_up)
{
    const struct cv_session_stats *stats = cv_session_stats(end.session);
    uint64_t closed = 0;

    cr_assert_eq(end_hear_data(&end, 2, 100), 0);
    end_source(&end, 4, 50);
    end_says(&end);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_KILLED, NULL), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 4, "EOF"), 0);
    for (int i = 0; i < CV_REASON_COUNT; i++)
        closed += stats->closed[i];
    cr_assert_eq(stats->opened, 2);
    cr_assert_eq(closed, 2);
    cr_assert_eq(stats->closed[CV_REASON_KILLED], 1);
    cr_assert_eq(stats->closed[CV_REASON_EOF], 1);
    cr_assert_eq(stats->bytes_in, 100);
    cr_assert_eq(stats->bytes_out, 50);
    cr_assert_eq(stats->frames_in, 2);
    cr_assert_eq(stats->frames_out, 3);
}
