#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/agent.h"
#include "config/print.h"
#include "config/server.h"
#include "support/test_alloc.h"
#include "words.h"

static char *print(const struct cv_common_config *common)
{
    size_t len;
    char *text;
    FILE *out = open_memstream(&text, &len);

    cv_options_print(out, common);
    fclose(out);
    return text;
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

Test(print, check_prints_all_with_where_it_came_from)
{
    struct test_alloc memory;
    struct cv_server_config config;
    struct cv_config_error error;
    struct words words;
    char *text;

    test_alloc_init(&memory);
    words_split(
        &words, "culvert-server",
        "--listen 127.0.0.1:8123 --listen [::1]:1 --forward :22=foo/h:22 --token-file a\tb");
    cr_assert_eq(cv_server_config_init(&config, &memory.alloc, words.argc, words.argv, &error), 0);
    text = print(&config.common);
    cr_assert_not_null(
        strstr(text, "listen:\n  - 127.0.0.1:8123  # flag\n  - \"[::1]:1\"  # flag\n"), "%s", text);
    cr_assert_not_null(strstr(text, "token-file: \"a b\"  # flag\n"), "%s", text);
    cr_assert_not_null(strstr(text, "max-conns: 20000  # default\n"), "%s", text);
    cr_assert_null(strstr(text, "tls-cert"), "%s", text);
    free(text);
    cv_server_config_deinit(&config);
}

Test(print, what_check_prints_is_a_file_that_says_the_same)
{
    static const char source[] =
        "listen: [':1', \"unix:a'b\\\"\\\\ #\\x07\", '[::1]:2']\ntoken-file: '- x: y'\n"
        "forward: [':3=foo/unix//run/x']\nmax-conns: 5\nlog-level: error\n";
    struct test_alloc memory;
    struct cv_server_config first, second;
    struct cv_config_error error;
    char *text, *again;

    test_alloc_init(&memory);
    cr_assert_eq(
        cv_server_config_init_text(&first, &memory.alloc, "c", source, sizeof(source) - 1, &error),
        0, "%s", error.line);
    text = print(&first.common);
    cr_assert_not_null(strstr(text, "max-conns: 5  # line 4\n"), "%s", text);
    cr_assert_eq(
        cv_server_config_init_text(&second, &memory.alloc, "c", text, strlen(text), &error), 0,
        "%s", error.line);
    cr_assert_eq(second.listens.count, 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_str_eq(second.listens.at[i].address, first.listens.at[i].address);
    cr_assert_str_eq(second.token_file, "- x: y");
    cr_assert_eq(second.limits.max_conns, 5);
    again = print(&second.common);
    cr_assert_eq(count_lines(again), count_lines(text));
    free(text);
    free(again);
    cv_server_config_deinit(&first);
    cv_server_config_deinit(&second);
    cr_assert_eq(memory.live, 0);
}

Test(print, what_no_terminal_should_see_is_escaped)
{
    static const char path[] =
        "a\xc2\x9b\xe2\x80\xa8\xef\xbb\xbf\xff\x1b\xc3\xa4\xf0\x9f\x98\x80\xe2\x80";
    const char *argv[] = {"culvert-server", "--listen", ":1", "--token-file", path};
    struct test_alloc memory;
    struct cv_server_config config;
    struct cv_config_error error;
    char *text;

    test_alloc_init(&memory);
    cr_assert_eq(cv_server_config_init(&config, &memory.alloc, 5, argv, &error), 0);
    text = print(&config.common);
    cr_assert_not_null(strstr(text, "token-file: \"a\\u009b\\u2028\\ufeff\\u00ff\\u001b\xc3\xa4"
                                    "\xf0\x9f\x98\x80\\u00e2\\u0080\""),
                       "%s", text);
    free(text);
    cv_server_config_deinit(&config);
}

Test(print, check_shows_no_secret)
{
    const struct cv_agent_surroundings surroundings = {.token = "cvt_SECRET", .host_name = "box"};
    struct test_alloc memory;
    struct cv_agent_config config;
    struct cv_config_error error;
    struct words words;
    char *text;

    test_alloc_init(&memory);
    words_split(&words, "culvert-agent", "--connect ws://h --header X-Key:SECRET");
    cr_assert_eq(
        cv_agent_config_init(&config, &memory.alloc, &surroundings, words.argc, words.argv, &error),
        0);
    text = print(&config.common);
    cr_assert_null(strstr(text, "SECRET"), "%s", text);
    cr_assert_not_null(strstr(text, "header:"), "%s", text);
    free(text);
    cv_agent_config_deinit(&config);
}

Test(print, help_has_a_line_for_every_flag)
{
    const struct cv_program *const programs[] = {&cv_server_program, &cv_agent_program};

    for (size_t p = 0; p < 2; p++) {
        size_t len;
        char *text;
        FILE *out = open_memstream(&text, &len);

        cv_options_help(out, programs[p]);
        fclose(out);
        for (size_t i = 0; i < programs[p]->option_count; i++) {
            char flag[80];

            snprintf(flag, sizeof(flag), "  --%s", programs[p]->options[i].name);
            cr_assert_not_null(strstr(text, flag), "%s", flag);
            cr_assert_not_null(strstr(text, programs[p]->options[i].help), "%s", flag);
        }
        free(text);
    }
}
