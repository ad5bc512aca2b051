#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

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
    uv_timer_init(&loop.uv, &timer);
    cr_assert_eq(cv_loop_deinit(&loop), UV_EBUSY);
    uv_close((uv_handle_t *)&timer, NULL);
    cr_assert_eq(cv_loop_deinit(&loop), 0);
}
