#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "access/pattern.h"

/* One question to an agent: @patterns (parted by spaces, or "" for none), what is asked for, what
 * it resolved to ("" for a unix target). */
struct question {
    const char *patterns, *target, *resolved;
    bool allowed;
};

static bool ask(const struct question *question)
{
    struct cv_pattern patterns[8];
    struct cv_target target;
    struct cv_ip address;
    char words[256];
    const char *problem;
    size_t count = 0;

    snprintf(words, sizeof(words), "%s", question->patterns);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        cr_assert_eq(cv_pattern_parse(&patterns[count++], word, strlen(word), &problem), 0, "%s",
                     word);
    cr_assert_eq(cv_target_parse(&target, question->target, strlen(question->target), &problem), 0,
                 "%s", question->target);
    if (question->resolved[0])
        cr_assert(cv_ip_parse(&address, question->resolved, strlen(question->resolved)));
    return cv_allow_check(patterns, count, &target, question->resolved[0] ? &address : NULL);
}

static void ask_all(const struct question *questions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(ask(&questions[i]), questions[i].allowed, "[%s] %s -> %s",
                     questions[i].patterns, questions[i].target, questions[i].resolved);
}

#define ASK(...)                                                      \
    do {                                                              \
        const struct question questions[] = {__VA_ARGS__};            \
        ask_all(questions, sizeof(questions) / sizeof(questions[0])); \
    } while (0)

Test(allow, without_a_pattern_only_loopback)
{
    ASK({"", "127.0.0.1:22", "127.0.0.1", true}, {"", "127.9.9.9:22", "127.9.9.9", true},
        {"", "localhost:22", "::1", true}, {"", "0.0.0.0:22", "0.0.0.0", true},
        {"", "[::]:22", "::", true}, {"", "[::ffff:127.0.0.1]:22", "::ffff:127.0.0.1", true},
        {"", "127.0.0.1.nip.example:22", "127.0.0.1", true},
        {"", "localhost:22", "10.0.0.1", false}, {"", "128.0.0.1:22", "128.0.0.1", false},
        {"", "[::2]:22", "::2", false}, {"", "unix//run/x", "", false},
        {"", "udp/127.0.0.1:53", "127.0.0.1", true});
}

Test(allow, names_match_what_was_asked_for)
{
    ASK({"db.example:5432", "DB.Example.:5432", "10.0.0.9", true},
        {"db.example:5432", "other.example:5432", "10.0.0.9", false},
        {"db.example:5432", "10.0.0.9:5432", "10.0.0.9", false},
        {"db.example:5432", "db.example:5433", "10.0.0.9", false},
        {"db.example:5432", "127.0.0.1:5432", "127.0.0.1", false});
}

Test(allow, addresses_and_networks_match_what_it_resolved_to)
{
    ASK({"10.0.0.0/8:22", "ten.example:22", "10.1.2.3", true},
        {"10.0.0.0/8:22", "ten.example:22", "11.1.2.3", false},
        {"10.0.0.0/8:22", "10.1.2.3:22", "192.168.0.1", false},
        {"10.0.0.0/8:22", "x:22", "::ffff:10.1.2.3", true},
        {"[::ffff:10.0.0.0/104]:22", "x:22", "10.1.2.3", true},
        {"10.1.2.3:22", "x:22", "10.1.2.3", true}, {"10.1.2.3:22", "x:22", "10.1.2.4", false},
        {"[fd00::/8]:22", "x:22", "fdff::1", true}, {"[::/0]:22", "x:22", "10.1.2.3", false},
        {"0.0.0.0/0:22", "x:22", "fd00::1", false}, {"127.0.0.1:22", "0.0.0.0:22", "0.0.0.0", true},
        {"0.0.0.0:22", "127.0.0.1:22", "127.0.0.1", true},
        {"10.0.0.0/8:*", "0.0.0.0:22", "0.0.0.0", false});
}

Test(allow, guarded_addresses_only_when_named_exactly)
{
    ASK({"*:*", "169.254.169.254:80", "169.254.169.254", false},
        {"0.0.0.0/0:*", "169.254.169.254:80", "169.254.169.254", false},
        {"169.254.0.0/16:*", "169.254.169.254:80", "169.254.169.254", false},
        {"169.254.169.254/32:*", "169.254.169.254:80", "169.254.169.254", false},
        {"metadata.example:80", "metadata.example:80", "169.254.169.254", false},
        {"169.254.169.254:80", "169.254.169.254:80", "169.254.169.254", true},
        {"169.254.169.254:81", "169.254.169.254:80", "169.254.169.254", false},
        {"169.254.169.253:80", "169.254.169.254:80", "169.254.169.254", false},
        {"*:* 169.254.169.254:80", "x:80", "169.254.169.254", true},
        {"*:*", "x:80", "::ffff:169.254.169.254", false},
        {"*:*", "x:80", "64:ff9b::a9fe:a9fe", false}, {"*:*", "x:80", "fe80::1", false},
        {"[fe80::/10]:*", "x:80", "fe80::1", false},
        {"[fe80::1]:80", "[fe80::1]:80", "fe80::1", true}, {"*:*", "x:80", "fd00:ec2::254", false},
        {"[fd00::/8]:*", "x:80", "fd00:ec2::254", false},
        {"[fd00:ec2::254]:80", "x:80", "fd00:ec2::254", true},
        {"*:*", "x:80", "100.100.100.200", false}, {"*:*", "x:80", "100.100.100.201", true});
}

Test(allow, protocols_are_apart)
{
    ASK({"*:53", "udp/8.8.8.8:53", "8.8.8.8", false},
        {"udp/*:53", "udp/8.8.8.8:53", "8.8.8.8", true},
        {"udp/*:53", "8.8.8.8:53", "8.8.8.8", false}, {"*:*", "unix//run/x", "", false},
        {"unix//run/x", "unix//run/x", "", true}, {"unix//run/x", "unix//run/y", "", false});
}

Test(allow, a_target_without_the_address_that_it_needs_is_refused)
{
    ASK({"*:*", "x:80", "", false}, {"unix//run/x", "unix//run/x", "127.0.0.1", false},
        {"", "127.0.0.1:80", "", false});
}
