#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/server.h"
#include "support/test_alloc.h"
#include "words.h"

static struct test_alloc memory;
static struct cv_server_config config;
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
    cv_server_config_deinit(&config);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(server, .init = set_up, .fini = tear_down);

static int load(const char *line)
{
    cv_server_config_deinit(&config);
    words_split(&words, "culvert-server", line);
    error.line[0] = '\0';
    return cv_server_config_init(&config, &memory.alloc, words.argc, words.argv, &error);
}

#define OPEN "--listen 127.0.0.1:1 --insecure-no-auth "
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 64 bytes */

/* What each line of flags ends with: the whole message, or the part that matters. */
static const char *const bad[][2] = {
    {"", "culvert-server: --listen: needed"},
    {"--listen 127.0.0.1:1", "culvert-server: --token-file: needed, or --insecure-no-auth"},
    {"--insecure-no-auth", "--listen: needed"},
    {OPEN "--no-such-flag", "culvert-server: unknown flag: '--no-such-flag'"},
    {OPEN "--no-such-flag=secret", "unknown flag: '--no-such-flag' "},
    {OPEN "--list", "unknown flag: '--list'"},
    {OPEN "--LISTEN x", "unknown flag"},
    {OPEN "-l", "unexpected argument: '-l'"},
    {OPEN "stray", "unexpected argument: 'stray'"},
    {OPEN "--", "unexpected argument: '--'"},
    {OPEN "--\tx", "unknown flag: '-- x'"},
    {OPEN "--a\nb", "unknown flag: '--a\\x0ab'"},
    {OPEN "--log-level", "culvert-server: --log-level: needs a value: LEVEL"},
    {OPEN "--log-level loud", "--log-level: not error, warn, info or debug: 'loud'"},
    {OPEN "--log-level=", "--log-level: not error"},
    {OPEN "--log-level INFO", "--log-level: not error"},
    {OPEN "--directory redis://h", "--directory: needs --peer-id besides"},
    {OPEN "--directory redis://h --peer-id a", "--directory: needs one --directory-url besides"},
    {OPEN "--directory redis://h --peer-id a --directory-url ws://a",
     "--directory: needs --directory-peer-token-file besides"},
    {OPEN "--directory redis://h --peer-id a --directory-url ws://a --directory-peer-token-file t "
          "--directory-ca c",
     "--directory-ca: is for rediss://"},
    {OPEN "--directory-url ws://a", "--directory-url: needs --directory besides"},
    {OPEN "--directory-ca c", "--directory-ca: needs --directory besides"},
    {OPEN "--directory-peer-token-file t", "needs --directory besides"},
    {OPEN "--directory-credentials-file t", "needs --directory besides"},
    {OPEN "--directory redis://u:p@h", "--directory: no user or password in a URL"},
    {OPEN "--peer b:t", "--peer: needs the form ID:TOKEN:URL"},
    {OPEN "--peer b/c:t:ws://h", "--peer: the ID is no client key"},
    {OPEN "--peer b:t,t:ws://h", "--peer: TOKEN is no token"},
    {OPEN "--rooms-demo", "--rooms-demo: needs --rooms besides"},
    {OPEN "--rooms-bye-url http://h", "--rooms-bye-url: needs --rooms besides"},
    {OPEN "--rooms :1 --rooms-bye-url ws://h",
     "--rooms-bye-url: not a URL such as http://HOST:PORT or https://HOST/PATH: 'ws://h'"},
    {OPEN "--rooms :1 --rooms-bye-url http://h?q", "--rooms-bye-url: no query in a URL"},
    {OPEN "--peer b:t:http://h", "--peer: not a URL such as ws://HOST:PORT/connect"},
    {OPEN "--peer b:t:ws://h --peer b:t:ws://i", "--peer: the ID of another peer"},
    {OPEN "--peer b:t:ws://h", "--peer: needs --peer-id besides"},
    {OPEN "--peers-file f", "--peers-file: needs --peer-id besides"},
    {OPEN "--peer b:t:ws://h --peer-id a", "--peer: needs --peer-token-file besides"},
    {OPEN "--peer b:t:ws://h --peer-id b --peer-token t", "--peer-id: is the ID of a --peer: 'b'"},
    {OPEN "--peer-token t --peer-token-file f", "--peer-token: contradicts --peer-token-file"},
    {OPEN "--balance fastest", "--balance: not newest, round-robin or least-conns: 'fastest'"},
    {OPEN "--balance foo=", "--balance: not newest, round-robin or least-conns: 'foo='"},
    {OPEN "--balance a/b=newest",
     "--balance: in front of the sign stands neither a client key nor"},
    {OPEN "--balance =newest", "--balance: in front of the sign stands neither a client key nor"},
    {OPEN "--balance a*=newest --balance a*=least-conns",
     "--balance: it is said already how these clients are balanced: 'a*=least-conns'"},
    {OPEN "--balance newest --balance *=newest", "--balance: it is said already"},
    {OPEN "--log-format xml", "--log-format: neither text nor json: 'xml'"},
    {OPEN "--listen nonsense", "--listen: needs the form HOST:PORT: 'nonsense'"},
    {OPEN "--listen 127.0.0.1:99999", "from 0 to 65535: '127.0.0.1:99999'"},
    {OPEN "--listen 127.0.0.1:65536", "from 0 to 65535"},
    {OPEN "--listen 127.0.0.1:", "from 0 to 65535"},
    {OPEN "--listen 127.0.0.1:-1", "from 0 to 65535"},
    {OPEN "--listen 127.0.0.1:0x50", "from 0 to 65535"},
    {OPEN "--listen 127.0.0.1:8\t", "from 0 to 65535"},
    {OPEN "--listen ::1:80", "[ADDRESS]:PORT"},
    {OPEN "--listen [::1]", "[ADDRESS]:PORT"},
    {OPEN "--listen [127.0.0.1]:80", "neither a name nor an address"},
    {OPEN "--listen []:80", "neither a name nor an address"},
    {OPEN "--listen a/b:80", "neither a name nor an address"},
    {OPEN "--listen unix:", "1 to 107 bytes"},
    {OPEN "--listen unix:" LONG LONG, "1 to 107 bytes"},
    {OPEN "--listen=", "HOST:PORT"},
    {OPEN "--socks 127.0.0.1", "--socks: needs the form HOST:PORT"},
    {OPEN "--socks 127.0.0.1:x", "--socks: the port is not"},
    {OPEN "--socks 127.0.0.1:1=", "--socks: not a client key"},
    {OPEN "--http-proxy 127.0.0.1:1=a/b", "--http-proxy: not a client key"},
    {OPEN "--forward 127.0.0.1:1=foo", "--forward: needs the form LISTEN=CLIENT/HOST:PORT"},
    {OPEN "--forward 127.0.0.1:1", "--forward: needs the form"},
    {OPEN "--forward 127.0.0.1:1=a::b/127.0.0.1:1", "--forward: not a client key"},
    {OPEN "--forward 127.0.0.1:1=/127.0.0.1:1", "--forward: not a client key"},
    {OPEN "--forward 127.0.0.1:1=" LONG LONG "/127.0.0.1:1", "--forward: not a client key"},
    {OPEN "--forward 127.0.0.1:x=foo/127.0.0.1:1", "--forward: the port is not a number from 0"},
    {OPEN "--forward =foo/127.0.0.1:1", "--forward: needs the form HOST:PORT"},
    {OPEN "--forward 127.0.0.1:1=foo/127.0.0.1:0", "--forward: the port is not a number from 1"},
    {OPEN "--forward 127.0.0.1:1=foo/127.0.0.1:1-2", "--forward: the port is not"},
    {OPEN "--forward 127.0.0.1:1-2=foo/127.0.0.1:1", "--forward: a range to listen at needs one"},
    {OPEN "--forward 127.0.0.1:1-2=foo/127.0.0.1:1-3", "--forward: the two ranges of ports are"},
    {OPEN "--forward 127.0.0.1:2-1=foo/127.0.0.1:2-1", "--forward: the two ranges of ports are"},
    {OPEN "--forward 127.0.0.1:0-1=foo/127.0.0.1:1-2", "--forward: the port is not a number from"},
    {OPEN "--forward :1-1025=foo/127.0.0.1:1-1025", "--forward: a range has at most 1024 ports"},
    {OPEN "--forward 127.0.0.1:1=foo/127.0.0.1", "--forward: needs the form HOST:PORT"},
    {OPEN "--forward 127.0.0.1:1=foo/:80", "--forward: the host is neither"},
    {OPEN "--forward unix:/x=foo/udp/127.0.0.1:53", "--forward: a udp/ target needs an address"},
    {OPEN "--forward 127.0.0.1:1=foo/unix/run/x", "--forward: the path of a socket is absolute"},
    {OPEN "--forward 127.0.0.1:1=foo/sctp/h:1", "--forward: the host is neither"},
    {OPEN "--listen :1,proxy-protocol=yes", "--listen: proxy-protocol is true or false"},
    {OPEN "--listen :1,proxy-protocol,proxy-protocol=false", "--listen: the same stands"},
    {OPEN "--listen :1,send-proxy=v2", "--listen: send-proxy is for forwards alone"},
    {OPEN "--listen :1,proxy", "--listen: the port is not a number"},
    {OPEN "--socks :1,send-proxy=v1", "--socks: send-proxy is for forwards alone"},
    {OPEN "--http-proxy :1=a,b,proxy-protocol", "--http-proxy: not a client key"},
    {OPEN "--admin 127.0.0.1:1,proxy-protocol", "--admin: the port is not a number"},
    {OPEN "--forward :1=foo/h:1,send-proxy", "--forward: send-proxy is v1 or v2"},
    {OPEN "--forward :1=foo/h:1,send-proxy=2", "--forward: send-proxy is v1 or v2"},
    {OPEN "--forward :1=foo/h:1,send-proxy=v1,send-proxy=v1", "--forward: the same stands"},
    {OPEN "--forward :1,send-proxy=v1=foo/h:1", "--forward: send-proxy "},
    {OPEN "--forward :1,proxy-protocol", "--forward: needs the form"},
    {OPEN "--forward :1,proxy=foo/h:1", "--forward: the port is not a number"},
    {OPEN "--forward :1=foo/udp/h:1,send-proxy=v2", "--forward: the PROXY protocol goes with"},
    {OPEN "--forward :1=foo/udp/h:1,proxy-protocol", "--forward: the PROXY protocol goes with"},
    {OPEN "--max-conns many", "--max-conns: not a number: 'many'"},
    {OPEN "--max-conns 0", "--max-conns: out of range: '0'"},
    {OPEN "--max-conns -1", "--max-conns: not a number"},
    {OPEN "--max-conns 1000001", "--max-conns: out of range"},
    {OPEN "--max-conns 1e3", "--max-conns: not a number"},
    {OPEN "--max-conns 99999999999999999999", "--max-conns: not a number"},
    {OPEN "--max-conns=", "--max-conns: not a number"},
    {OPEN "--max-sessions 0", "--max-sessions: out of range"},
    {OPEN "--max-conns-per-session 2.5", "--max-conns-per-session: not a number"},
    {OPEN "--buffer-budget lots", "--buffer-budget: not a number of bytes"},
    {OPEN "--buffer-budget 1", "--buffer-budget: out of range"},
    {OPEN "--buffer-budget 1048575", "--buffer-budget: out of range"},
    {OPEN "--buffer-budget 1025G", "--buffer-budget: out of range"},
    {OPEN "--buffer-budget 9223372036854775807G", "--buffer-budget: out of range"},
    {OPEN "--buffer-budget 5T", "--buffer-budget: not a number"},
    {OPEN "--buffer-budget M", "--buffer-budget: not a number"},
    {OPEN "--buffer-budget 1MM", "--buffer-budget: not a number"},
    {OPEN "--drain-timeout 1h", "--drain-timeout: not a number of seconds: '1h'"},
    {OPEN "--drain-timeout 86401", "--drain-timeout: out of range"},
    {OPEN "--drain-timeout s", "--drain-timeout: not a number of seconds: 's'"},
    {OPEN "--advertise=", "--advertise: not the name of an interface"},
    {OPEN "--advertise a/b", "--advertise: not the name of an interface"},
    {OPEN "--advertise abcdefghijklmnop", "--advertise: not the name of an interface"},
    {OPEN "--advertise-type=", "--advertise-type: is empty"},
    {OPEN "--advertise-ttl 0", "--advertise-ttl: out of range"},
    {OPEN "--advertise-ttl 256", "--advertise-ttl: out of range"},
    {OPEN "--token-file x", "--insecure-no-auth: contradicts --token-file"},
    {OPEN "--token-file=", "--token-file: is empty"},
    {OPEN "--insecure-no-auth=yes", "--insecure-no-auth: neither true nor false: 'yes'"},
    {OPEN "--tls-cert c.pem", "--tls-cert: needs --tls-key"},
    {OPEN "--tls-key k.pem", "--tls-key: needs --tls-cert"},
    {OPEN "--config /nowhere/absent.yaml", "culvert-server: /nowhere/absent.yaml: No such file"},
    {OPEN "--config /", "culvert-server: /: Is a directory"},
};

