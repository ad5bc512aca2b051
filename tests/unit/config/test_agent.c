#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/agent.h"
#include "support/test_alloc.h"
#include "words.h"

static struct test_alloc memory;
static struct cv_agent_config config;
static struct cv_config_error error;
static struct words words;
static struct cv_agent_surroundings surroundings;

static void set_up(void)
{
    test_alloc_init(&memory);
    memset(&config, 0, sizeof(config));
    config.common.arena.alloc = &memory.alloc;
    surroundings = (struct cv_agent_surroundings){.host_name = "box"};
}

static void tear_down(void)
{
    cv_agent_config_deinit(&config);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(agent, .init = set_up, .fini = tear_down);

static int load(const char *line)
{
    cv_agent_config_deinit(&config);
    words_split(&words, "culvert-agent", line);
    error.line[0] = '\0';
    return cv_agent_config_init(&config, &memory.alloc, &surroundings, words.argc, words.argv,
                                &error);
}

#define WS "--connect ws://h/connect "

static const char *const bad[][2] = {
    {"--id foo --no-such-flag", "culvert-agent: unknown flag: '--no-such-flag'"},
    {"--id foo", "culvert-agent: --connect: needed"},
    {"--connect http//x",
     "--connect: not a URL such as ws://HOST:PORT/connect or wss://HOST/connect: 'http//x'"},
    {"--connect http://x/", "--connect: not a URL"},
    {"--connect ws:/x", "--connect: not a URL"},
    {"--connect ws://", "--connect: the URL has no valid HOST"},
    {"--connect ws:///connect", "--connect: the URL has no valid HOST"},
    {"--connect ws://:80/", "--connect: the URL has no valid HOST"},
    {"--connect ws://h:0/", "--connect: the URL has no valid HOST"},
    {"--connect ws://h:65536/", "--connect: the URL has no valid HOST"},
    {"--connect ws://h:/", "--connect: the URL has no valid HOST"},
    {"--connect ws://::1/", "--connect: the URL has no valid HOST"},
    {"--connect ws://[::1/", "--connect: the URL has no valid HOST"},
    {"--connect ws://[::1]x/", "--connect: the URL has no valid HOST"},
    {"--connect ws://[h]/", "--connect: the URL has no valid HOST"},
    {"--connect ws://h/a\tb", "--connect: a URL holds no blanks"},
    {"--connect ws://h\xc3\xa4/", "--connect: a URL holds no blanks"},
    {"--connect ws://user:SECRET@h/", "--connect: no user or password in a URL"},
    {"--connect wss//user:SECRET@h/", "--connect: not a URL"},
    {"--connect ws://h/connect?token=SECRET", "--connect: no query in a URL"},
    {"--connect ws://h/connect#SECRET", "--connect: no query in a URL"},
    {WS "--id a/b",
     "--id: not a client key: 1 to 79 bytes of A-Z a-z 0-9 . _ @ = + - are allowed: 'a/b'"},
    {WS "--id a::b", "--id: not a client key"},
    {WS "--id=", "--id: not a client key"},
    {WS "--allow 127.0.0.1:notaport", "--allow: the port is not a number from 1 to 65535, a range "
                                      "8000-8100 or *: '127.0.0.1:notaport'"},
    {WS "--allow 10.0.0.1/8:1", "--allow: the network has bits"},
    {WS "--allow x", "--allow: needs the form HOST:PORT"},
    {WS "--publish tcp:8022",
     "--publish: needs the form tcp:PORT=HOST:PORT or http:NAME=HOST:PORT"},
    {WS "--publish tcp:0=h:1", "--publish: behind tcp: stands no port"},
    {WS "--publish http:a=127.1:80", "--publish: the host looks like an address but is none"},
    {WS "--publish tcp:1=h:1 --publish tcp:1=h:2", "--publish: this is published already"},
    {WS "--header x-culvert-publish:SECRET", "--header: X-Culvert-Publish is set by --publish"},
    {WS "--header SECRET", "--header: needs the form 'Name: value'"},
    {WS "--header :SECRET", "--header: needs the form"},
    {WS "--header a\tb:SECRET", "--header: needs the form"},
    {WS "--header X:SECRET\r\nY:1", "--header: the value of a header holds no control bytes"},
    {WS "--header X:SECRET\x7f", "--header: the value of a header holds no control bytes"},
    {WS "--header authorization:SECRET", "--header: Authorization is set by --token-file"},
    {WS "--header x-tunnel-id:SECRET", "--header: X-Tunnel-ID is set by --id"},
    {WS "--header sec-websocket-key:SECRET", "--header: the handshake sets"},
    {WS "--header HOST:SECRET", "--header: the handshake sets"},
    {WS "--header Connection:SECRET", "--header: the handshake sets"},
    {WS "--serve=", "--serve: is empty"},
    {WS "--cert c", "--cert: needs --key"},
    {WS "--key k", "--key: needs --cert"},
    {WS "--tls-server-name a/b", "--tls-server-name: neither a name nor an address"},
    {WS "--proxy h:3128", "--proxy: not a URL"},
    {WS "--proxy ftp://h:3128", "--proxy: not http, https"},
    {WS "--proxy http://u:SECRET@h:3128", "--proxy: no user or password in a URL"},
    {WS "--proxy-auth-file /nowhere/auth", "/nowhere/auth: "},
    {WS "--proxy http://h:3128/x", "--proxy: the URL of a proxy has no path"},
    {WS "--proxy http://h:x", "--proxy: the URL has no valid HOST"},
    {WS "--insecure=maybe", "--insecure: neither true nor false"},
    {WS "--token-file /nowhere/absent", "culvert-agent: /nowhere/absent: No such file"},
    {WS "--discover-timeout 0", "--discover-timeout: out of range"},
    {WS "--discover-timeout 30m", "--discover-timeout: not a number of seconds"},
    {WS "--discover-interface a:b", "--discover-interface: not the name of an interface"},
    {WS "--log-level", "--log-level: needs a value"},
};

Test(agent, refuses_bad_flags_with_one_line_that_names_them_and_shows_no_secret)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_lt(load(bad[i][0]), 0, "%s", bad[i][0]);
        cr_assert_not_null(strstr(error.line, bad[i][1]), "%s: %s", bad[i][0], error.line);
        cr_assert_null(strpbrk(error.line, "\n\r\t"), "%s", error.line);
        cr_assert_null(strstr(error.line, "SECRET"), "%s", error.line);
    }
}

