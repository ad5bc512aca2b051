/* One scenario with everything in it, run again and again with the n-th allocation failing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

#define KIB ((size_t)1024)

static struct end end;
static struct cv_budget process;

/* A failure may be one for memory, or an answer that follows from one; nothing else. */
static void ordinary(int rc)
{
    cr_assert(rc >= 0 || rc == -ENOMEM || rc == CV_ESTALE, "%d", rc);
}

static void theirs(int64_t id)
{
    ordinary(end_hear(&end, CV_FRAME_CONNECT, id, "tcp/a:1"));
    ordinary(end_hear_data(&end, id, 3 * KIB)); /* stored while dialling */
    ordinary(cv_session_accept(end.session, id));
    end_drain(&end, id, KIB);
    ordinary(end_hear_data(&end, id, 9 * KIB));
}

static void ours(void)
{
    int64_t id = end_dial(&end);

    ordinary((int)id);
    if (id < 0)
        return;
    ordinary(end_hear(&end, CV_FRAME_CONNECTED, id, ""));
    ordinary(end_hear_data(&end, id, 5 * KIB));
    if (cv_session_set_user(end.session, id, NULL) == 0)
        end_source(&end, id, 100 * KIB);
    end_says(&end);
    ordinary(cv_session_finish(end.session, id));
}

static void scenario(void)
{
    end.takes = 100;
    ours();
    theirs(2);
    theirs(4);
    ours();
    ordinary(cv_session_announce(end.session, true, "foo", 1));
    ordinary(end_hear(&end, CV_FRAME_DATA, 99, "stray"));
    cv_session_heard(end.session, END_START + CV_SYNC_EVERY);
    cr_assert_eq(end_tick(&end, END_START + CV_SYNC_EVERY), 0);
    end_says(&end);
    ordinary(end_hear(&end, CV_FRAME_ERROR, 2, "connection reset by peer"));
    end_drain(&end, 2, END_EVERYTHING);
    ordinary(cv_session_abort(end.session, 4, CV_REASON_LOCAL, "broken pipe"));
    end.events[0] = end.frames[0] = '\0';
    end_says(&end);
    end_hear(&end, CV_FRAME_CLOSE_WRITE, 1, "");
    cv_session_cut(end.session);
    for (int64_t id = 1; id <= 4; id++)
        end_drain(&end, id, END_EVERYTHING);
    end_tells(&end);
}

/* Each connection that was opened was closed once, and nothing is held. */
static void check_end(void)
{
    const struct cv_session_stats *stats = cv_session_stats(end.session);
    uint64_t closed = 0;

    for (int i = 0; i < CV_REASON_COUNT; i++)
        closed += stats->closed[i];
    cr_assert_eq(closed, stats->opened);
    cr_assert_eq(stats->closed[CV_REASON_NONE], 0);
    cr_assert_eq(cv_session_conns(end.session), 0);
    cr_assert_eq(cv_session_buffered(end.session), 0);
    cr_assert_eq(process.used, 0);
}

static size_t run(unsigned features, size_t fail_at)
{
    struct cv_session_config config = end_culvert(CV_SESSION_DIALLER, features);

    config.culvert = features != 0;
    config.parent = &process;
    process = (struct cv_budget){.limit = KIB * KIB};
    if (!end_init_failing(&end, &config, fail_at)) {
        cr_assert_eq(end.ta.live, 0);
        return end.ta.calls;
    }
    scenario();
    check_end();
    end_deinit(&end);
    return end.ta.calls;
}

static void run_failing_each(unsigned features)
{
    size_t calls = run(features, 0);

    cr_assert_gt(calls, 15);
    for (size_t n = 1; n <= calls + 1; n++)
        run(features, n);
}

Test(memory, each_allocation_may_fail_between_culvert_ends)
{
    run_failing_each(END_ALL);
}

Test(memory, each_allocation_may_fail_with_a_reference_end)
{
    run_failing_each(0);
}

Test(memory, a_dial_without_memory_leaves_no_trace)
{
    struct cv_session_config config = end_culvert(CV_SESSION_DIALLER, END_ALL);
    int64_t id = -1;
    size_t n = 0;

    while (id < 0) {
        cr_assert(end_init_failing(&end, &config, 0));
        end.ta.fail_at = end.ta.calls + ++n;
        id = end_dial(&end);
        if (id < 0) {
            cr_assert_eq(id, -ENOMEM);
            cr_assert_eq(cv_session_conns(end.session), 0);
            cr_assert_str_eq(end_says(&end), "");
            cr_assert_eq(end_dial(&end), 1);
        }
        end_deinit(&end);
    }
    cr_assert_gt(n, 2);
}

Test(memory, a_connect_without_memory_is_answered)
{
    struct cv_session_config config = end_culvert(CV_SESSION_DIALLER, END_ALL);

    end_init(&end, &config);
    end.ta.fail_at = end.ta.calls + 1;
    cr_assert_eq(end_hear(&end, CV_FRAME_CONNECT, 2, "tcp/a:1"), 0);
    cr_assert_str_eq(end_says(&end), "Error 2 out of memory");
    end_deinit(&end);
}

Test(memory, an_idle_connection_holds_no_buffer)
{
    struct cv_session_config config = end_culvert(CV_SESSION_ACCEPTOR, END_ALL);
    size_t before;

    end_init(&end, &config);
    end_dial(&end);
    end_says(&end);
    before = end.ta.bytes;
    end.takes = 0;
    cr_assert_eq(end_hear_data(&end, 2, 100 * KIB), 0);
    end_drain(&end, 2, END_EVERYTHING);
    cr_assert_eq(end.ta.bytes, before);
    end_deinit(&end);
}