Test(server, refuses_bad_flags_with_one_line_that_names_them)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(load(bad[i][0]), CV_ESYNTAX, "%s", bad[i][0]);
        cr_assert_not_null(strstr(error.line, bad[i][1]), "%s: %s", bad[i][0], error.line);
        cr_assert_eq(strncmp(error.line, "culvert-server: ", 16), 0, "%s", error.line);
        cr_assert_null(strpbrk(error.line, "\n\r\t"), "%s", error.line);
        cr_assert_null(strstr(error.line, "secret"), "%s", error.line);
    }
}

Test(server, takes_every_flag)
{
    cr_assert_eq(
        load("--listen 127.0.0.1:8123 --listen=[::1]:0 --listen :80 --listen unix:/run/x "
             "--listen localhost:65535 --forward 127.0.0.1:22=foo/127.0.0.1:2222 "
             "--forward :23=b=ar/tcp/[::1]:1 --forward unix:f=foo/unix//run/y "
             "--token-file t --tls-cert c --tls-key k --max-sessions 1 --max-conns 1000000 "
             "--max-conns-per-session 3 --buffer-budget 1M --log-level debug "
             "--log-format json --drain-timeout 0s --advertise abcdefghijklmno --advertise eth0 "
             "--advertise-type u:t --advertise-uuid u --advertise-location http://h/ "
             "--advertise-ttl 255 --state-dir /s"),
        0, "%s", error.line);
    cr_assert_eq(config.advertise.count, 2);
    cr_assert_str_eq(config.advertise.at[1], "eth0");
    cr_assert_str_eq(config.advertise_type, "u:t");
    cr_assert_str_eq(config.advertise_uuid, "u");
    cr_assert_str_eq(config.advertise_location, "http://h/");
    cr_assert_eq(config.advertise_ttl, 255);
    cr_assert_str_eq(config.state_dir, "/s");
    cr_assert_eq(config.common.action, CV_CONFIG_RUN);
    cr_assert_eq(config.listens.count, 5);
    cr_assert_str_eq(config.listens.at[1].address, "[::1]:0");
    cr_assert_str_eq(config.listens.at[4].address, "localhost:65535");
    cr_assert_eq(config.forwards.count, 3);
    cr_assert_str_eq(config.forwards.at[0].listen, "127.0.0.1:22");
    cr_assert_str_eq(config.forwards.at[0].client, "foo");
    cr_assert_str_eq(config.forwards.at[0].address, "127.0.0.1:2222");
    cr_assert_eq(config.forwards.at[0].proto, CV_PROTO_TCP);
    cr_assert_str_eq(config.forwards.at[1].client, "b=ar");
    cr_assert_str_eq(config.forwards.at[1].address, "[::1]:1");
    cr_assert_eq(config.forwards.at[2].proto, CV_PROTO_UNIX);
    cr_assert_str_eq(config.forwards.at[2].address, "/run/y");
    cr_assert_str_eq(config.token_file, "t");
    cr_assert_str_eq(config.tls_cert, "c");
    cr_assert_str_eq(config.tls_key, "k");
    cr_assert_eq(config.limits.max_sessions, 1);
    cr_assert_eq(config.limits.max_conns, 1000000);
    cr_assert_eq(config.limits.max_conns_per_session, 3);
    cr_assert_eq(config.limits.buffer_budget, 1048576);
    cr_assert_eq(config.common.log_level, CV_LOG_DEBUG);
    cr_assert_eq(config.common.log_format, CV_LOG_JSON);
    cr_assert_eq(config.drain_timeout, 0);
}

