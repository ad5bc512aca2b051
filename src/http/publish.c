#include "http/publish.h"

#include <errno.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes the next item off a list; false at the end. */
static bool next_item(struct cv_slice *list, struct cv_slice *item)
{
    const char *comma;

    if (list->len == 0)
        return false;
    comma = memchr(list->at, ',', list->len);
    *item = (struct cv_slice){list->at, comma ? (size_t)(comma - list->at) : list->len};
    list->at += item->len + (comma != NULL);
    list->len -= item->len + (comma != NULL);
    while (item->len && is_blank(item->at[0])) {
        item->at++;
        item->len--;
    }
    while (item->len && is_blank(item->at[item->len - 1]))
        item->len--;
    return true;
}

/* Writes the lines to @out, or, where it is NULL, only returns their length. */
static size_t write_lines(char *out, const struct cv_http_head *head)
{
    size_t len = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        struct cv_slice list = head->headers[i].value, item;

        if (!cv_slice_is(head->headers[i].name, CV_PUBLISH_HEADER))
            continue;
        while (next_item(&list, &item)) {
            if (item.len == 0)
                continue;
            if (out) {
                memcpy(out + len, item.at, item.len);
                out[len + item.len] = '\n';
            }
            len += item.len + 1;
        }
    }
    return len;
}

int cv_publish_wanted(char **out, const struct cv_http_head *head, const struct cv_alloc *alloc)
{
    size_t len = write_lines(NULL, head);

    *out = NULL;
    if (len == 0)
        return 0;
    *out = cv_alloc(alloc, len + 1);
    if (!*out)
        return -ENOMEM;
    write_lines(*out, head);
    (*out)[len] = '\0';
    return 0;
}
