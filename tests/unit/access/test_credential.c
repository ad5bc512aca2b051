#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "access/credential.h"
#include "base/error.h"
#include "support/test_alloc.h"

/* Hashes of digests whose bytes are all the same. */
#define H1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define H2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define H3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define H4 "sha256:4444444444444444444444444444444444444444444444444444444444444444"

static struct test_alloc memory;
static struct cv_credentials *table;
static struct cv_credential_error error;

static void set_up(void)
{
    test_alloc_init(&memory);
    table = NULL;
}

static void tear_down(void)
{
    cv_credentials_free(table);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(credential, .init = set_up, .fini = tear_down);

static int parse(const char *text)
{
    return cv_credentials_parse(&table, &memory.alloc, text, strlen(text), &error);
}

static const uint8_t *digest(uint8_t byte)
{
    static uint8_t bytes[CV_TOKEN_DIGEST];

    memset(bytes, byte, sizeof(bytes));
    return bytes;
}

static enum cv_access agent(uint8_t byte, const char *key, int64_t now)
{
    struct cv_access_answer answer;
    int rc = cv_access_agent(&answer, table, digest(byte), key, strlen(key), now);

    cr_assert_eq(rc, answer.why == CV_ACCESS_OK ? 0 : CV_EDENIED);
    cr_assert_eq(answer.credential == NULL, answer.why == CV_ACCESS_UNKNOWN);
    return answer.why;
}

static enum cv_access visitor(uint8_t byte, const char *key, const char *text)
{
    struct cv_access_answer answer;
    struct cv_target target;
    const char *problem;

    if (text)
        cr_assert_eq(cv_target_parse(&target, text, strlen(text), &problem), 0, "%s", text);
    (void)!cv_access_visitor(&answer, table, digest(byte), key, strlen(key), text ? &target : NULL,
                             0);
    return answer.why;
}

Test(credential, reads_blank_lines_comments_and_line_ends_of_both_kinds)
{
    cr_assert_eq(parse("\n  \t\n# agent\n  # more\r\nagent foo " H1 "\r\n\tagent\tbar\t" H2), 0);
    cr_assert_eq(cv_credentials_count(table), 2);
    cr_assert_eq(agent(0x11, "foo", 0), CV_ACCESS_OK);
    cr_assert_eq(agent(0x22, "bar", 0), CV_ACCESS_OK);
}

Test(credential, an_empty_file_lets_nobody_in)
{
    cr_assert_eq(cv_credentials_parse(&table, &memory.alloc, NULL, 0, &error), 0);
    cr_assert_eq(agent(0x11, "foo", 0), CV_ACCESS_UNKNOWN);
}

Test(credential, refuses_bad_lines_with_their_number_and_why)
{
    static const char *const bad[][2] = {
        {"agnet foo " H1, "unknown role, not agent, visitor or admin: 'agnet'"},
        {"agent", "no name"},
        {"agent foo", "the hash"},
        {"agent foo abc", "the hash is not sha256:"},
        {"agent foo sha256:11", "the hash"},
        {"agent foo md5" H1, "the hash"},
        {"agent a/b " H1, "the name is not"},
        {"agent a*b " H1, "the name is not"},
        {"agent a::b " H1, "the name is not"},
        {"visitor v* " H1 " dial=*/*:*", "only the name of an agent"},
        {"admin * " H1, "only the name of an agent"},
        {"visitor v " H1, "write dial=*/*:*"},
        {"visitor v " H1 " dial=127.0.0.1:22", "CLIENT/HOST:PORT"},
        {"visitor v " H1 " dial=a::b/h:22", "neither a client key"},
        {"visitor v " H1 " dial=foo/h:0", "dial: the port"},
        {"visitor v " H1 " dial=*/*:* publish=tcp:80", "no such option"},
        {"admin a " H1 " dial=*/*:*", "no such option"},
        {"admin a " H1 " max-conns=1", "no such option"},
        {"agent foo subject:", "subject: not a name"},
        {"agent foo subject:laptop", "subject: not a name such as CN=laptop"},
        {"agent foo subject:CN=a b", "unknown option: 'b'"},
        {"visitor v subject:CN=a dial=*/*:*", "only an agent is known by"},
        {"admin a subject:CN=a", "only an agent is known by"},
        {"agent foo Subject:CN=a", "the hash"},
        {"agent foo " H1 " dial=nonsense", "dial: needs the form HOST:PORT: 'nonsense'"},
        {"agent foo " H1 " dial=", "dial: needs"},
        {"agent foo " H1 " colour=red", "unknown option: 'colour=red'"},
        {"agent foo " H1 " # why", "unknown option: '#'"},
        {"agent foo " H1 " max-conns=0", "max-conns"},
        {"agent foo " H1 " max-conns=1000001", "max-conns"},
        {"agent foo " H1 " max-conns=x", "max-conns"},
        {"agent foo " H1 " max-conns=1 max-conns=2", "twice"},
        {"agent foo " H1 " expires=2027-01-01 expires=2028-01-01", "twice"},
        {"agent foo " H1 " expires=tomorrow", "expires"},
        {"agent foo " H1 " expires=2027-02-29", "expires"},
        {"agent foo " H1 " expires=2027-13-01", "expires"},
        {"agent foo " H1 " expires=2027-00-01", "expires"},
        {"agent foo " H1 " expires=2027-01-32", "expires"},
        {"agent foo " H1 " expires=2027-01-01T", "expires"},
        {"agent foo " H1 " expires=2027-01-01T24:00:00Z", "expires"},
        {"agent foo " H1 " expires=2027-01-01T00:00:00", "expires"},
        {"agent foo " H1 " expires=2027-01-01T00:00:00Zz", "expires"},
        {"agent foo " H1 " expires=1969-12-31", "expires"},
        {"agent foo " H1 " publish=ftp:1", "publish"},
        {"agent foo " H1 " publish=tcp:0", "publish"},
        {"agent foo " H1 " publish=http:", "publish"},
        {"agent foo " H1 " publish=http:*x", "publish"},
        {"agent foo " H1 " publish=http:*.", "publish"},
        {"agent foo " H1 "\xc2\xa0", "the hash"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char text[512];

        snprintf(text, sizeof(text), "# first\n\n%s\nagent late " H2 "\n", bad[i][0]);
        cr_assert_eq(parse(text), CV_ESYNTAX, "%s", bad[i][0]);
        cr_assert_eq(error.line, 3, "%s: %u", bad[i][0], error.line);
        cr_assert_not_null(strstr(error.text, bad[i][1]), "%s: %s", bad[i][0], error.text);
        cr_assert_null(strchr(error.text, '\n'));
        cr_assert_eq(memory.live, 0);
    }
}

Test(credential, shows_no_token_that_stands_in_the_wrong_place)
{
    static const char *const bad[] = {"cvt_SECRET foo " H1, "agent foo cvt_SECRET",
                                      "agent foo " H1 " cvt_SECRET", "agent /cvt_SECRET " H1,
                                      "agent foo SECRET"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(parse(bad[i]), CV_ESYNTAX);
        cr_assert_null(strstr(error.text, "SECRET"), "%s", error.text);
    }
}

Test(credential, a_hash_stands_once)
{
    cr_assert_eq(parse("agent a " H1 "\nagent b " H2 "\nvisitor c " H1 " dial=*/*:*\n"),
                 CV_ESYNTAX);
    cr_assert_eq(error.line, 3);
    cr_assert_not_null(strstr(error.text, "line 1"), "%s", error.text);
}

Test(credential, limits_lines)
{
    static char text[CV_CREDENTIAL_LINE_MAX + 3];

    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, "agent foo " H1, sizeof("agent foo " H1) - 1);
    text[CV_CREDENTIAL_LINE_MAX] = '\0';
    cr_assert_eq(parse(text), 0);
    cv_credentials_free(table);
    table = NULL;
    text[CV_CREDENTIAL_LINE_MAX] = ' ';
    cr_assert_eq(parse(text), CV_ESYNTAX);
    cr_assert_not_null(strstr(error.text, "longer"));
    memset(text, '#', sizeof(text) - 1);
    cr_assert_eq(parse(text), CV_ESYNTAX, "comments too");
}

Test(credential, limits_the_number_of_lines)
{
    static char text[CV_CREDENTIAL_LINES_MAX + 2];

    memset(text, '\n', CV_CREDENTIAL_LINES_MAX);
    cr_assert_eq(parse(text), 0);
    cv_credentials_free(table);
    table = NULL;
    text[CV_CREDENTIAL_LINES_MAX] = '\n';
    cr_assert_eq(parse(text), CV_ESYNTAX);
    cr_assert_eq(error.line, CV_CREDENTIAL_LINES_MAX + 1);
}

Test(credential, an_agent_takes_the_keys_that_its_name_covers)
{
    cr_assert_eq(parse("agent foo " H1 "\nagent web-* " H2 "\nagent * " H3 "\nadmin foo " H4), 0);
    cr_assert_eq(agent(0x11, "foo", 0), CV_ACCESS_OK);
    cr_assert_eq(agent(0x11, "foo2", 0), CV_ACCESS_KEY);
    cr_assert_eq(agent(0x11, "fo", 0), CV_ACCESS_KEY);
    cr_assert_eq(agent(0x22, "web-1", 0), CV_ACCESS_OK);
    cr_assert_eq(agent(0x22, "web", 0), CV_ACCESS_KEY);
    cr_assert_eq(agent(0x33, "whatever", 0), CV_ACCESS_OK);
    cr_assert_eq(agent(0x44, "foo", 0), CV_ACCESS_ROLE);
    cr_assert_eq(agent(0x55, "foo", 0), CV_ACCESS_UNKNOWN);
}

Test(credential, one_bit_of_the_digest_makes_it_unknown)
{
    struct cv_access_answer answer;
    uint8_t near[CV_TOKEN_DIGEST];

    cr_assert_eq(parse("agent foo " H1), 0);
    for (size_t bit = 0; bit < 8 * CV_TOKEN_DIGEST; bit++) {
        memcpy(near, digest(0x11), sizeof(near));
        near[bit / 8] ^= (uint8_t)(1U << bit % 8);
        cr_assert_eq(cv_access_agent(&answer, table, near, "foo", 3, 0), CV_EDENIED);
        cr_assert_eq(answer.why, CV_ACCESS_UNKNOWN);
    }
}

/* The calendar of the C library agrees on every day of 80 years, and on the seconds of a day. */
Test(credential, expires_at_the_second_that_its_date_names)
{
    for (int64_t day = 0; day < 365 * 80; day += 1) {
        time_t when = (time_t)(day * 86400 + (day % 2 ? day % 86400 : 0));
        char date[32], text[160];
        struct tm tm;

        gmtime_r(&when, &tm);
        strftime(date, sizeof(date), day % 2 ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d", &tm);
        snprintf(text, sizeof(text), "agent foo " H1 " expires=%s", date);
        cr_assert_eq(parse(text), 0, "%s", text);
        cr_assert_eq(agent(0x11, "foo", when - 1), CV_ACCESS_OK, "%s", date);
        cr_assert_eq(agent(0x11, "foo", when), CV_ACCESS_EXPIRED, "%s", date);
        cv_credentials_free(table);
        table = NULL;
    }
}

Test(credential, without_a_date_it_never_expires)
{
    cr_assert_eq(parse("agent foo " H1), 0);
    cr_assert_eq(agent(0x11, "foo", INT64_MAX - 1), CV_ACCESS_OK);
}

Test(credential, a_visitor_dials_what_its_options_name)
{
    cr_assert_eq(parse("visitor v " H1 " dial=foo/127.0.0.1:22 dial=web-*/*:80-81\n"
                       "visitor all " H2 " dial=*/*:*\n"
                       "agent foo " H3),
                 0);
    cr_assert_eq(visitor(0x11, "foo", "127.0.0.1:22"), CV_ACCESS_OK);
    cr_assert_eq(visitor(0x11, "foo", "127.0.0.1:23"), CV_ACCESS_TARGET);
    cr_assert_eq(visitor(0x11, "foo", NULL), CV_ACCESS_OK);
    cr_assert_eq(visitor(0x11, "bar", "127.0.0.1:22"), CV_ACCESS_KEY);
    cr_assert_eq(visitor(0x11, "bar", NULL), CV_ACCESS_KEY);
    cr_assert_eq(visitor(0x11, "web-2", "intern.example:81"), CV_ACCESS_OK);
    cr_assert_eq(visitor(0x11, "web-2", "127.0.0.1:22"), CV_ACCESS_TARGET);
    cr_assert_eq(visitor(0x22, "bar", "h:1"), CV_ACCESS_OK);
    cr_assert_eq(visitor(0x22, "bar", "unix//x"), CV_ACCESS_TARGET);
    cr_assert_eq(visitor(0x33, "foo", "h:1"), CV_ACCESS_ROLE);
    cr_assert_eq(visitor(0x44, "foo", "h:1"), CV_ACCESS_UNKNOWN);
}

Test(credential, an_admin_is_no_other_role)
{
    struct cv_access_answer answer;

    cr_assert_eq(parse("admin a " H1 " expires=2027-01-01\nagent foo " H2), 0);
    cr_assert_eq(cv_access_admin(&answer, table, digest(0x11), 0), 0);
    cr_assert_eq(cv_access_admin(&answer, table, digest(0x11), INT64_C(1798761600)), CV_EDENIED);
    cr_assert_eq(answer.why, CV_ACCESS_EXPIRED);
    cr_assert_eq(cv_access_admin(&answer, table, digest(0x22), 0), CV_EDENIED);
    cr_assert_eq(answer.why, CV_ACCESS_ROLE);
}

Test(credential, an_agents_own_dial_options_bound_what_is_dialled_through_it)
{
    struct cv_access_answer free_agent, bound_agent;
    struct cv_target ssh, web;
    const char *problem;

    cr_assert_eq(parse("agent free " H1 "\nagent bound " H2 " dial=127.0.0.1:22"), 0);
    cr_assert_eq(cv_target_parse(&ssh, "127.0.0.1:22", 12, &problem), 0);
    cr_assert_eq(cv_target_parse(&web, "127.0.0.1:80", 12, &problem), 0);
    cr_assert_eq(cv_access_agent(&free_agent, table, digest(0x11), "free", 4, 0), 0);
    cr_assert_eq(cv_access_agent(&bound_agent, table, digest(0x22), "bound", 5, 0), 0);
    cr_assert(cv_access_may_dial(free_agent.credential, "free", 4, &web));
    cr_assert(cv_access_may_dial(bound_agent.credential, "bound", 5, &ssh));
    cr_assert_not(cv_access_may_dial(bound_agent.credential, "bound", 5, &web));
}

Test(credential, keeps_its_other_options)
{
    struct cv_access_answer answer;
    const struct cv_credential *c;

    cr_assert_eq(parse("agent foo " H1
                       " max-conns=7 publish=tcp:8000-8100 publish=http:*.a.example "
                       "publish=http:b.example publish=http:*"),
                 0);
    cr_assert_eq(cv_access_agent(&answer, table, digest(0x11), "foo", 3, 0), 0);
    c = answer.credential;
    cr_assert_eq(c->max_conns, 7);
    cr_assert_eq(c->line, 1);
    cr_assert_eq(c->publish_count, 4);
    cr_assert(!c->publishes[0].http && c->publishes[0].port_low == 8000 &&
              c->publishes[0].port_high == 8100);
    cr_assert(c->publishes[1].http && c->publishes[1].any && c->publishes[1].name.len == 10);
    cr_assert(c->publishes[2].http && !c->publishes[2].any && c->publishes[2].name.len == 9);
    cr_assert(c->publishes[3].http && c->publishes[3].any && c->publishes[3].name.len == 0);
}

static const char *publish_problem(const char *line, const char *text)
{
    struct cv_access_answer answer;
    struct cv_publication asked;
    const char *problem, *said;

    cr_assert_eq(parse(line), 0, "%s", line);
    cr_assert_eq(cv_access_agent(&answer, table, digest(0x11), "foo", 3, 0), 0);
    cr_assert_eq(cv_publication_parse(&asked, (struct cv_span){text, strlen(text)}, &problem), 0);
    said = cv_access_publish_problem(answer.credential, "foo", 3, &asked);
    cv_credentials_free(table);
    table = NULL;
    return said ? said : "";
}

Test(credential, permits_what_it_names_to_be_published_and_nothing_else)
{
    static const char line[] = "agent foo " H1 " publish=tcp:8000-8100 publish=http:*.a.example";

    cr_assert_str_eq(publish_problem(line, "tcp:8000=h:1"), "");
    cr_assert_str_eq(publish_problem(line, "http:x.A.example=h:1"), "");
    cr_assert(strstr(publish_problem(line, "tcp:8101=h:1"), "publish="));
    cr_assert(strstr(publish_problem(line, "http:a.example=h:1"), "publish="));
    cr_assert(strstr(publish_problem("agent foo " H1, "tcp:8000=h:1"), "publish="));
}

Test(credential, permits_only_targets_that_may_be_dialled_to_be_published)
{
    static const char line[] = "agent foo " H1 " dial=127.0.0.1:22 publish=tcp:*";

    cr_assert_str_eq(publish_problem(line, "tcp:8022=127.0.0.1:22"), "");
    cr_assert(strstr(publish_problem(line, "tcp:8022=127.0.0.1:23"), "dial="));
}

Test(credential, an_allocation_that_fails_leaves_nothing_behind)
{
    char text[64 * 128] = "";
    size_t calls;

    /* enough for the table to grow */
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text),
                 "agent a%02d sha256:%064x dial=h:1\n", i, i);
    cr_assert_eq(parse(text), 0);
    cr_assert_eq(cv_credentials_count(table), 60);
    calls = memory.calls;
    for (size_t n = 1; n <= calls; n++) {
        int rc;

        cv_credentials_free(table);
        table = NULL;
        test_alloc_init(&memory);
        memory.fail_at = n;
        rc = parse(text);
        if (rc == 0)
            continue; /* a table that cannot grow is merely slower */
        cr_assert_eq(rc, -ENOMEM);
        cr_assert_str_eq(error.text, "out of memory");
        cr_assert_eq(memory.live, 0, "call %zu", n);
    }
}