Test(server, suffixes_stand_behind_what_listens)
{
    cr_assert_eq(load("--insecure-no-auth --listen 127.0.0.1:1 --listen 127.0.0.1:2,proxy-protocol "
                      "--listen unix:/run/a,b,proxy-protocol=false --socks :3=foo,proxy-protocol "
                      "--http-proxy :4,proxy-protocol "
                      "--forward :5=foo/127.0.0.1:1,send-proxy=v1 "
                      "--forward :6=foo/unix//run/x,y,proxy-protocol,send-proxy=v2 "
                      "--forward :7-8,proxy-protocol=foo/h:7-8,send-proxy=v2"),
                 0, "%s", error.line);
    cr_assert_not(config.listens.at[0].proxy_protocol);
    cr_assert(config.listens.at[1].proxy_protocol);
    cr_assert_str_eq(config.listens.at[1].address, "127.0.0.1:2");
    cr_assert_not(config.listens.at[2].proxy_protocol);
    cr_assert_str_eq(config.listens.at[2].address, "unix:/run/a,b");
    cr_assert(config.socks.at[0].proxy_protocol);
    cr_assert_str_eq(config.socks.at[0].client, "foo");
    cr_assert(config.http_proxies.at[0].proxy_protocol);
    cr_assert_not(config.forwards.at[0].proxy_protocol);
    cr_assert_eq(config.forwards.at[0].send_proxy, 1);
    cr_assert_str_eq(config.forwards.at[0].address, "127.0.0.1:1");
    cr_assert_str_eq(config.forwards.at[1].address, "/run/x,y");
    cr_assert_eq(config.forwards.count, 4);
    for (size_t i = 1; i < 4; i++) {
        cr_assert(config.forwards.at[i].proxy_protocol);
        cr_assert_eq(config.forwards.at[i].send_proxy, 2);
    }
    cr_assert_str_eq(config.forwards.at[3].address, "h:8");
}

