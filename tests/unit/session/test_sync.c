/* SyncConnections: sorted lists from the dialler, and what the acceptor makes of them. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

static struct end end;

static void start(enum cv_session_role role)
{
    struct cv_session_config config = end_culvert(role, END_ALL);

    end_init(&end, &config);
}

static void set_up(void)
{
    start(CV_SESSION_ACCEPTOR);
    cr_assert_eq(end_dial(&end), 2);
    cr_assert_eq(end_dial(&end), 4);
    end_says(&end);
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(sync, .init = set_up, .fini = tear_down);

/* A list without connection 4 comes in @after the start. */
static void list_without_4(uint64_t after)
{
    static const int64_t ids[] = {2, 99};

    end.now = END_START + after;
    cr_assert_eq(end_hear_sync(&end, ids, 2), 0);
}

Test(sync, with_grace_a_connection_goes_only_after_two_lists_in_a_row_and_ten_seconds)
{
    list_without_4(20 * CV_SEC);
    cr_assert_str_eq(end_tells(&end), "");
    list_without_4(21 * CV_SEC);
    cr_assert_str_eq(end_tells(&end),
                     "closed 4 sync: the other end no longer knows the connection");
    cr_assert_str_eq(end_says(&end), ""); /* it does not know it: no Error */
    cr_assert_eq(cv_session_conns(end.session), 1);
}

Test(sync, a_young_connection_is_never_closed_by_a_list)
{
    for (uint64_t at = 1; at <= 10; at++)
        list_without_4(at * CV_SEC);
    cr_assert_str_eq(end_tells(&end), "");
    list_without_4(11 * CV_SEC);
    cr_assert_eq(strncmp(end_tells(&end), "closed 4 sync", 13), 0);
}

Test(sync, being_listed_once_wipes_an_absence)
{
    static const int64_t both[] = {2, 4};

    for (uint64_t at = 20; at < 30; at += 2) {
        list_without_4(at * CV_SEC);
        end.now += CV_SEC;
        cr_assert_eq(end_hear_sync(&end, both, 2), 0);
    }
    cr_assert_str_eq(end_tells(&end), "");
}

Test(sync, of_a_flood_of_lists_one_a_second_is_acted_on)
{
    for (int i = 0; i < 100; i++)
        list_without_4(20 * CV_SEC);
    list_without_4(20 * CV_SEC + CV_SYNC_LEAST - 1);
    cr_assert_str_eq(end_tells(&end), "");
    list_without_4(20 * CV_SEC + CV_SYNC_LEAST);
    cr_assert_str_eq(end_tells(&end),
                     "closed 4 sync: the other end no longer knows the connection");
}

Test(sync, an_empty_list_counts_too)
{
    end.now += 20 * CV_SEC;
    cr_assert_eq(end_hear_sync(&end, NULL, 0), 0);
    end.now += CV_SEC;
    cr_assert_eq(end_hear_sync(&end, NULL, 0), 0);
    end_tells(&end);
    cr_assert_eq(cv_session_conns(end.session), 0);
}

Test(sync, a_connection_that_is_over_on_the_wire_is_not_looked_for)
{
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 4, 10), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 4, "EOF"), 0);
    list_without_4(20 * CV_SEC);
    list_without_4(21 * CV_SEC);
    cr_assert_eq(end_drain(&end, 4, END_EVERYTHING), 10);
    cr_assert_str_eq(end_tells(&end), "data 4 10; drain 4; closed 4 eof");
}

Test(sync, a_body_that_is_no_multiple_of_8_breaks_the_protocol)
{
    uint8_t body[24] = {2};

    for (size_t len = 0; len <= sizeof(body); len++) {
        int rc = end_hear_body(&end, CV_FRAME_SYNC, 0, body, len);

        cr_assert_eq(rc, len % 8 ? CV_EPROTO : 0, "%zu bytes", len);
    }
}

Test(sync, lists_cut_anywhere_are_read_the_same)
{
    for (end.piece = 1; end.piece < 20; end.piece++)
        list_without_4((20 + end.piece) * CV_SEC);
    cr_assert_str_eq(end_tells(&end),
                     "closed 4 sync: the other end no longer knows the connection");
    cr_assert_eq(cv_session_set_user(end.session, 2, NULL), 0);
}

Test(sync, a_dialler_sends_one_every_60_s_first_after_60_s_sorted)
{
    end_deinit(&end);
    start(CV_SESSION_DIALLER);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 10, "tcp/a:1"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 4, "tcp/a:1"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 256, "tcp/a:1"), 0);
    cr_assert_eq(end_dial(&end), 1);
    for (int minute = 1; minute < 4; minute++) {
        cv_session_heard(end.session, END_START + (uint64_t)minute * CV_SYNC_EVERY - 1);
        cr_assert_eq(end_tick(&end, END_START + (uint64_t)minute * CV_SYNC_EVERY - 1), 0);
        cr_assert_null(strstr(end_says(&end), "Sync"));
        cr_assert_eq(end_tick(&end, END_START + (uint64_t)minute * CV_SYNC_EVERY), 0);
        cr_assert_not_null(strstr(end_says(&end), "Sync 1,4,10,256"));
    }
}

Test(sync, a_list_leaves_out_what_is_over_and_keeps_what_is_half_closed)
{
    end_deinit(&end);
    start(CV_SESSION_DIALLER);
    for (int i = 0; i < 3; i++)
        end_dial(&end);
    end_says(&end);
    cr_assert_eq(cv_session_finish(end.session, 1), 0);
    cr_assert_eq(cv_session_abort(end.session, 3, CV_REASON_LOCAL, NULL), 0);
    cv_session_heard(end.session, END_START + CV_SYNC_EVERY);
    cr_assert_eq(end_tick(&end, END_START + CV_SYNC_EVERY), 0);
    cr_assert_str_eq(end_says(&end),
                     "ping; CloseWrite 1; Error 3 the local socket failed; Sync 1,5");
}

Test(sync, an_acceptor_sends_none)
{
    cv_session_heard(end.session, END_START + 10 * CV_SYNC_EVERY);
    cr_assert_eq(end_tick(&end, END_START + 10 * CV_SYNC_EVERY), 0);
    cr_assert_null(strstr(end_says(&end), "Sync"));
}

Test(sync, a_list_waits_for_room_and_data_waits_behind_it)
{
    struct cv_slot slot;

    end_deinit(&end);
    start(CV_SESSION_DIALLER);
    for (int i = 0; i < 60; i++)
        end_dial(&end);
    end_says(&end);
    end_source(&end, 1, 10);
    cv_session_heard(end.session, END_START + CV_SYNC_EVERY);
    cr_assert_eq(end_tick(&end, END_START + CV_SYNC_EVERY), 0);
    cr_assert_str_eq(end_says_one(&end), "ping");
    cv_session_next(end.session, 8 * 60, end.now, &slot);
    cr_assert_eq(slot.kind, CV_SLOT_NONE);
    cv_session_next(end.session, 8 * 60 + CV_FRAME_HEAD_MAX, end.now, &slot);
    cr_assert_eq(slot.kind, CV_SLOT_FRAME);
    cr_assert_eq(slot.body_len, 8 * 60);
}
