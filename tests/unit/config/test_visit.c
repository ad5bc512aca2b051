#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "config/visit.h"
#include "support/test_alloc.h"
#include "words.h"

static struct test_alloc memory;
static struct cv_visit_config config;
static struct cv_config_error error;
static struct words words;

static void set_up(void)
{
    test_alloc_init(&memory);
    memset(&config, 0, sizeof(config));
    config.common.arena.alloc = &memory.alloc;
}

static void tear_down(void)
{
    cv_visit_config_deinit(&config);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(visit, .init = set_up, .fini = tear_down);

static int load(const struct cv_program *program, const char *line)
{
    cv_visit_config_deinit(&config);
    words_split(&words, program->name, line);
    error.line[0] = '\0';
    return cv_visit_config_init(&config, program, &memory.alloc, "cvt_abc", words.argc, words.argv,
                                &error);
}

#define WS "--server ws://h/connect "

Test(visit, a_destination_is_one_word_or_two_wherever_they_stand)
{
    static const struct {
        const char *line, *client, *address;
        enum cv_proto proto;
    } known[] = {
        {WS "foo/h:22", "foo", "h:22", CV_PROTO_TCP},
        {"foo/tcp/[::1]:22 " WS, "foo", "[::1]:22", CV_PROTO_TCP},
        {"foo " WS "h:22", "foo", "h:22", CV_PROTO_TCP},
        {WS "a.b@c unix//run/x", "a.b@c", "/run/x", CV_PROTO_UNIX},
        {WS "foo/unix//run/x", "foo", "/run/x", CV_PROTO_UNIX},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        cr_assert_eq(load(&cv_connect_program, known[i].line), 0, "%s", error.line);
        cr_assert_str_eq(config.destination.client, known[i].client);
        cr_assert_str_eq(config.destination.address, known[i].address);
        cr_assert_eq(config.destination.proto, known[i].proto);
        cr_assert_str_eq(config.servers.at[0].target, "/connect");
        cr_assert_str_eq(config.outward.token, "cvt_abc");
    }
}

Test(visit, of_several_servers_the_last_one_holds)
{
    cr_assert_eq(load(&cv_connect_program, WS "foo/h:1 --server wss://last"), 0);
    cr_assert_eq(config.servers.count, 1);
    cr_assert_str_eq(config.servers.at[0].host, "last");
}

Test(visit, forwards_are_words)
{
    cr_assert_eq(load(&cv_forward_program, WS ":1=foo/h:2 unix:/x=bar/unix//y"), 0, "%s",
                 error.line);
    cr_assert_eq(config.forwards.count, 2);
    cr_assert_str_eq(config.forwards.at[0].listen, ":1");
    cr_assert_str_eq(config.forwards.at[1].address, "/y");
    cr_assert_eq(load(&cv_forward_program, WS ":8000-8009=foo/h:9000-9009"), 0, "%s", error.line);
    cr_assert_eq(config.forwards.count, 10);
}

static const char *const bad[][2] = {
    {WS, "culvertctl: connect: say what to reach: CLIENT/HOST:PORT"},
    {WS "foo", "culvertctl: connect: say what to reach: CLIENT/HOST:PORT: 'foo'"},
    {WS "foo/h", "culvertctl: connect: needs the form HOST:PORT: 'foo/h'"},
    {WS "/h:1", "not a client key"},
    {WS "foo h", "needs the form HOST:PORT: 'h'"},
    {WS "foo/udp/h:1", "datagrams need a forward"},
    {WS "foo/h:1 x", "one destination is enough: 'x'"},
    {"foo/h:1", "--server: needed, such as --server wss://HOST/connect, or CULVERT_SERVER"},
    {WS "foo/h:1 --key k", "--key: needs --cert"},
    {WS "foo/h:1 --config f", "unknown flag: '--config'"},
    {WS "--destination foo/h:1", "unknown flag: '--destination'"},
    {WS "foo/h:1 --token=SECRET", "unknown flag: '--token'"},
};

Test(visit, refuses_what_says_nothing_sensible)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_lt(load(&cv_connect_program, bad[i][0]), 0, "%s", bad[i][0]);
        cr_assert_not_null(strstr(error.line, bad[i][1]), "%s: %s", bad[i][0], error.line);
        cr_assert_null(strstr(error.line, "SECRET"), "%s", error.line);
    }
    cr_assert_lt(load(&cv_forward_program, WS), 0);
    cr_assert_not_null(strstr(error.line, "culvertctl: forward: say what to forward"));
}

Test(visit, an_allocation_that_fails_is_said_and_leaves_nothing_behind)
{
    static const char line[] = WS "foo h:1 --ca x";
    size_t calls;

    cr_assert_eq(load(&cv_connect_program, line), 0);
    calls = memory.calls;
    for (size_t n = 1; n <= calls; n++) {
        cv_visit_config_deinit(&config);
        test_alloc_init(&memory);
        memory.fail_at = n;
        cr_assert_eq(load(&cv_connect_program, line), -ENOMEM, "call %zu", n);
        cr_assert_str_eq(error.line, "culvertctl: connect: out of memory");
        cv_visit_config_deinit(&config);
        cr_assert_eq(memory.live, 0, "call %zu", n);
    }
}
