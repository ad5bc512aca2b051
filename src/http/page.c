#include "http/page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "door/http_text.h"
#include "http/beneath.h"

struct entry {
    char *name; /* owned */
    bool is_folder;
    off_t size;
    time_t changed;
};

struct folder {
    struct entry *entries; /* owned; grows */
    size_t count, room;
    bool more; /* there were over CV_PAGE_ENTRIES_MAX */
};

static void folder_clear(struct folder *folder)
{
    for (size_t i = 0; i < folder->count; i++)
        free(folder->entries[i].name);
    free(folder->entries);
}

static int folder_add(struct folder *folder, const char *name, const struct stat *st)
{
    struct entry *entry;

    if (folder->count == folder->room) {
        size_t room = folder->room ? 2 * folder->room : 64;
        struct entry *entries = reallocarray(folder->entries, room, sizeof(*entries));

        if (!entries)
            return -ENOMEM;
        folder->entries = entries;
        folder->room = room;
    }
    entry = &folder->entries[folder->count];
    *entry = (struct entry){.name = strdup(name),
                            .is_folder = S_ISDIR(st->st_mode),
                            .size = st->st_size,
                            .changed = st->st_mtime};
    if (!entry->name)
        return -ENOMEM;
    folder->count++;
    return 0;
}

/* What a link leads to is only looked at beneath the root: a size tells things too. */
static bool look_at(struct stat *st, int root_fd, const char *path, int dir_fd, const char *name)
{
    char full[PATH_MAX];
    int n, fd;
    bool found;

    if (fstatat(dir_fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    if (!S_ISLNK(st->st_mode))
        return true;
    n = snprintf(full, sizeof(full), "%s%s%s", path, *path ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof(full))
        return false;
    fd = cv_open_beneath(root_fd, full, O_PATH);
    if (fd < 0)
        return false;
    found = fstat(fd, st) == 0;
    close(fd);
    return found;
}

static int folder_fill(struct folder *folder, int root_fd, const char *path, DIR *dir)
{
    const struct dirent *item;
    struct stat st;
    int rc = 0;

    while (rc == 0 && (item = readdir(dir))) {
        if (item->d_name[0] == '.' || !look_at(&st, root_fd, path, dirfd(dir), item->d_name))
            continue;
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            continue;
        if (folder->count == CV_PAGE_ENTRIES_MAX) {
            folder->more = true;
            break;
        }
        rc = folder_add(folder, item->d_name, &st);
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->is_folder != y->is_folder)
        return x->is_folder ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int folder_read(struct folder *folder, int root_fd, const char *path)
{
    int fd = cv_open_beneath(root_fd, path, O_RDONLY | O_DIRECTORY), rc;
    DIR *dir;

    if (fd < 0)
        return fd;
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    rc = folder_fill(folder, root_fd, path, dir);
    closedir(dir);
    if (rc == 0 && folder->count)
        qsort(folder->entries, folder->count, sizeof(folder->entries[0]), compare);
    return rc;
}

/* Text between tags. Control bytes, which a name may hold, are shown as a question mark. */
static void put_text(FILE *page, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '&')
            fputs("&amp;", page);
        else if (c == '<')
            fputs("&lt;", page);
        else if (c == '>')
            fputs("&gt;", page);
        else if (c == '"')
            fputs("&quot;", page);
        else
            putc(c < ' ' || c == 0x7f ? '?' : c, page);
    }
}

/* One segment of a link: all but RFC 3986's unreserved bytes as %XX. */
static void put_link(FILE *page, const char *name, size_t len)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < len; i++) {
        if (memchr(plain, name[i], sizeof(plain) - 1))
            putc(name[i], page);
        else
            fprintf(page, "%%%02X", (unsigned)(unsigned char)name[i]);
    }
}