Test(agent, reads_urls)
{
    static const struct {
        const char *text, *host, *target;
        uint16_t port;
        bool tls;
    } known[] = {
        {"ws://h", "h", "/connect", 80, false},
        {"wss://h", "h", "/connect", 443, true},
        {"WSS://h.example.:8443", "h.example.", "/connect", 8443, true},
        {"ws://127.0.0.1:8123/connect", "127.0.0.1", "/connect", 8123, false},
        {"ws://[::1]/", "::1", "/", 80, false},
        {"ws://[::1]:65535/a/b@c", "::1", "/a/b@c", 65535, false},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        char line[200];

        snprintf(line, sizeof(line), "--connect %s", known[i].text);
        cr_assert_eq(load(line), 0, "%s", error.line);
        cr_assert_str_eq(config.connects.at[0].host, known[i].host);
        cr_assert_str_eq(config.connects.at[0].target, known[i].target);
        cr_assert_eq(config.connects.at[0].port, known[i].port);
        cr_assert_eq(config.connects.at[0].tls, known[i].tls);
        cr_assert_str_eq(config.connects.at[0].text, known[i].text);
    }
}

Test(agent, takes_every_flag)
{
    cr_assert_eq(
        load("--connect ws://a --connect wss://b --id foo --header X-A:\t1\t --header X-B: "
             "--allow 127.0.0.1:22 --allow unix//run/x --serve dir --ca ca --cert c --key k "
             "--insecure --tls-server-name n.example --proxy socks5h://p:1080"),
        0, "%s", error.line);
    cr_assert_eq(config.connects.count, 2);
    cr_assert_str_eq(config.id, "foo");
    cr_assert_eq(config.headers.count, 2);
    cr_assert_str_eq(config.headers.at[0].name, "X-A");
    cr_assert_str_eq(config.headers.at[0].value, "1");
    cr_assert_str_eq(config.headers.at[1].value, "");
    cr_assert_eq(config.allows.count, 2);
    cr_assert_eq(config.allows.at[1].kind, CV_PATTERN_PATH);
    cr_assert_str_eq(config.serve, "dir");
    cr_assert_str_eq(config.outward.ca, "ca");
    cr_assert_str_eq(config.outward.cert, "c");
    cr_assert_str_eq(config.outward.key, "k");
    cr_assert(config.outward.insecure);
    cr_assert_str_eq(config.outward.tls_server_name, "n.example");
    cr_assert_str_eq(config.outward.proxy, "socks5h://p:1080");
    cr_assert_null(config.outward.token);
}

