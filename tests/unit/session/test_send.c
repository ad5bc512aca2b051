#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "conn/conn.h"
#include "end.h"

#define MIB ((size_t)1024 * 1024)

static struct end end;

static void start(unsigned features, int conns)
{
    struct cv_session_config config = end_culvert(CV_SESSION_ACCEPTOR, features);

    end_init(&end, &config);
    for (int i = 1; i <= conns; i++)
        cr_assert_eq(end_dial(&end), 2 * i);
    end_says(&end);
}

static void set_up(void)
{
    start(CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE, 4);
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(send, .init = set_up, .fini = tear_down);

/* Says @count Data frames and adds up their bytes by connection. */
static void turns(int count, size_t bytes[])
{
    for (int i = 0; i < count; i++) {
        int64_t id;
        size_t len;

        cr_assert_eq(sscanf(end_says_one(&end), "Data %" SCNd64 " %zu", &id, &len), 2);
        bytes[id] += len;
    }
}

Test(send, bulk_connections_take_turns)
{
    size_t bytes[9] = {0};

    for (int64_t id = 2; id <= 8; id += 2)
        end_source(&end, id, 10 * MIB);
    turns(20, bytes); /* until each has had its first turn, as one that just woke */
    memset(bytes, 0, sizeof(bytes));
    turns(40, bytes);
    for (int64_t id = 2; id <= 8; id += 2)
        cr_assert_eq(bytes[id], 10 * CV_DATA_MAX);
}

Test(send, a_connection_that_just_woke_goes_before_bulk)
{
    end_source(&end, 2, 10 * MIB);
    end_source(&end, 4, 10 * MIB);
    for (int i = 0; i < 4; i++)
        end_says_one(&end);
    end_source(&end, 6, 10);
    cr_assert_str_eq(end_says_one(&end), "Data 6 10");
}

Test(send, bulk_is_not_starved_by_connections_that_wake_all_the_time)
{
    size_t bytes[9] = {0};

    end_source(&end, 2, 10 * MIB);
    turns(1, bytes);
    for (int i = 0; i < 60; i++) {
        end_source(&end, 4, 8192);
        end_source(&end, 6, 8192);
        turns(2, bytes);
        cr_assert_eq(cv_session_ready(end.session, 4, false), 0);
        cr_assert_eq(cv_session_ready(end.session, 6, false), 0);
    }
    cr_assert_geq(bytes[2], 15 * CV_DATA_MAX, "%zu", bytes[2]);
    cr_assert_gt(bytes[4], 0);
    cr_assert_gt(bytes[6], 0);
}

Test(send, frames_about_connections_go_before_data)
{
    end_source(&end, 2, MIB);
    cr_assert_eq(cv_session_finish(end.session, 4), 0);
    cr_assert_eq(cv_session_announce(end.session, true, "foo", 1), 0);
    cr_assert_eq(end_dial(&end), 10);
    cr_assert_str_eq(end_says_one(&end), "CloseWrite 4");
    cr_assert_str_eq(end_says_one(&end), "Connect 10 tcp/a:1");
    cr_assert_str_eq(end_says_one(&end), "AddClient foo/1");
    cr_assert_str_eq(end_says_one(&end), "Data 2 262144");
}

Test(send, a_connections_own_frames_keep_their_order)
{
    int64_t id = end_dial(&end);

    end_source(&end, id, 10);
    cr_assert_eq(cv_session_finish(end.session, id), 0);
    cr_assert_str_eq(end_says(&end), "Connect 10 tcp/a:1; CloseWrite 10");
}

Test(send, one_turn_is_bounded_by_the_quantum_and_by_the_room)
{
    end_source(&end, 2, 10 * MIB);
    end_says_one(&end);
    cr_assert_eq(end.max, CV_DATA_MAX);
    for (size_t room = 0; room < 2000; room += 7) {
        struct cv_slot slot;

        cv_session_next(end.session, room, end.now, &slot);
        if (slot.kind == CV_SLOT_NONE) {
            cr_assert_lt(room, 512 + CV_SLOT_HEAD_MAX);
            continue;
        }
        cr_assert_eq(slot.kind, CV_SLOT_DATA);
        cr_assert_eq(slot.head_len + slot.max, room);
        cr_assert_geq(slot.max, 512);
    }
}

Test(send, data_does_not_overtake_a_frame_that_finds_no_room)
{
    struct cv_slot slot;

    end_source(&end, 2, MIB);
    cr_assert_eq(end_dial(&end), 10);
    cv_session_next(end.session, CV_FRAME_HEAD_MAX + CV_CONNECT_MAX - 1, end.now, &slot);
    cr_assert_eq(slot.kind, CV_SLOT_NONE);
    cr_assert(cv_session_pending(end.session));
    cr_assert_str_eq(end_says_one(&end), "Connect 10 tcp/a:1");
}

Test(send, every_control_frame_fits_where_next_says_that_it_does)
{
    char address[CV_CONNECT_MAX];
    struct cv_slot slot;
    int64_t id;

    memset(address, 'h', sizeof(address));
    address[262] = '\0';
    cr_assert_eq(cv_session_dial(end.session, "tcp", address, NULL, end.now, &id), 0);
    cv_session_next(end.session, CV_FRAME_HEAD_MAX + CV_CONNECT_MAX, end.now, &slot);
    cr_assert_eq(slot.kind, CV_SLOT_FRAME);
    cr_assert_eq(slot.body_len, CV_CONNECT_MAX);
}

Test(send, a_source_that_is_not_ready_gets_no_turn)
{
    end_source(&end, 2, 10);
    cr_assert(cv_session_pending(end.session));
    cr_assert_eq(cv_session_ready(end.session, 2, false), 0);
    cr_assert_not(cv_session_pending(end.session));
    cr_assert_str_eq(end_says(&end), "");
}

Test(send, a_source_that_asks_twice_has_one_place_in_the_row)
{
    struct cv_slot slot;

    end_source(&end, 2, 10);
    end_source(&end, 2, 10);
    end_source(&end, 4, 10);
    cv_session_next(end.session, SIZE_MAX, end.now, &slot);
    cr_assert_eq(slot.conn_id, 2);
    cv_session_sent(end.session, &slot, 10, end.now);
    cr_assert_eq(cv_session_ready(end.session, 2, false), 0);
    cv_session_next(end.session, SIZE_MAX, end.now, &slot);
    cr_assert_eq(slot.conn_id, 4);
}

Test(send, a_paused_source_gets_no_turn_until_it_may_go_on)
{
    end_source(&end, 2, 10);
    cr_assert_eq(end_hear(&end, CV_FRAME_PAUSE, 2, ""), 0);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_hear(&end, CV_FRAME_RESUME, 2, ""), 0);
    cr_assert_str_eq(end_says(&end), "Data 2 10");
}

