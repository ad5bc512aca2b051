#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "config/file.h"
#include "support/test_alloc.h"

#define HASH "sha256:1111111111111111111111111111111111111111111111111111111111111111"

static struct test_alloc memory;
static struct cv_arena arena;
static struct cv_config_error error;
static char path[] = "/tmp/culvert-test-XXXXXX";

static void set_up(void)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    close(fd);
    test_alloc_init(&memory);
    cv_arena_init(&arena, &memory.alloc);
}

static void tear_down(void)
{
    unlink(path);
    cv_arena_deinit(&arena);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(file, .init = set_up, .fini = tear_down);

static void put(const char *text)
{
    FILE *out = fopen(path, "w");

    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
}

static int load_credentials(size_t *count)
{
    struct cv_credentials *table = NULL;
    int rc = cv_credentials_load(&table, &memory.alloc, "culvert-server", path, &error);

    *count = table ? cv_credentials_count(table) : 0;
    cv_credentials_free(table);
    return rc;
}

Test(file, credentials_are_read)
{
    size_t count;

    put("agent foo " HASH "\n");
    cr_assert_eq(load_credentials(&count), 0, "%s", error.line);
    cr_assert_eq(count, 1);
}

Test(file, a_bad_line_is_named_with_the_file)
{
    char wanted[200];
    size_t count;

    put("# agents\nagnet foo abc\n");
    cr_assert_eq(load_credentials(&count), CV_ESYNTAX);
    snprintf(wanted, sizeof(wanted),
             "culvert-server: %s:2: unknown role, not agent, visitor or admin: 'agnet'", path);
    cr_assert_str_eq(error.line, wanted);
}

Test(file, credentials_that_others_may_read_are_refused)
{
    static const mode_t loose[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644};
    size_t count;

    put("agent foo " HASH "\n");
    for (size_t i = 0; i < sizeof(loose) / sizeof(loose[0]); i++) {
        char mode[8];

        snprintf(mode, sizeof(mode), "0%o", loose[i]);
        cr_assert_eq(chmod(path, loose[i]), 0);
        cr_assert_eq(load_credentials(&count), CV_EDENIED);
        cr_assert_not_null(strstr(error.line, path), "%s", error.line);
        cr_assert_not_null(strstr(error.line, mode), "%s", error.line);
    }
    cr_assert_eq(chmod(path, 0400), 0);
    cr_assert_eq(load_credentials(&count), 0);
}

Test(file, an_absent_file_is_named)
{
    size_t count;

    unlink(path);
    cr_assert_eq(load_credentials(&count), -ENOENT);
    cr_assert_not_null(strstr(error.line, path));
    cr_assert_not_null(strstr(error.line, "No such file"));
}

Test(file, is_read_up_to_its_limit)
{
    struct cv_file file;
    char text[101];

    memset(text, 'a', 100);
    text[100] = '\0';
    put(text);
    cr_assert_eq(cv_file_read(&file, &arena, "p", path, 100, false, &error), 0);
    cr_assert_eq(file.len, 100);
    cr_assert_str_eq(file.text, text);
    cr_assert_eq(cv_file_read(&file, &arena, "p", path, 99, false, &error), CV_ETOOLONG);
}

Test(file, grows_as_it_is_read)
{
    struct cv_file file;
    FILE *out = fopen(path, "w");

    for (int i = 0; i < 100000; i++)
        fprintf(out, "%06d\n", i);
    fclose(out);
    cr_assert_eq(cv_file_read(&file, &arena, "p", path, 1 << 20, false, &error), 0);
    cr_assert_eq(file.len, 700000);
    cr_assert_str_eq(file.text + 700000 - 7, "099999\n");
}

Test(file, a_token_is_its_first_line_without_blanks)
{
    static const char *const good[] = {"cvt_abc", "cvt_abc\n", " cvt_abc\t\r\nmore", "cvt_abc\n\n"};
    static const char *const bad[][2] = {{"", "no token"},
                                         {"\ncvt_abc\n", "no token"},
                                         {"SECRET words", "no token"},
                                         {"hash: " HASH, "no token"},
                                         {HASH, "hash, not the token"}};
    const char *token;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        put(good[i]);
        cr_assert_eq(cv_token_load(&token, &arena, "culvert-agent", path, &error), 0);
        cr_assert_str_eq(token, "cvt_abc");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put(bad[i][0]);
        cr_assert_eq(cv_token_load(&token, &arena, "culvert-agent", path, &error), CV_ESYNTAX);
        cr_assert_not_null(strstr(error.line, bad[i][1]), "%s", error.line);
        cr_assert_null(strstr(error.line, "SECRET"));
    }
    cr_assert_eq(chmod(path, 0640), 0);
    cr_assert_eq(cv_token_load(&token, &arena, "culvert-agent", path, &error), CV_EDENIED);
}

Test(file, an_allocation_that_fails_leaves_nothing_behind)
{
    size_t calls, count;

    put("agent foo " HASH "\n");
    cr_assert_eq(load_credentials(&count), 0);
    calls = memory.calls;
    for (size_t n = 1; n <= calls; n++) {
        test_alloc_init(&memory);
        memory.fail_at = n;
        cr_assert_eq(load_credentials(&count), -ENOMEM, "call %zu", n);
        cr_assert_not_null(strstr(error.line, "out of memory"));
        cr_assert_eq(memory.live, 0);
    }
}