Test(server, has_defaults)
{
    cr_assert_eq(load(OPEN), 0);
    cr_assert(config.insecure_no_auth);
    cr_assert_eq(config.limits.max_sessions, 10000);
    cr_assert_eq(config.limits.max_conns, 20000);
    cr_assert_eq(config.limits.max_conns_per_session, 8192);
    cr_assert_eq(config.limits.buffer_budget, UINT64_C(512) << 20);
    cr_assert_eq(config.drain_timeout, 30 * CV_SEC);
    cr_assert_eq(config.http_stall, 60 * CV_SEC);
    cr_assert_eq(config.http_idle, 0);
    cr_assert_eq(config.advertise.count, 0, "off by default");
    cr_assert_eq(config.advertise_ttl, 2);
    cr_assert_eq(config.common.log_level, CV_LOG_INFO);
    cr_assert_eq(config.common.log_format, CV_LOG_TEXT);
}

Test(server, the_last_of_a_flag_given_twice_holds)
{
    cr_assert_eq(load(OPEN "--max-conns 5 --max-conns 7"), 0);
    cr_assert_eq(config.limits.max_conns, 7);
    cr_assert_eq(load("--listen :1 --token-file t --insecure-no-auth --insecure-no-auth=false"), 0);
}

Test(server, help_and_version_need_nothing_else)
{
    cr_assert_eq(load("--help --nonsense"), 0);
    cr_assert_eq(config.common.action, CV_CONFIG_HELP);
    cr_assert_eq(load("--listen nonsense -h"), 0);
    cr_assert_eq(config.common.action, CV_CONFIG_HELP);
    cr_assert_eq(load("--version"), 0);
    cr_assert_eq(config.common.action, CV_CONFIG_VERSION);
}

