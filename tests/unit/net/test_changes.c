#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "net/changes.h"
#include "net_fixture.h"

struct setup {
    struct net net;
    struct cv_changes *changes;
    char folder[64];
    char a[128], b[128];
    int calls;
};

static struct setup s;

static void on_changed(void *ctx)
{
    (*(int *)ctx)++;
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static void start(void)
{
    const char *files[] = {s.a, NULL, s.b};

    cr_assert_eq(cv_changes_new(&s.changes, &s.net.loop, files, 3, on_changed, &s.calls), 0);
}

static void setup(void)
{
    s = (struct setup){.folder = "/tmp/culvert-changes-XXXXXX"};
    net_init(&s.net);
    cr_assert_not_null(mkdtemp(s.folder));
    snprintf(s.a, sizeof(s.a), "%s/a", s.folder);
    snprintf(s.b, sizeof(s.b), "%s/b", s.folder);
    put(s.a, "one");
    put(s.b, "one");
}

static void teardown(void)
{
    char command[128];

    cv_changes_free(s.changes);
    snprintf(command, sizeof(command), "rm -r %s", s.folder);
    cr_assert_eq(system(command), 0);
    net_deinit(&s.net);
}

TestSuite(changes, .init = setup, .fini = teardown);

Test(changes, says_when_a_file_is_written_anew)
{
    start();
    put(s.b, "other");
    NET_UNTIL(&s.net, s.calls == 1);
}

Test(changes, says_when_another_file_takes_its_place)
{
    char other[128];

    start();
    snprintf(other, sizeof(other), "%s/new", s.folder);
    put(other, "one");
    cr_assert_eq(rename(other, s.a), 0);
    NET_UNTIL(&s.net, s.calls == 1);
}

Test(changes, says_when_a_link_on_the_way_points_elsewhere)
{
    char path[192], link[192];

    /* as a volume of Kubernetes does it: a -> data/a, data -> 1 */
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof(path), "%s/%d", s.folder, i);
        cr_assert_eq(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/%d/a", s.folder, i);
        put(path, "one");
    }
    snprintf(link, sizeof(link), "%s/data", s.folder);
    cr_assert_eq(symlink("1", link), 0);
    cr_assert_eq(unlink(s.a), 0);
    cr_assert_eq(symlink("data/a", s.a), 0);
    start();
    snprintf(path, sizeof(path), "%s/next", s.folder);
    cr_assert_eq(symlink("2", path), 0);
    cr_assert_eq(rename(path, link), 0);
    NET_UNTIL(&s.net, s.calls == 1);
}

Test(changes, says_once_what_changes_together_and_nothing_of_other_files)
{
    char other[128];

    start();
    snprintf(other, sizeof(other), "%s/other", s.folder);
    put(other, "x"); /* the folder's event comes, and no file of ours is another */
    put(s.a, "two");
    put(s.b, "two");
    NET_UNTIL(&s.net, s.calls == 1);
    put(other, "y");
    cr_assert_eq(unlink(s.b), 0);
    NET_UNTIL(&s.net, s.calls == 2);
    cr_assert_eq(unlink(other), 0);
    put(s.b, "again");
    NET_UNTIL(&s.net, s.calls == 3);
}

Test(changes, refuses_a_folder_that_is_not_there_and_too_many_files)
{
    const char *absent[] = {s.a, "/nowhere/at/all"};
    const char *many[CV_CHANGES_MAX + 1] = {NULL};

    cr_assert_eq(cv_changes_new(&s.changes, &s.net.loop, absent, 2, on_changed, NULL), UV_ENOENT);
    cr_assert_eq(
        cv_changes_new(&s.changes, &s.net.loop, many, CV_CHANGES_MAX + 1, on_changed, NULL),
        CV_EFULL);
    s.changes = NULL;
}
