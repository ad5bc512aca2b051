#include "net/pipe.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net_fixture.h"

static struct net net;

static void set_up(void)
{
    net_init(&net);
}

static void tear_down(void)
{
    net_deinit(&net);
}

TestSuite(pipe, .init = set_up, .fini = tear_down);

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

Test(pipe, one_that_comes_back_empty_is_lent_again)
{
    struct cv_pipe first, second;
    int in;

    cr_assert(cv_pipes_take(&net.loop.pipes, &first));
    in = first.in;
    cv_pipes_give(&net.loop.pipes, &first, true);
    cr_assert_eq(first.in, first.out);
    cr_assert(cv_pipes_take(&net.loop.pipes, &second));
    cr_assert_eq(second.in, in);
    cv_pipes_give(&net.loop.pipes, &second, true);
}

Test(pipe, one_that_holds_bytes_is_lent_to_nobody_else)
{
    struct cv_pipe first, second;
    char byte;

    cr_assert(cv_pipes_take(&net.loop.pipes, &first));
    cr_assert_eq(write(first.in, "x", 1), 1);
    cv_pipes_give(&net.loop.pipes, &first, false);
    cr_assert(cv_pipes_take(&net.loop.pipes, &second));
    cr_assert_eq(read(second.out, &byte, 1), -1);
    cv_pipes_give(&net.loop.pipes, &second, true);
}

Test(pipe, neither_end_waits)
{
    struct cv_pipe pipe;
    char byte = 0;

    cr_assert(cv_pipes_take(&net.loop.pipes, &pipe));
    cr_assert_eq(read(pipe.out, &byte, 1), -1);
    while (write(pipe.in, &byte, 1) == 1)
        ;
    cv_pipes_give(&net.loop.pipes, &pipe, false);
}

Test(pipe, none_is_left_a_moment_after_the_last_use)
{
    struct cv_pipe pipe;
    int in, out;

    cr_assert(cv_pipes_take(&net.loop.pipes, &pipe));
    in = pipe.in;
    out = pipe.out;
    cv_pipes_give(&net.loop.pipes, &pipe, true);
    cr_assert(is_open(in));
    NET_UNTIL(&net, !is_open(in));
    cr_assert(!is_open(out));
    cr_assert_eq(net.loop.pipes.count, 0);
}

Test(pipe, so_many_are_lent_and_few_of_them_kept)
{
    struct cv_pipe pipes[CV_PIPES_MAX], none;

    for (int i = 0; i < CV_PIPES_MAX; i++)
        cr_assert(cv_pipes_take(&net.loop.pipes, &pipes[i]));
    cr_assert_not(cv_pipes_take(&net.loop.pipes, &none));
    for (int i = 0; i < CV_PIPES_MAX; i++)
        cv_pipes_give(&net.loop.pipes, &pipes[i], true);
    cr_assert_eq(net.loop.pipes.count, CV_PIPES_KEPT);
    cr_assert(cv_pipes_take(&net.loop.pipes, &none));
    cv_pipes_give(&net.loop.pipes, &none, true);
}

Test(pipe, there_is_none_without_descriptors)
{
    struct rlimit before, few;
    struct cv_pipe pipe;

    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &few);
    cr_assert_not(cv_pipes_take(&net.loop.pipes, &pipe));
    setrlimit(RLIMIT_NOFILE, &before);
    cr_assert(cv_pipes_take(&net.loop.pipes, &pipe));
    cv_pipes_give(&net.loop.pipes, &pipe, true);
}

Test(pipe, a_loop_of_somebody_else_s_lends_none)
{
    struct cv_pipes none = {0};
    struct cv_pipe pipe = {0};

    cr_assert_not(cv_pipes_take(&none, &pipe));
    cv_pipes_give(&none, &pipe, true);
}