Test(server, check_is_an_action_and_checks)
{
    cr_assert_eq(load(OPEN "--check"), 0);
    cr_assert_eq(config.common.action, CV_CONFIG_CHECK);
    cr_assert_eq(load("--check"), CV_ESYNTAX);
}

Test(server, a_target_fills_the_protocols_limit_and_no_more)
{
    char line[600], host[280];

    /* tcp/ and :1 take 6 of the 266 bytes; a name has 253, so only brackets could reach the limit:
     * a path does not either, which leaves the name's own limit as the one that is met first */
    memset(host, 'a', sizeof(host));
    for (size_t i = 60; i < 253; i += 60)
        host[i] = '.';
    host[253] = '\0';
    snprintf(line, sizeof(line), OPEN "--forward :1=foo/%s:65535", host);
    cr_assert_eq(load(line), 0, "%s", error.line);
    host[253] = 'a';
    host[254] = '\0';
    snprintf(line, sizeof(line), OPEN "--forward :1=foo/%s:65535", host);
    cr_assert_eq(load(line), CV_ESYNTAX);
}

Test(server, limits_the_length_of_a_value)
{
    static char value[CV_CONFIG_VALUE_MAX + 2];
    const char *argv[] = {"culvert-server", "--listen", ":1", "--token-file", value};

    memset(value, 'a', CV_CONFIG_VALUE_MAX);
    cr_assert_eq(cv_server_config_init(&config, &memory.alloc, 5, argv, &error), 0);
    cv_server_config_deinit(&config);
    value[CV_CONFIG_VALUE_MAX] = 'a';
    cr_assert_eq(cv_server_config_init(&config, &memory.alloc, 5, argv, &error), CV_ESYNTAX);
    cr_assert_not_null(strstr(error.line, "longer than 4096 bytes"));
}

