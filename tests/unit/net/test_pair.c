#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/pair.h"
#include "net_fixture.h"

/* Both ends as streams of one loop. */
static void open_both(struct net *net, struct cv_stream *ends[2])
{
    struct cv_pair *pair;
    int fds[2];

    cr_assert_eq(cv_pair_new(&pair, fds), 0);
    for (int side = CV_PAIR_INNER; side <= CV_PAIR_OUTER; side++)
        cr_assert_eq(cv_pair_stream(&ends[side], &net->loop, pair, side, fds[side]), 0);
}

Test(pair, an_end_in_order_is_an_end)
{
    struct cv_stream *ends[2];
    struct net net;
    char buf[8];

    net_init(&net);
    open_both(&net, ends);
    cr_assert_eq(cv_stream_recv(ends[1], buf, sizeof(buf)), -EAGAIN);
    cr_assert_eq(cv_stream_send(ends[0], "abc", 3), 3);
    cv_stream_shutdown(ends[0]);
    cr_assert_eq(cv_stream_recv(ends[1], buf, sizeof(buf)), 3);
    cr_assert_eq(cv_stream_recv(ends[1], buf, sizeof(buf)), 0);
    cr_assert_eq(cv_stream_send(ends[1], "d", 1), 1, "the other direction goes on");
    cr_assert_eq(cv_stream_recv(ends[0], buf, sizeof(buf)), 1);
    cv_stream_close(ends[0]);
    cr_assert_eq(cv_stream_recv(ends[1], buf, sizeof(buf)), 0);
    cv_stream_close(ends[1]);
    net_deinit(&net);
}

Test(pair, a_reset_is_read_behind_the_last_bytes_at_either_side)
{
    for (int side = CV_PAIR_INNER; side <= CV_PAIR_OUTER; side++) {
        struct cv_stream *ends[2];
        struct net net;
        char buf[8];

        net_init(&net);
        open_both(&net, ends);
        cr_assert_eq(cv_stream_send(ends[side], "abc", 3), 3);
        cv_stream_reset(ends[side]);
        cv_stream_close(ends[side]);
        cr_assert_eq(cv_stream_recv(ends[!side], buf, sizeof(buf)), 3);
        cr_assert_eq(cv_stream_recv(ends[!side], buf, sizeof(buf)), -ECONNRESET);
        cv_stream_close(ends[!side]);
        net_deinit(&net);
    }
}

Test(pair, an_end_that_never_became_a_stream_can_reset_too)
{
    struct cv_stream *inner;
    struct cv_pair *pair;
    struct net net;
    char buf[8];
    int fds[2];

    net_init(&net);
    cr_assert_eq(cv_pair_new(&pair, fds), 0);
    cr_assert_eq(cv_pair_stream(&inner, &net.loop, pair, CV_PAIR_INNER, fds[CV_PAIR_INNER]), 0);
    cv_pair_reset(pair, CV_PAIR_OUTER);
    shutdown(fds[CV_PAIR_OUTER], SHUT_RDWR);
    cr_assert_eq(cv_stream_recv(inner, buf, sizeof(buf)), -ECONNRESET);
    cv_stream_close(inner);
    close(fds[CV_PAIR_OUTER]);
    cv_pair_unref(pair);
    cv_pair_unref(NULL);
    net_deinit(&net);
}