static void put_size(FILE *page, off_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)size;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    fprintf(page, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void put_start(FILE *page, const char *title, size_t title_len)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
          page);
    put_text(page, title, title_len);
    fputs(
        "</title>\n<style>\n"
        ":root { --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d0d7de; --link: #0550ae; "
        "}\n"
        "@media (prefers-color-scheme: dark) {\n"
        "  :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9aa4af; --line: #30363d; --link: "
        "#79b8ff; }\n"
        "}\n"
        "body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; color: var(--ink);\n"
        "  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }\n"
        "h1 { font-size: 1.25rem; overflow-wrap: anywhere; }\n"
        "a { color: var(--link); }\n"
        "a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }\n"
        "table { width: 100%; border-collapse: collapse; }\n"
        "th, td { padding: .4rem .5rem; text-align: left; border-bottom: 1px solid var(--line); }\n"
        "th { color: var(--soft); font-weight: 600; }\n"
        "td:first-child { overflow-wrap: anywhere; }\n"
        ".n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }\n"
        "p { color: var(--soft); }\n"
        "</style>\n</head>\n<body>\n<main>\n",
        page);
}

static int finish(FILE *page, char **out)
{
    bool failed;

    fputs("</main>\n</body>\n</html>\n", page);
    failed = ferror(page);
    if (fclose(page) != 0)
        failed = true;
    if (!failed)
        return 0;
    free(*out);
    *out = NULL;
    return -ENOMEM;
}

/* The heading: every folder on the way as a link to it. */
static void put_trail(FILE *page, const char *path)
{
    fputs("<h1>Files in <a href=\"/\">/</a>", page);
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");

        if (at[len] == '\0') {
            put_text(page, at, len);
            fputs("/", page);
            break;
        }
        fputs("<a href=\"/", page);
        for (const char *part = path; part <= at;) {
            size_t part_len = strcspn(part, "/");

            put_link(page, part, part_len);
            putc('/', page);
            part += part_len + 1;
        }
        fputs("\">", page);
        put_text(page, at, len);
        fputs("</a>/", page);
        at += len + 1;
    }
    fputs("</h1>\n", page);
}

static void put_entry(FILE *page, const struct entry *entry)
{
    const char *slash = entry->is_folder ? "/" : "";
    size_t len = strlen(entry->name);
    char date[32] = "";
    struct tm tm;

    fputs("<tr><td><a href=\"", page);
    put_link(page, entry->name, len);
    fprintf(page, "%s\">", slash);
    put_text(page, entry->name, len);
    fprintf(page, "%s</a></td><td class=\"n\">", slash);
    if (entry->is_folder)
        fputs("folder", page);
    else
        put_size(page, entry->size);
    if (gmtime_r(&entry->changed, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M", &tm);
    fprintf(page, "</td><td class=\"n\"><time>%s</time></td></tr>\n", date);
}

static void put_table(FILE *page, const struct folder *folder)
{
    if (folder->count == 0) {
        fputs("<p>This folder is empty.</p>\n", page);
        return;
    }
    fputs("<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Size</th>"
          "<th scope=\"col\" class=\"n\">Changed (UTC)</th></tr></thead>\n<tbody>\n",
          page);
    for (size_t i = 0; i < folder->count; i++)
        put_entry(page, &folder->entries[i]);
    fputs("</tbody>\n</table>\n", page);
    if (folder->more)
        fprintf(page, "<p>Only %d entries are shown; there are more.</p>\n", CV_PAGE_ENTRIES_MAX);
}

int cv_page_folder(char **out, size_t *len, int root_fd, const char *path)
{
    struct folder folder = {0};
    int rc = folder_read(&folder, root_fd, path);
    FILE *page = rc == 0 ? open_memstream(out, len) : NULL;

    if (page) {
        const char *title = *path ? path : "/";

        put_start(page, title, strlen(title));
        put_trail(page, path);
        if (*path)
            fputs("<p><a href=\"../\">Up one folder</a></p>\n", page);
        put_table(page, &folder);
        rc = finish(page, out);
    } else if (rc == 0) {
        rc = -ENOMEM;
    }
    folder_clear(&folder);
    return rc;
}

int cv_page_error(char **out, size_t *len, int status, const char *sentence)
{
    const char *reason = cv_http_reason(status);
    FILE *page = open_memstream(out, len);

    if (!page)
        return -ENOMEM;
    put_start(page, reason, strlen(reason));
    fprintf(page, "<h1>%d %s</h1>\n<p>%s</p>\n", status, reason, sentence);
    return finish(page, out);
}