Test(server, an_allocation_that_fails_is_said_and_leaves_nothing_behind)
{
    static const char line[] = OPEN "--listen [::1]:2 --listen :3 --forward :4=foo/h:1 --forward "
                                    ":5=foo/unix//x --max-conns 5";
    size_t calls;

    cr_assert_eq(load(line), 0);
    calls = memory.calls;
    for (size_t n = 1; n <= calls; n++) {
        cv_server_config_deinit(&config);
        test_alloc_init(&memory);
        memory.fail_at = n;
        cr_assert_eq(load(line), -ENOMEM, "call %zu", n);
        cr_assert_str_eq(error.line, "culvert-server: out of memory");
        cv_server_config_deinit(&config);
        cr_assert_eq(memory.live, 0, "call %zu", n);
    }
}

static enum cv_balance balance_of(const char *key)
{
    return cv_balance_of(config.balances.at, config.balances.count, key);
}

Test(server, a_client_has_a_policy_or_that_of_all)
{
    cr_assert_eq(load(OPEN), 0);
    cr_assert_eq(balance_of("foo"), CV_BALANCE_NEWEST);
    cr_assert_eq(load(OPEN "--balance least-conns --balance foo*=round-robin "
                           "--balance foo==newest --balance foo=least-conns"),
                 0, "%s", error.line);
    cr_assert_eq(balance_of("bar"), CV_BALANCE_LEAST_CONNS);
    cr_assert_eq(balance_of("foot"), CV_BALANCE_ROUND_ROBIN);
    cr_assert_eq(balance_of("foo="), CV_BALANCE_NEWEST, "a key may end in the sign");
    cr_assert_eq(balance_of("foo"), CV_BALANCE_LEAST_CONNS);
}

Test(server, there_are_a_thousand_policies_and_no_more)
{
    static char file[CV_BALANCE_RULES_MAX * 24 + 100];
    size_t len =
        (size_t)snprintf(file, sizeof(file), "listen: [':1']\ninsecure-no-auth: true\nbalance:\n");

    for (int i = 0; i <= CV_BALANCE_RULES_MAX; i++) {
        len += (size_t)snprintf(file + len, sizeof(file) - len, "- k%d=newest\n", i);
        if (i < CV_BALANCE_RULES_MAX - 1)
            continue;
        cv_server_config_deinit(&config);
        cr_assert_eq(cv_server_config_init_text(&config, &memory.alloc, "f", file, len, &error),
                     i < CV_BALANCE_RULES_MAX ? 0 : CV_ESYNTAX, "%s", error.line);
    }
    cr_assert(strstr(error.line, "balance: there are at most 1000 of these"), "%s", error.line);
}

Test(server, a_door_may_be_one_clients)
{
    cr_assert_eq(load(OPEN "--socks [::1]:1 --socks unix:/run/x=foo --http-proxy :0=bar"), 0);
    cr_assert_eq(config.socks.count, 2);
    cr_assert_str_eq(config.socks.at[0].listen, "[::1]:1");
    cr_assert_null(config.socks.at[0].client);
    cr_assert_str_eq(config.socks.at[1].listen, "unix:/run/x");
    cr_assert_str_eq(config.socks.at[1].client, "foo");
    cr_assert_eq(config.http_proxies.count, 1);
    cr_assert_str_eq(config.http_proxies.at[0].client, "bar");
}