Test(credential, is_not_read_beyond_a_cut)
{
    static const char text[] = "# c\r\nvisitor v " H1 " dial=*/*:* expires=2027-01-01T00:00:00Z\n";

    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = malloc(len ? len : 1);

        memcpy(copy, text, len);
        if (cv_credentials_parse(&table, &memory.alloc, copy, len, &error) == 0)
            cv_credentials_free(table);
        table = NULL;
        free(copy);
        cr_assert_eq(memory.live, 0);
    }
}

static enum cv_access by_subject(const char *subject, const char *key, int64_t now)
{
    struct cv_access_answer answer;
    int rc = cv_access_agent_subject(&answer, table, (struct cv_span){subject, strlen(subject)},
                                     key, strlen(key), now);

    cr_assert_eq(rc, answer.why == CV_ACCESS_OK ? 0 : CV_EDENIED);
    return answer.why;
}

Test(credential, a_certificates_subject_is_as_good_as_a_token)
{
    cr_assert_eq(parse("agent foo subject:CN=foo,O=Ex\\20Ltd\nagent edge-* subject:CN=edge "
                       "expires=2027-01-01\nagent bar " H1 "\n"),
                 0);
    cr_assert_eq(cv_credentials_count(table), 3);
    cr_assert_eq(by_subject("CN=foo,O=Ex\\20Ltd", "foo", 0), CV_ACCESS_OK);
    cr_assert_eq(by_subject("CN=foo,O=Ex\\20Ltd", "bar", 0), CV_ACCESS_KEY);
    cr_assert_eq(by_subject("CN=foo,O=Ex", "foo", 0), CV_ACCESS_SUBJECT);
    cr_assert_eq(by_subject("cn=foo,O=Ex\\20Ltd", "foo", 0), CV_ACCESS_SUBJECT);
    cr_assert_eq(by_subject("CN=edge", "edge-7", 0), CV_ACCESS_OK);
    cr_assert_eq(by_subject("CN=edge", "edge-7", INT64_MAX - 1), CV_ACCESS_EXPIRED);
    cr_assert_eq(agent(0, "foo", 0), CV_ACCESS_UNKNOWN, "a line of a subject has no token");
    cr_assert_eq(agent(0x11, "bar", 0), CV_ACCESS_OK);
}

Test(credential, one_subject_stands_in_one_line)
{
    cr_assert_eq(parse("agent foo subject:CN=a\nagent bar subject:CN=a\n"), CV_ESYNTAX);
    cr_assert_eq(error.line, 2);
    cr_assert_not_null(strstr(error.text, "the same subject as in line 1"));
}

Test(credential, the_longest_subject_and_not_one_byte_more)
{
    char text[CV_SUBJECT_MAX + 64];

    for (int extra = 0; extra < 2; extra++) {
        int len = snprintf(text, sizeof(text), "agent foo subject:CN=");

        memset(text + len, 'a', (size_t)(CV_SUBJECT_MAX - 3 + extra));
        text[len + CV_SUBJECT_MAX - 3 + extra] = '\0';
        cr_assert_eq(parse(text), extra ? CV_ESYNTAX : 0);
        cv_credentials_free(table);
        table = NULL;
    }
}