Test(send, without_credit_nothing_goes_and_a_window_wakes)
{
    end_deinit(&end);
    start(END_ALL, 1);
    end_source(&end, 2, MIB);
    end_says(&end);
    cr_assert_eq(end_conn(&end, 2)->sent, CV_WINDOW_INITIAL);
    cr_assert_eq(end_hear_window(&end, 2, 3), 0);
    cr_assert_str_eq(end_says(&end), "Data 2 3");
}

Test(send, a_window_is_granted_when_half_of_it_was_taken)
{
    end_deinit(&end);
    start(END_ALL, 1);
    cr_assert_eq(end_hear_data(&end, 2, CV_WINDOW_INITIAL / 2 - 1), 0);
    end_tells(&end);
    cr_assert_str_eq(end_says(&end), "");
    cr_assert_eq(end_hear_data(&end, 2, 1), 0);
    cr_assert_str_eq(end_says(&end), "Window 2 131072");
}

Test(send, a_window_grows_with_the_round_trip_that_a_pong_gave)
{
    end_deinit(&end);
    start(END_ALL, 1);
    cr_assert_eq(end_tick(&end, end.now), 0);
    cr_assert_str_eq(end_says(&end), "ping");
    end.now += 10 * CV_MSEC;
    cv_session_pong(end.session, end.now);
    cr_assert_eq(cv_session_rtt(end.session), 10 * CV_MSEC);
    cr_assert_eq(end_hear_data(&end, 2, CV_WINDOW_INITIAL / 2), 0);
    cr_assert_str_eq(end_says(&end), "Window 2 393216"); /* what was taken, and a window more */
}

/* What the frames that go out grant to @id, and what the session has taken of it meanwhile, @len.
 */
static size_t granted_for(int64_t id, size_t len)
{
    const char *words;
    size_t grant = 0;
    long long of, more;

    cr_assert_eq(end_hear_data(&end, id, len), 0);
    end_tells(&end);
    words = end_says(&end);
    if (sscanf(words, "Window %lld %lld", &of, &more) == 2 && of == id)
        grant = (size_t)more;
    return grant;
}

Test(send, windows_grow_together_by_half_of_the_budget_at_most)
{
    struct cv_session_config config = end_culvert(CV_SESSION_ACCEPTOR, END_ALL);
    size_t windows[8], grown = 0;

    config.budget = 4 * MIB;
    end_deinit(&end);
    end_init(&end, &config);
    for (size_t i = 0; i < 8; i++) {
        cr_assert_eq(end_dial(&end), 2 * (int64_t)(i + 1));
        windows[i] = CV_WINDOW_INITIAL;
    }
    cr_assert_eq(end_tick(&end, end.now), 0);
    end_says(&end);
    end.now += 10 * CV_MSEC;
    cv_session_pong(end.session, end.now);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 8; i++) {
            size_t len = windows[i] / 2;

            windows[i] = windows[i] - len + granted_for(2 * (int64_t)(i + 1), len);
        }
    }
    for (size_t i = 0; i < 8; i++)
        grown += windows[i] - CV_WINDOW_INITIAL;
    cr_assert_gt(grown, config.budget / 4);
    cr_assert_leq(grown, config.budget / 2);
}

Test(send, a_cut_session_says_nothing)
{
    end_source(&end, 2, MIB);
    cr_assert_eq(end_dial(&end), 10);
    cv_session_cut(end.session);
    cr_assert_not(cv_session_pending(end.session));
    cr_assert_str_eq(end_says(&end), "");
}

Test(send, a_turn_whose_connection_went_away_changes_nothing)
{
    struct cv_slot slot;

    end_source(&end, 2, 10);
    cv_session_next(end.session, SIZE_MAX, end.now, &slot);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 the local socket failed");
    end_tells(&end);
    cv_session_sent(end.session, &slot, 10, end.now);
    cr_assert_eq(cv_session_stats(end.session)->bytes_out, 0);
}
