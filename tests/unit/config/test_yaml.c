#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "config/server.h"
#include "config/yaml.h"
#include "support/test_alloc.h"

static struct test_alloc memory;
static struct cv_server_config config;
static struct cv_config_error error;

static void set_up(void)
{
    test_alloc_init(&memory);
    memset(&config, 0, sizeof(config));
    config.common.arena.alloc = &memory.alloc;
}

static void tear_down(void)
{
    cv_server_config_deinit(&config);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(yaml, .init = set_up, .fini = tear_down);

static int load_bytes(const char *text, size_t len)
{
    cv_server_config_deinit(&config);
    error.line[0] = '\0';
    return cv_server_config_init_text(&config, &memory.alloc, "c.yaml", text, len, &error);
}

static int load(const char *text)
{
    return load_bytes(text, strlen(text));
}

#define OPEN "listen: ['127.0.0.1:1']\ninsecure-no-auth: true\n"

static const char *const bad[][2] = {
    {OPEN "log-levle: info\n", "culvert-server: c.yaml:3: log-levle: unknown key"},
    {"log-levle: info\n" OPEN, "c.yaml:1: log-levle: unknown key"},
    {OPEN "\n\nlog-levle:\n  - a\n  - b\n", "c.yaml:5: log-levle: unknown key"},
    {OPEN "config: x\n", "c.yaml:3: config: unknown key"},
    {OPEN "check: true\n", "c.yaml:3: check: unknown key"},
    {OPEN "help: true\n", "c.yaml:3: help: unknown key"},
    {OPEN "<<: x\n", "c.yaml:3: <<: unknown key"},
    {OPEN "\"a\\nb\": x\n", "c.yaml:3: a\\x0ab: "},
    {"listen: [\n", "c.yaml:2: listen: did not find"},
    {OPEN "log-level: [info\n", "c.yaml:4: log-level: "},
    {OPEN "log-level: 'info\n", "c.yaml:"},
    {OPEN "\tlog-level: info\n", "c.yaml:3: "},
    {OPEN " log-level: info\n", "c.yaml:3: "},
    {OPEN "log-level: info: debug\n", "c.yaml:3: "},
    {OPEN "log-level: \xff\n", "c.yaml:3: "},
    {OPEN "log-level: a\x01\n", "c.yaml:3: "},
    {OPEN "log-level: \"a\\0b\"\n", "c.yaml:3: log-level: the value holds a NUL byte"},
    {OPEN "max-conns: many\n", "c.yaml:3: max-conns: not a number: 'many'"},
    {OPEN "max-conns:\n  many\n", "c.yaml:4: max-conns: not a number: 'many'"},
    {OPEN "max-conns:\n", "c.yaml:3: max-conns: not a number: ''"},
    {OPEN "max-conns: [1]\n", "c.yaml:3: max-conns: must be one plain value"},
    {OPEN "max-conns: {a: 1}\n", "c.yaml:3: max-conns: neither a plain value nor a list"},
    {OPEN "max-conns: 5\n\nmax-conns: 6\n", "c.yaml:5: max-conns: stands there twice"},
    {"listen: 127.0.0.1:1\ninsecure-no-auth: true\n", "c.yaml:1: listen: must be a list"},
    {"insecure-no-auth: true\nlisten:\n", "c.yaml:2: listen: must be a list"},
    {"listen:\n - ':1'\n - nonsense\ninsecure-no-auth: true\n", "c.yaml:3: listen: needs the form"},
    {"listen: [':1',\n\n  nonsense]\ninsecure-no-auth: true\n", "c.yaml:3: listen: needs the form"},
    {"listen:\n - ':1'\n - 127.0.0.1:99999\ninsecure-no-auth: true\n",
     "c.yaml:3: listen: the port"},
    {"listen:\n - [':1']\n", "c.yaml:2: listen: neither a plain value nor a list"},
    {"listen:\n - a: b\n", "c.yaml:2: listen: a mapping in a list holds the list's own key"},
    {"listen:\n - &a ':1'\n - *a\n", "c.yaml:3: listen: aliases are not supported"},
    {"listen:\n - {listen: ':1', foo: x}\n", "c.yaml:2: listen: a mapping in a list holds"},
    {"listen:\n - {proxy-protocol: true}\n", "c.yaml:2: listen: a mapping in a list needs"},
    {"listen:\n - {listen: ':1', listen: ':2'}\n", "c.yaml:2: listen: the list's own key stands"},
    {"listen:\n - {listen: [':1']}\n", "c.yaml:2: listen: neither a plain value"},
    {"listen:\n - {listen: *a}\n", "c.yaml:2: listen: aliases are not supported"},
    {"listen:\n - {[a]: b}\n", "c.yaml:2: listen: neither a plain value"},
    {"listen:\n - {listen: ':1', proxy-protocol: \"a\\0b\"}\n",
     "c.yaml:2: listen: the value holds"},
    {OPEN "forward:\n - {forward: ':1=foo/h:1', send-proxy: v3}\n",
     "c.yaml:4: forward: send-proxy is v1 or v2: ':1=foo/h:1,send-proxy=v3'"},
    {OPEN "admin:\n - {admin: '127.0.0.1:1', proxy-protocol: true}\n",
     "c.yaml:4: admin: neither a plain value nor a list"},
    {OPEN "socks:\n - {socks: ':1'}\nsocks: []\n", "c.yaml:5: socks: stands there twice"},
    {OPEN "socks:\n - {socks: ':1'}\nlog-levle: info\n", "c.yaml:5: log-levle: unknown key"},
    {OPEN "socks:\n - {socks: ':1'}\nmax-conns: [1]\n", "c.yaml:5: max-conns: must be one plain"},
    {"listen: ':1'\nsocks:\n - {socks: ':1'}\n", "c.yaml:1: listen: must be a list"},
    {"*a : b\n", "c.yaml:1: not the name of an option"},
    {"? [a]\n: b\n", "c.yaml:1: not the name of an option"},
    {"? ''\n: b\n", "c.yaml:1: not the name of an option"},
    {"- a\n", "c.yaml:1: not a mapping"},
    {"text\n", "c.yaml:1: not a mapping"},
    {OPEN "---\nlog-level: info\n", "c.yaml:3: a second document"},
    {OPEN "forward:\n  - 127.0.0.1:1=foo\n", "c.yaml:4: forward: needs the form"},
    {OPEN "insecure-no-auth: yes\n", "c.yaml:3: insecure-no-auth: stands there twice"},
    {"listen: [':1']\ninsecure-no-auth: yes\n",
     "c.yaml:2: insecure-no-auth: neither true nor false"},
    {OPEN "token-file: t\n", "c.yaml:2: insecure-no-auth: contradicts"},
    {OPEN "tls-cert: t\n", "c.yaml:3: tls-cert: needs --tls-key"},
    {"", "--listen: needed"},
    {"# nothing\n", "--listen: needed"},
    {"---\n", "--listen: needed"},
    {"{}\n", "--listen: needed"},
    {"listen: []\n", "--listen: needed"},
};

Test(yaml, refuses_bad_files_with_one_line_that_names_file_line_and_key)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(load(bad[i][0]), CV_ESYNTAX, "%s", bad[i][0]);
        cr_assert_not_null(strstr(error.line, bad[i][1]), "%s: %s", bad[i][0], error.line);
        cr_assert_eq(strncmp(error.line, "culvert-server: ", 16), 0, "%s", error.line);
        cr_assert_null(strpbrk(error.line, "\n\r\t"), "%s", error.line);
    }
}

