/* Every datagram that was recorded from real stacks, and the odd ones with what is to be made of
 * each. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/discovered.h"
#include "discovery/message.h"
#include "discovery/url.h"

#define WALL INT64_C(1795311525) /* November 2026, when they were recorded */

static size_t read_file(char out[4096], const char *folder, const char *name)
{
    char path[512];
    FILE *file;
    size_t len;

    snprintf(path, sizeof(path), SSDP_GOLDEN "/%s/%s", folder, name);
    file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    len = fread(out, 1, 4096, file);
    fclose(file);
    return len;
}

static bool named(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static void check_capture(const char *name)
{
    struct cv_ssdp_message message;
    char data[4096];
    size_t len = read_file(data, "captures", name);

    cr_assert_eq(cv_ssdp_parse(&message, data, len, WALL), 0, "%s", name);
    if (named(name, "M-SEARCH")) {
        cr_assert_eq(message.kind, CV_SSDP_SEARCH, "%s", name);
        cr_assert(message.discover && message.mx >= 1 && message.target.len, "%s", name);
        return;
    }
    cr_assert(message.target.len && message.usn.len, "%s", name);
    if (cv_ssdp_judge(&message) == CV_SSDP_GONE) {
        cr_assert_eq(message.kind, CV_SSDP_BYEBYE, "%s", name);
        return;
    }
    cr_assert_eq(cv_ssdp_judge(&message), CV_SSDP_KEEP, "%s", name);
    cr_assert_eq(message.kind, named(name, "HTTP1.1") ? CV_SSDP_ANSWER : CV_SSDP_ALIVE);
    cr_assert(cv_ssdp_slice_is(message.location, "http://10.77.0.1:9000/d.xml"), "%s", name);
    if (named(name, "gssdp11"))
        cr_assert_eq(message.boot, 7, "%s", name);
}

Test(golden, reads_every_captured_datagram)
{
    DIR *folder = opendir(SSDP_GOLDEN "/captures");
    struct dirent *entry;
    size_t count = 0;

    cr_assert_not_null(folder);
    while ((entry = readdir(folder)))
        if (entry->d_name[0] != '.') {
            check_capture(entry->d_name);
            count++;
        }
    closedir(folder);
    cr_assert_eq(count, 41);
}

/* A row of expect.tsv. */
struct row {
    char *name, *kind, *parses, *cached, *lifetime, *location;
};

static bool next_row(struct row *row, char **rest)
{
    char *line = strsep(rest, "\n");

    if (!line || !*line)
        return false;
    row->name = strsep(&line, "\t");
    row->kind = strsep(&line, "\t");
    row->parses = strsep(&line, "\t");
    row->cached = strsep(&line, "\t");
    row->lifetime = strsep(&line, "\t");
    row->location = strsep(&line, "\t");
    cr_assert(row->location && line, "%s", row->name);
    return true;
}

/* Whether the rules of the shell refuse the URL: they apply to addresses. */
static bool refused(struct cv_ssdp_slice location)
{
    static const struct cv_ip sender = {4, {10, 77, 0, 1}}, net = {4, {10, 77, 0, 0}};
    struct cv_ssdp_url url;
    struct cv_ip address;

    cr_assert_eq(cv_ssdp_url_parse(&url, location.at, location.len), 0);
    if (!cv_ip_parse(&address, url.host.at, url.host.len))
        return false;
    return !cv_discovered_allows(&address, &sender, cv_ip_in(&address, &net, 24));
}

/* `reject` covers what the codec rejects, and what the rules for a LOCATION do. */
static const char *cached_of(const struct cv_ssdp_message *message)
{
    enum cv_ssdp_verdict verdict = cv_ssdp_judge(message);

    if (verdict == CV_SSDP_REJECT)
        return "reject";
    if (verdict != CV_SSDP_KEEP)
        return "no";
    return refused(message->location) ? "reject" : "yes";
}

static void check_kind(const struct row *row, enum cv_ssdp_kind kind)
{
    if (strcmp(row->kind, "resp") == 0)
        cr_assert_eq(kind, CV_SSDP_ANSWER, "%s", row->name);
    else if (strcmp(row->kind, "bye") == 0)
        cr_assert_eq(kind, CV_SSDP_BYEBYE, "%s", row->name);
    else
        cr_assert(kind == CV_SSDP_ALIVE || kind == CV_SSDP_OTHER, "%s", row->name);
}

static void check_lifetime(const struct row *row, int64_t age)
{
    if (strcmp(row->lifetime, "clamp") == 0)
        cr_assert_eq(age, CV_SSDP_AGE_MAX, "%s", row->name);
    else if (strcmp(row->lifetime, "until 2099") == 0)
        cr_assert_eq(age, CV_SSDP_AGE_MAX, "%s: clamped too", row->name);
    else if (strcmp(row->lifetime, "-") != 0)
        cr_assert_eq(age, atoll(row->lifetime), "%s", row->name);
    else if (strcmp(row->cached, "no") == 0 && strstr(row->name, "maxage"))
        cr_assert_eq(age, -1, "%s", row->name);
}

static void check_odd(const struct row *row)
{
    struct cv_ssdp_message message;
    char data[4096];
    size_t len = read_file(data, "odd", row->name);
    bool parses = cv_ssdp_parse(&message, data, len, WALL) == 0;

    cr_assert_eq(parses, strcmp(row->parses, "yes") == 0, "%s", row->name);
    if (!parses)
        return;
    check_kind(row, message.kind);
    cr_assert_str_eq(cached_of(&message), row->cached, "%s", row->name);
    check_lifetime(row, message.age);
    if (strcmp(row->location, "-") != 0)
        cr_assert(cv_ssdp_slice_is(message.location, row->location), "%s", row->name);
}

Test(golden, makes_of_each_odd_datagram_what_is_expected)
{
    char table[16384], *rest = table;
    struct row row;
    size_t count = 0;
    FILE *file = fopen(SSDP_GOLDEN "/odd/expect.tsv", "rb");

    cr_assert_not_null(file);
    table[fread(table, 1, sizeof(table) - 1, file)] = '\0';
    fclose(file);
    for (; next_row(&row, &rest); count++)
        check_odd(&row);
    cr_assert_eq(count, 32);
}

Test(golden, keeps_the_alternates_beside_the_location)
{
    struct cv_ssdp_message message;
    struct cv_ssdp_slice uri;
    char data[4096];
    size_t len = read_file(data, "odd", "06-location-and-al.bin");

    cr_assert_eq(cv_ssdp_parse(&message, data, len, WALL), 0);
    cr_assert(cv_ssdp_alternate(&message.al, &uri));
    cr_assert(cv_ssdp_slice_is(uri, "http://10.78.0.1:8080/d.xml"));
    cr_assert_not(cv_ssdp_alternate(&message.al, &uri));
}
