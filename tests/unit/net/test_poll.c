#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#include "base/list.h"
#include "net/poll.h"
#include "net_fixture.h"

/* One end of a pair, and what was heard of it. */
struct end {
    struct cv_watch watch;
    int fds[2];
    int calls;
    uint32_t events;
    struct cv_poll *poll;
    struct end *drops; /* dropped and closed by the first call */
};

static struct net net;

static void on_ready(struct cv_watch *watch, uint32_t events)
{
    struct end *end = cv_container_of(watch, struct end, watch);

    end->calls++;
    end->events = events;
    if (end->drops) {
        cv_poll_drop(end->poll, &end->drops->watch);
        close(end->drops->fds[1]);
        end->drops->fds[1] = -1;
    }
    cr_assert_eq(cv_poll_set(end->poll, &end->watch, 0, false), 0);
}

static void end_init(struct end *end)
{
    *end = (struct end){.poll = &net.loop.poll};
    tcp_pair(end->fds);
    end->watch = (struct cv_watch){.fd = end->fds[1], .ready = on_ready};
}

static void end_deinit(struct end *end)
{
    cv_poll_drop(end->poll, &end->watch);
    close(end->fds[0]);
    if (end->fds[1] >= 0)
        close(end->fds[1]);
}

static void set_up(void)
{
    net_init(&net);
}

static void tear_down(void)
{
    net_deinit(&net);
}

TestSuite(poll, .init = set_up, .fini = tear_down);

Test(poll, tells_what_is_ready_until_nothing_is_asked_for)
{
    struct end end;

    end_init(&end);
    cr_assert_eq(cv_poll_set(end.poll, &end.watch, EPOLLIN, false), 0);
    cr_assert_eq(write(end.fds[0], "x", 1), 1);
    NET_UNTIL(&net, end.calls == 1);
    cr_assert_eq(end.calls, 1);
    cr_assert_eq(end.events, EPOLLIN);
    end_deinit(&end);
}

Test(poll, a_socket_that_rests_is_heard_too_and_may_go_back)
{
    struct end end;

    end_init(&end);
    cr_assert_eq(cv_poll_set(end.poll, &end.watch, EPOLLIN, true), 0);
    cr_assert_eq(end.poll->resting, 1);
    cr_assert_eq(write(end.fds[0], "x", 1), 1);
    NET_UNTIL(&net, end.calls == 1);
    cr_assert_eq(end.calls, 1);
    cr_assert_eq(end.poll->resting, 0);
    cr_assert_eq(cv_poll_set(end.poll, &end.watch, EPOLLIN, true), 0);
    cr_assert_eq(cv_poll_set(end.poll, &end.watch, EPOLLIN, false), 0);
    cr_assert_eq(end.poll->resting, 0);
    NET_UNTIL(&net, end.calls == 2);
    cr_assert_eq(end.calls, 2);
    end_deinit(&end);
}

Test(poll, more_sockets_than_one_batch_holds_are_all_heard)
{
    static struct end ends[300];
    int heard = 0;

    for (int i = 0; i < 300; i++) {
        end_init(&ends[i]);
        cr_assert_eq(cv_poll_set(ends[i].poll, &ends[i].watch, EPOLLIN, i % 2), 0);
        cr_assert_eq(write(ends[i].fds[0], "x", 1), 1);
    }
    NET_UNTIL(&net, net.loop.poll.watched == 0);
    for (int i = 0; i < 300; i++) {
        heard += ends[i].calls;
        end_deinit(&ends[i]);
    }
    cr_assert_eq(heard, 300);
}

static void on_ready_still(struct cv_watch *watch, uint32_t events)
{
    struct end *end = cv_container_of(watch, struct end, watch);

    (void)events;
    cr_assert_lt(++end->calls, 10, "the loop does nothing else");
}

Test(poll, more_than_one_batch_of_those_that_rest_and_stay_ready_leave_the_loop_its_turn)
{
    static struct end ends[600];
    int heard = 0;

    for (int i = 0; i < 600; i++) {
        end_init(&ends[i]);
        ends[i].watch.ready = on_ready_still;
        cr_assert_eq(cv_poll_set(ends[i].poll, &ends[i].watch, EPOLLIN, true), 0);
        cr_assert_eq(write(ends[i].fds[0], "x", 1), 1);
    }
    NET_UNTIL(&net, ends[0].calls > 0);
    for (int i = 0; i < 600; i++) {
        heard += ends[i].calls > 0;
        end_deinit(&ends[i]);
    }
    cr_assert_eq(heard, 600);
}

Test(poll, what_was_dropped_in_a_batch_is_not_called_any_more)
{
    struct end first, second;

    end_init(&first);
    end_init(&second);
    first.drops = &second;
    second.drops = &first;
    cr_assert_eq(cv_poll_set(first.poll, &first.watch, EPOLLIN, false), 0);
    cr_assert_eq(cv_poll_set(second.poll, &second.watch, EPOLLIN, false), 0);
    cr_assert_eq(write(first.fds[0], "x", 1), 1);
    cr_assert_eq(write(second.fds[0], "x", 1), 1);
    NET_UNTIL(&net, first.calls + second.calls > 0);
    net_turn(&net);
    cr_assert_eq(first.calls + second.calls, 1);
    end_deinit(&first);
    end_deinit(&second);
}

Test(poll, says_why_a_socket_cannot_be_watched)
{
    struct cv_watch watch = {.fd = -1, .ready = on_ready};

    cr_assert_eq(cv_poll_set(&net.loop.poll, &watch, EPOLLIN, false), -EBADF);
    cr_assert_eq(net.loop.poll.watched, 0);
}

/* Another thread's answer, so that the loop waits for it. */
static void answer(void *arg)
{
    const struct end *end = arg;

    cr_assert_eq(write(end->fds[0], "x", 1), 1);
}

Test(poll, an_eager_loop_hears_sockets_and_timers)
{
    struct cv_poll *poll = &net.loop.poll;
    uv_thread_t thread;
    struct end end;

    end_init(&end);
    for (int i = 1; i <= 100; i++) {
        poll->prompt = CV_EAGER_AFTER;
        cr_assert_eq(cv_poll_set(end.poll, &end.watch, EPOLLIN, false), 0);
        cr_assert_eq(uv_thread_create(&thread, answer, &end), 0);
        NET_UNTIL(&net, end.calls == i);
        uv_thread_join(&thread);
    }
    poll->prompt = CV_EAGER_AFTER;
    net_turn(&net); /* ended by the fixture's timer */
    end_deinit(&end);
}

Test(poll, many_sockets_at_once_and_bulk_make_it_sleep_again)
{
    struct cv_poll *poll = &net.loop.poll;
    struct end first, second;

    end_init(&first);
    end_init(&second);
    cr_assert_eq(cv_poll_set(first.poll, &first.watch, EPOLLIN, false), 0);
    cr_assert_eq(cv_poll_set(second.poll, &second.watch, EPOLLIN, false), 0);
    poll->prompt = CV_EAGER_AFTER;
    answer(&first);
    answer(&second);
    NET_UNTIL(&net, first.calls + second.calls == 2);
    cr_assert_lt(poll->prompt, CV_EAGER_AFTER);
    poll->prompt = CV_EAGER_AFTER;
    cv_poll_bulk(poll);
    cr_assert_eq(poll->prompt, 0);
    end_deinit(&first);
    end_deinit(&second);
}
