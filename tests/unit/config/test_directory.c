#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "config/directory.h"
#include "support/test_alloc.h"

static struct test_alloc memory;
static struct cv_arena arena;
static struct cv_redis_url url;
static struct cv_taking taking;

static void set_up(void)
{
    test_alloc_init(&memory);
    cv_arena_init(&arena, &memory.alloc);
}

static void tear_down(void)
{
    cv_arena_deinit(&arena);
    cr_assert_eq(memory.live, 0);
}

TestSuite(directory, .init = set_up, .fini = tear_down);

static int take(const char *text)
{
    taking = (struct cv_taking){.arena = &arena};
    return cv_take_redis_url(&taking, &url, text);
}

Test(directory, reads_a_url_of_redis)
{
    cr_assert_eq(take("redis://redis.test"), 0);
    cr_assert_str_eq(url.host, "redis.test");
    cr_assert_eq(url.port, CV_REDIS_PORT);
    cr_assert(!url.tls && !url.path && url.database == 0);
    cr_assert_eq(take("rediss://[fd00::1]:7000/15"), 0);
    cr_assert_str_eq(url.host, "fd00::1");
    cr_assert_eq(url.port, 7000);
    cr_assert(url.tls && url.database == CV_REDIS_DATABASE_MAX);
    cr_assert_eq(take("redis://127.0.0.1:1/"), 0);
    cr_assert_eq(url.port, 1);
    cr_assert_eq(take("redis://[::1]"), 0);
    cr_assert_str_eq(url.host, "::1");
    cr_assert_eq(take("unix:/run/redis@home.sock"), 0);
    cr_assert_str_eq(url.path, "/run/redis@home.sock");
}

Test(directory, refuses_what_is_no_url_of_redis)
{
    static const char *const bad[] = {"",
                                      "redis:",
                                      "redis://",
                                      "redis://:1",
                                      "redis://h:0",
                                      "redis://h:65536",
                                      "redis://h:x",
                                      "redis://h/16",
                                      "redis://h/x",
                                      "redis://h/1/2",
                                      "redis://h?db=1",
                                      "redis://[h]",
                                      "redis://a b",
                                      "http://h",
                                      "unix:"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(take(bad[i]), CV_ESYNTAX, "%s", bad[i]);
        cr_assert_not_null(taking.problem);
    }
}

Test(directory, shows_nothing_of_a_url_with_a_password)
{
    cr_assert_eq(take("redis://user:secret@h"), CV_ESYNTAX);
    cr_assert(taking.hide);
}