Test(server, a_range_of_ports_is_as_many_rules)
{
    cr_assert_eq(load(OPEN "--forward [::1]:9-11=foo/udp/a.b:65533-65535 --forward :1-1=b/c:2-2"),
                 0);
    cr_assert_eq(config.forwards.count, 4);
    cr_assert_str_eq(config.forwards.at[0].listen, "[::1]:9");
    cr_assert_str_eq(config.forwards.at[2].listen, "[::1]:11");
    cr_assert_eq(config.forwards.at[2].proto, CV_PROTO_UDP);
    cr_assert_str_eq(config.forwards.at[2].client, "foo");
    cr_assert_str_eq(config.forwards.at[2].address, "a.b:65535");
    cr_assert_str_eq(config.forwards.at[3].address, "c:2");
    cr_assert_eq(load(OPEN "--forward :1-1024=foo/127.0.0.1:1-1024"), 0);
    cr_assert_eq(config.forwards.count, CV_FORWARD_PORTS_MAX);
}

Test(server, peers_are_ids_tokens_and_urls)
{
    cr_assert_eq(load(OPEN "--peer-id a --peer-token mine --peer b:theirs:wss://h:1/p "
                           "--peer c:more:ws://[::1]"),
                 0, "%s", error.line);
    cr_assert_eq(config.peers.count, 2);
    cr_assert_str_eq(config.peers.at[0].id, "b");
    cr_assert_str_eq(config.peers.at[0].token, "theirs");
    cr_assert_str_eq(config.peers.at[0].url.host, "h");
    cr_assert_str_eq(config.peers.at[0].url.target, "/p");
    cr_assert(config.peers.at[0].url.tls);
    cr_assert_str_eq(config.peers.at[1].url.host, "::1");
    cr_assert_str_eq(config.peer_token, "mine");
}

Test(server, the_url_of_a_room_server_has_a_path)
{
    cr_assert_eq(load(OPEN "--rooms :1 --rooms-bye-url HTTPS://[::1]/p/q"), 0, "%s", error.line);
    cr_assert_str_eq(config.rooms_bye.host, "::1");
    cr_assert_str_eq(config.rooms_bye.target, "/p/q");
    cr_assert_eq(config.rooms_bye.port, 443);
    cr_assert(config.rooms_bye.tls);
    cr_assert_eq(load(OPEN "--rooms :1 --rooms-bye-url http://h:81"), 0, "%s", error.line);
    cr_assert_str_eq(config.rooms_bye.target, "/");
    cr_assert_eq(config.rooms_bye.port, 81);
    cr_assert_eq(load(OPEN "--rooms :1"), 0);
    cr_assert_null(config.rooms_bye.host);
}

Test(server, no_error_about_a_peer_shows_a_token)
{
    cr_assert_lt(load(OPEN "--peer b:hidden:ftp://h"), 0);
    cr_assert_null(strstr(error.line, "hidden"), "%s", error.line);
    cr_assert_lt(load(OPEN "--peer-token hid,den"), 0);
    cr_assert_null(strstr(error.line, "hid,den"), "%s", error.line);
}

Test(server, says_where_published_ports_listen)
{
    static const char *const rows[][2] = {
        {"", "127.0.0.1"},
        {" --publish-address 0.0.0.0", "0.0.0.0"},
        {" --publish-address ::1", "[::1]"},
        {" --publish-address [::]", "[::]"},
        {" --publish-address *", ""},
    };
    static const char *const odd[] = {"localhost", "127.0.0.1:80", "[127.0.0.1]", "", "[]"};
    char line[200];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(line, sizeof(line), "%s%s", OPEN, rows[i][0]);
        cr_assert_eq(load(line), 0, "%s", error.line);
        cr_assert_str_eq(config.publish_address, rows[i][1]);
    }
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        snprintf(line, sizeof(line), "%s --publish-address=%s", OPEN, odd[i]);
        cr_assert_eq(load(line), CV_ESYNTAX, "%s", odd[i]);
        cr_assert(strstr(error.line, "--publish-address: not an address"), "%s", error.line);
    }
}

Test(server, what_any_agent_may_publish_is_for_servers_without_tokens)
{
    cr_assert_eq(load(OPEN " --publish-allow tcp:8000-8100 --publish-allow http:*.a"), 0);
    cr_assert_eq(config.publish_allow.count, 2);
    cr_assert_eq(load(OPEN " --publish-allow udp:1"), CV_ESYNTAX);
    cr_assert(strstr(error.line, "--publish-allow: not tcp:PORT"), "%s", error.line);
    cr_assert_eq(load("--listen :1 --token-file t --publish-allow tcp:1"), CV_ESYNTAX);
    cr_assert(strstr(error.line, "by publish="), "%s", error.line);
}