Test(yaml, takes_every_key)
{
    cr_assert_eq(
        load("# all\nlisten:\n  - 127.0.0.1:8123\n  - '[::1]:0'\nforward: "
             "['unix:f=foo/unix//run/y']\n"
             "token-file: \"t u\"\ntls-cert: c\ntls-key: k\nmax-sessions: 1\nmax-conns: 2\n"
             "max-conns-per-session: 3\nbuffer-budget: 2G\nlog-level: warn\nlog-format: json\n"
             "drain-timeout: 5\ninsecure-no-auth: false\n"),
        0, "%s", error.line);
    cr_assert_eq(config.listens.count, 2);
    cr_assert_str_eq(config.listens.at[1].address, "[::1]:0");
    cr_assert_eq(config.forwards.count, 1);
    cr_assert_str_eq(config.token_file, "t u");
    cr_assert_eq(config.limits.max_conns_per_session, 3);
    cr_assert_eq(config.limits.buffer_budget, UINT64_C(2) << 30);
    cr_assert_eq(config.common.log_level, CV_LOG_WARN);
    cr_assert_eq(config.drain_timeout, 5 * CV_SEC);
    cr_assert_not(config.insecure_no_auth);
}

#define MAPPED                                                                      \
    "listen:\n - ':1'\n - listen: ':2'\n   proxy-protocol: true # behind a proxy\n" \
    "advertise: []\nforward:\n"                                                     \
    " - {send-proxy: v2, forward: ':3=foo/unix//a\\\"b', proxy-protocol: 'true'}\n" \
    " - \":4=foo/unix//a\\\\\\\"\\x01\\x7f\\u2028\\U0001f600\u00e9\"\n"             \
    "insecure-no-auth: true\n"                                                      \
    "socks: [{socks: ':5', proxy-protocol: false}]\nmax-conns: 7\n"

