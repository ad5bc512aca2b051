/* Messages in pieces. The recorded ones are cut in test_golden.c. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

static struct end end;

static void start(size_t piece)
{
    struct cv_session_config config = end_culvert(CV_SESSION_ACCEPTOR, END_ALL);

    end_init(&end, &config);
    end.piece = piece;
}

static void set_up(void)
{
    start(END_EVERYTHING);
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(recv, .init = set_up, .fini = tear_down);

/* One life of several connections, as the other end tells it. */
static void life(void)
{
    static const int64_t list[] = {1, 2};

    cr_assert_eq(end_dial(&end), 2);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECTED, 2, ""), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 1, "foo::tcp/h:80"), 0);
    cr_assert_eq(cv_session_accept(end.session, 1), 0);
    cr_assert_eq(end_hear_data(&end, 1, 500), 0);
    cr_assert_eq(end_hear_window(&end, 1, 70000), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, "foo/123456"), 0);
    cr_assert_eq(end_hear_sync(&end, list, 2), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_CLOSE_WRITE, 1, ""), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 77, "stray"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_ERROR, 1, "connection reset by peer"), 0);
    cr_assert_eq(end_hear(&end, 1000000, 1, "unknown"), 0);
}

Test(recv, pieces_of_every_size_give_the_same_life)
{
    static char told[END_WORDS], said[END_WORDS];

    end.takes = 0; /* a Data event a piece: what is stored does not depend on the cuts */
    life();
    cr_assert_eq(end_conn(&end, 1)->heard, 500);
    snprintf(told, sizeof(told), "%s", strstr(end_tells(&end), "add"));
    snprintf(said, sizeof(said), "%s", end_says(&end));
    cr_assert_str_eq(told, "add foo/123456; drain 1");
    for (size_t piece = 1; piece < 64; piece++) {
        end_deinit(&end);
        start(piece);
        end.takes = 0;
        life();
        cr_assert_str_eq(strstr(end_tells(&end), "add"), told, "pieces of %zu", piece);
        cr_assert_str_eq(end_says(&end), said, "pieces of %zu", piece);
        cr_assert_eq(end_drain(&end, 1, END_EVERYTHING), 500, "pieces of %zu", piece);
        cr_assert_str_eq(end_tells(&end), "closed 1 remote: connection reset by peer");
        cr_assert_eq(cv_session_stats(end.session)->unknown_frames, 1);
    }
}

Test(recv, data_is_handed_out_as_it_comes_and_not_collected)
{
    cr_assert_eq(end_dial(&end), 2);
    end_says(&end);
    end.piece = 100;
    cr_assert_eq(end_hear_data(&end, 2, 250), 0);
    cr_assert_eq(cv_session_stats(end.session)->bytes_in, 250);
    cr_assert_eq(cv_session_stats(end.session)->frames_in, 1);
    cr_assert_eq(cv_session_buffered(end.session), 0);
    cr_assert_eq(end_conn(&end, 2)->taken, 250);
}

Test(recv, empty_pieces_and_an_empty_last_piece_are_fine)
{
    static const uint8_t connect[] = {2, 2, 4, 0, 't', '/', 'a'};

    cr_assert_eq(cv_session_recv(end.session, connect, 0, false, end.now), 0);
    cr_assert_eq(cv_session_recv(end.session, connect, 5, false, end.now), 0);
    cr_assert_eq(cv_session_recv(end.session, connect, 0, false, end.now), 0);
    cr_assert_eq(cv_session_recv(end.session, connect + 5, 2, false, end.now), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_eq(cv_session_recv(end.session, connect, 0, true, end.now), 0);
    cr_assert_str_eq(end_tells(&end), "connect 1 t|a");
}

Test(recv, a_message_that_ends_inside_its_head_breaks_the_protocol)
{
    static const uint8_t head[] = {2, 4, 2, 0xb0, 0xea, 1};

    for (size_t len = 0; len < sizeof(head); len++) {
        cr_assert_eq(end_hear_message(&end, head, len), CV_EPROTO, "%zu bytes", len);
        end_deinit(&end);
        start(END_EVERYTHING);
    }
    cr_assert_eq(end_hear_message(&end, head, sizeof(head)), 0);
}

Test(recv, data_in_the_middle_of_whose_message_its_connection_ends_is_dropped)
{
    static const uint8_t head[] = {2, 4, 2, 0};

    cr_assert_eq(end_dial(&end), 2);
    end_says(&end);
    cr_assert_eq(cv_session_recv(end.session, head, sizeof(head), false, end.now), 0);
    cr_assert_eq(cv_session_abort(end.session, 2, CV_REASON_LOCAL, NULL), 0);
    end_tells(&end);
    end_says(&end);
    cr_assert_eq(cv_session_recv(end.session, head, sizeof(head), true, end.now), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_str_eq(end_says(&end), "");
}

Test(recv, a_window_that_grants_nothing_or_is_no_number_breaks_the_protocol)
{
    cr_assert_eq(end_dial(&end), 2);
    cr_assert_eq(end_hear_window(&end, 2, 0), CV_EPROTO);
    cr_assert_eq(end_hear_window(&end, 2, -5), CV_EPROTO);
    cr_assert_eq(end_hear(&end, CV_FRAME_WINDOW, 2, ""), CV_EPROTO);
    cr_assert_eq(end_hear_window(&end, 2, 5), 0);
}

Test(recv, an_unknown_type_is_skipped_and_counted)
{
    cr_assert_eq(end_hear(&end, 0, 1, "x"), 0);
    cr_assert_eq(end_hear(&end, -1, 1, "x"), 0);
    cr_assert_eq(end_hear(&end, 19, 1, "x"), 0);
    cr_assert_eq(end_hear(&end, INT64_MAX, 1, "x"), 0);
    cr_assert_eq(cv_session_stats(end.session)->unknown_frames, 4);
    cr_assert_str_eq(end_tells(&end), "");
}