Test(agent, is_named_after_the_host_by_default)
{
    cr_assert_eq(load(WS), 0);
    cr_assert_str_eq(config.id, "box");
    surroundings.host_name = "not a key";
    cr_assert_eq(load(WS), CV_ESYNTAX);
    cr_assert_not_null(
        strstr(error.line, "--id: needed, since the host name is not a client key: 'not a key'"));
    surroundings.host_name = NULL;
    cr_assert_eq(load(WS), CV_ESYNTAX);
    cr_assert_eq(load(WS "--id foo"), 0);
}

Test(agent, takes_the_token_of_the_environment_and_never_shows_it)
{
    surroundings.token = "cvt_abc";
    cr_assert_eq(load(WS), 0);
    cr_assert_str_eq(config.outward.token, "cvt_abc");
    surroundings.token = "SECRET with blanks";
    cr_assert_eq(load(WS), CV_ESYNTAX);
    cr_assert_not_null(strstr(error.line, "CULVERT_TOKEN"));
    cr_assert_null(strstr(error.line, "SECRET"));
    surroundings.token = "";
    cr_assert_eq(load(WS), 0);
    cr_assert_null(config.outward.token);
}

Test(agent, an_allocation_that_fails_is_said_and_leaves_nothing_behind)
{
    static const char line[] = WS "--header A:b --allow h:1 --allow h:2 --allow h:3";
    size_t calls;

    surroundings.token = "cvt_abc";
    cr_assert_eq(load(line), 0);
    calls = memory.calls;
    for (size_t n = 1; n <= calls; n++) {
        cv_agent_config_deinit(&config);
        test_alloc_init(&memory);
        memory.fail_at = n;
        cr_assert_eq(load(line), -ENOMEM, "call %zu", n);
        cr_assert_str_eq(error.line, "culvert-agent: out of memory");
        cv_agent_config_deinit(&config);
        cr_assert_eq(memory.live, 0, "call %zu", n);
    }
}

Test(agent, needs_no_url_when_it_is_to_find_one)
{
    cr_assert_eq(load("--id foo --discover"), 0, "%s", error.line);
    cr_assert(config.discover);
    cr_assert_not(config.discover_insecure);
    cr_assert_str_eq(config.discover_type, "urn:culvert-tunnel:device:TunnelServer:1");
    cr_assert_eq(config.discover_timeout, 30 * CV_SEC);
    cr_assert_eq(config.discover_interfaces.count, 0);
    cr_assert_eq(load("--id foo --discover --discover-type u:t --discover-timeout 5s "
                      "--discover-interface eth0 --discover-insecure"),
                 0, "%s", error.line);
    cr_assert(config.discover_insecure);
    cr_assert_str_eq(config.discover_type, "u:t");
    cr_assert_eq(config.discover_timeout, 5 * CV_SEC);
    cr_assert_str_eq(config.discover_interfaces.at[0], "eth0");
}

Test(agent, a_publication_is_kept_with_its_target_as_a_pattern)
{
    cr_assert_eq(load(WS "--publish tcp:8022=127.0.0.1:22 --publish http:a.example=[fd00::1]:80"),
                 0, "%s", error.line);
    cr_assert_eq(config.publishes.count, 2);
    cr_assert_str_eq(config.publishes.at[0].text, "tcp:8022=127.0.0.1:22");
    cr_assert_eq(config.publishes.at[0].asked.port, 8022);
    cr_assert(config.publishes.at[1].asked.http);
    cr_assert_eq(config.publishes.targets.count, 2);
    cr_assert_eq(config.publishes.targets.at[0].kind, CV_PATTERN_ADDRESS);
    cr_assert_eq(config.publishes.targets.at[1].port_low, 80);
    cr_assert_eq(config.allows.count, 0, "the default of --allow stays");
}

Test(agent, publishes_16_things_and_not_one_more)
{
    char line[2000] = WS;

    for (int i = 1; i <= CV_PUBLISH_MAX + 1; i++) {
        snprintf(line + strlen(line), sizeof(line) - strlen(line), " --publish tcp:%d=h:1", i);
        cr_assert_eq(load(line), i <= CV_PUBLISH_MAX ? 0 : CV_ESYNTAX, "%s", error.line);
    }
    cr_assert(strstr(error.line, "at most 16"));
}