Test(yaml, an_item_may_be_a_mapping_of_the_value_and_its_suffixes)
{
    cr_assert_eq(load(MAPPED), 0, "%s", error.line);
    cr_assert_eq(config.listens.count, 2);
    cr_assert_not(config.listens.at[0].proxy_protocol);
    cr_assert(config.listens.at[1].proxy_protocol);
    cr_assert_str_eq(config.listens.at[1].address, ":2");
    cr_assert_eq(config.forwards.count, 2);
    cr_assert_eq(config.forwards.at[0].send_proxy, 2);
    cr_assert(config.forwards.at[0].proxy_protocol);
    cr_assert_str_eq(config.forwards.at[0].address, "/a\\\"b");
    cr_assert_eq(config.forwards.at[1].send_proxy, 0);
    cr_assert_str_eq(config.forwards.at[1].address, "/a\\\"\x01\x7f\u2028\U0001f600\u00e9");
    cr_assert_eq(config.socks.count, 1);
    cr_assert_not(config.socks.at[0].proxy_protocol);
    cr_assert_eq(config.limits.max_conns, 7);
    cr_assert_eq(config.advertise.count, 0);
}

Test(yaml, limits_the_items_of_a_list)
{
    static char text[16 * (CV_CONFIG_VALUES_MAX + 8)];

    for (size_t n = CV_CONFIG_VALUES_MAX; n <= CV_CONFIG_VALUES_MAX + 1; n++) {
        size_t at = (size_t)sprintf(text, "insecure-no-auth: true\nlisten:\n");

        for (size_t i = 0; i < n; i++)
            at += (size_t)sprintf(text + at, " - ':1'\n");
        cr_assert_eq(load(text), n == CV_CONFIG_VALUES_MAX ? 0 : CV_ESYNTAX);
    }
    cr_assert_not_null(strstr(error.line, "listen: given more than 10000 times"), "%s", error.line);
}

Test(yaml, is_refused_or_read_at_every_cut)
{
    static const char text[] = OPEN "forward:\n - :1=foo/h:1\nlog-level: \"debug\"\n";

    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = malloc(len ? len : 1);

        memcpy(copy, text, len);
        (void)!load_bytes(copy, len);
        free(copy);
    }
    cr_assert_eq(load(text), 0);
}

Test(yaml, an_allocation_that_fails_is_said_and_leaves_nothing_behind)
{
    static const char text[] = OPEN "forward:\n - {forward: ':1=foo/h:1', send-proxy: v1}\n"
                                    "log-level: debug\n";
    size_t calls;

    cr_assert_eq(load(text), 0);
    calls = memory.calls;
    for (size_t n = 1; n <= calls; n++) {
        cv_server_config_deinit(&config);
        test_alloc_init(&memory);
        memory.fail_at = n;
        cr_assert_eq(load(text), -ENOMEM, "call %zu", n);
        cr_assert_str_eq(error.line, "culvert-server: out of memory");
        cv_server_config_deinit(&config);
        cr_assert_eq(memory.live, 0, "call %zu", n);
    }
}

/* A file on disk, and flags that win over it. */
Test(yaml, a_flag_wins_over_the_file)
{
    char path[] = "/tmp/culvert-test-XXXXXX";
    int fd = mkstemp(path);
    const char *argv[] = {"culvert-server", "--config", path, "--max-conns", "7", "--listen", ":9"};
    static const char text[] = "listen: [':1', ':2']\ninsecure-no-auth: true\nmax-conns: 5\n"
                               "max-sessions: 6\n";

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    cr_assert_eq(cv_server_config_init(&config, &memory.alloc, 7, argv, &error), 0, "%s",
                 error.line);
    cr_assert_eq(config.limits.max_conns, 7);
    cr_assert_eq(config.limits.max_sessions, 6);
    cr_assert_eq(config.listens.count, 1, "a list of flags replaces the file's");
    cr_assert_str_eq(config.listens.at[0].address, ":9");
    cv_server_config_deinit(&config);
    cr_assert_eq(truncate(path, (off_t)CV_CONFIG_FILE_MAX + 1), 0);
    cr_assert_eq(cv_server_config_init(&config, &memory.alloc, 3, argv, &error), CV_ESYNTAX);
    cr_assert_not_null(strstr(error.line, "too large"), "%s", error.line);
    unlink(path);
}
