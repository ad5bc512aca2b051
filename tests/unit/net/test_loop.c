#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "net/timer.h"
#include "net_fixture.h"

Test(loop, says_how_many_milliseconds_are_left_rounded_up)
{
    cr_assert_eq(cv_loop_delay(5000, 5000), 0);
    cr_assert_eq(cv_loop_delay(6000, 5000), 0);
    cr_assert_eq(cv_loop_delay(5000, 5001), 1);
    cr_assert_eq(cv_loop_delay(5000, 6000), 1);
    cr_assert_eq(cv_loop_delay(5000, 6001), 2);
    cr_assert_gt(cv_loop_delay(5000, CV_NEVER), UINT64_MAX / 1000 - 10);
}

Test(loop, never_hands_out_the_same_random_bytes_twice)
{
    struct net net;
    uint64_t seen[300];
    uint8_t large[1000] = {0}, zero[100] = {0};

    net_init(&net);
    for (size_t i = 0; i < 300; i++) {
        seen[i] = cv_random_u64(&net.loop.random);
        for (size_t j = 0; j < i; j++)
            cr_assert_neq(seen[i], seen[j]);
    }
    net.loop.random.fill(net.loop.random.ctx, large, sizeof(large));
    for (size_t i = 0; i + sizeof(zero) <= sizeof(large); i += sizeof(zero))
        cr_assert_neq(memcmp(large + i, zero, sizeof(zero)), 0);
    net_deinit(&net);
}

Test(loop, forgets_random_bytes_that_it_handed_out)
{
    struct net net;
    uint8_t key[16];

    net_init(&net);
    net.loop.random.fill(net.loop.random.ctx, key, sizeof(key));
    cr_assert_null(memmem(net.loop.random_pool, sizeof(net.loop.random_pool), key, sizeof(key)));
    net_deinit(&net);
}

Test(loop, ignores_sigpipe)
{
    struct sigaction action;
    struct net net;

    net_init(&net);
    sigaction(SIGPIPE, NULL, &action);
    cr_assert_eq(action.sa_handler, SIG_IGN);
    net_deinit(&net);
}

Test(loop, refuses_to_end_while_a_handle_is_open)
{
    struct cv_log log = {.level = CV_LOG_ERROR};
    struct cv_loop loop;
    uv_timer_t timer;

    cr_assert_eq(cv_loop_init(&loop, &log), 0);
    uv_timer_init(loop.uv, &timer);
    cr_assert_eq(cv_loop_deinit(&loop), UV_EBUSY);
    uv_close((uv_handle_t *)&timer, NULL);
    cr_assert_eq(cv_loop_deinit(&loop), 0);
}

struct parting {
    struct cv_loop loop;
    struct cv_timer *timers[2];
    int begun, cut, left;
};

static void on_begin(void *ctx)
{
    struct parting *parting = ctx;

    parting->begun++;
    cv_timer_free(parting->timers[0]);
}

static void on_cut(void *ctx)
{
    struct parting *parting = ctx;

    cr_assert_eq(parting->left, 0, "a timer is still there");
    parting->cut++;
    cv_timer_free(parting->timers[1]);
}

static void on_left(void *ctx)
{
    struct parting *parting = ctx;

    parting->left++;
}

static void ring(void *ctx)
{
    (void)ctx;
}

/* With a timer that is let go at first, and, when @stubborn, one that is cut. */
static struct parting part(bool stubborn)
{
    struct cv_log log = {.level = CV_LOG_ERROR};
    struct parting *parting = calloc(1, sizeof(*parting)), result;
    struct cv_loop_leaving leaving = {on_begin, on_cut, on_left, parting};
    struct sigaction action;
    uv_loop_t uv;

    uv_loop_init(&uv);
    cr_assert_eq(cv_loop_init_on(&parting->loop, &uv, &log), 0);
    sigaction(SIGPIPE, NULL, &action);
    cr_assert_eq(action.sa_handler, SIG_DFL, "signals are the program's");
    for (int i = 0; i < (stubborn ? 2 : 1); i++)
        cr_assert_eq(cv_timer_new(&parting->timers[i], &parting->loop, ring, NULL), 0);
    cv_loop_leave(&parting->loop, &leaving);
    cr_assert_eq(parting->begun, 0, "not from within the call");
    uv_run(&uv, UV_RUN_DEFAULT);
    result = *parting;
    free(parting);
    cr_assert_eq(uv_loop_close(&uv), 0);
    return result;
}

Test(loop, leaves_the_loop_of_somebody_else_when_all_that_it_held_is_gone)
{
    struct parting end = part(false);

    cr_assert(end.begun == 1 && end.cut == 0 && end.left == 1);
}

Test(loop, cuts_what_is_still_held_a_moment_after_it_began_to_leave)
{
    struct parting end = part(true);

    cr_assert(end.begun == 1 && end.cut == 1 && end.left == 1);
}
