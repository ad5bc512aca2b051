#include "http/file_answer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "door/http_text.h"
#include "http/beneath.h"
#include "http/mime.h"
#include "http/page.h"
#include "net/loop.h"

/* Room for a head of ours, whose longest line is a Location as long as the request's target. */
#define HEAD_ROOM (CV_HTTP_LINE_MAX + 1024)

#define DATE_ROOM 32

/* An answer that is being made. */
struct draft {
    struct cv_file_answer *answer;
    int root_fd;
    const struct cv_http_head *request; /* NULL when it could not be read */
    bool head_only;                     /* the method is HEAD */
    char path[PATH_MAX]; /* of what was asked for, beneath the root; empty for the root */
    bool slash;          /* the target ends in one */
    struct cv_http_text text;
    char head[HEAD_ROOM];
};

void cv_file_answer_clear(struct cv_file_answer *answer)
{
    free(answer->text);
    if (answer->fd >= 0)
        close(answer->fd);
    *answer = (struct cv_file_answer){.fd = -1};
}

/* An IMF-fixdate (RFC 9110, 5.6.7). */
static void write_date(char out[DATE_ROOM], time_t when)
{
    struct tm tm;

    if (!gmtime_r(&when, &tm) || !strftime(out, DATE_ROOM, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        out[0] = '\0';
}

static bool read_date(time_t *when, struct cv_slice text)
{
    char copy[DATE_ROOM];
    struct tm tm = {0};
    const char *end;

    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    *when = timegm(&tm);
    return true;
}

static void begin(struct draft *draft, int status)
{
    struct cv_http_text *text = &draft->text;
    char date[DATE_ROOM];

    write_date(date, (time_t)cv_wall_clock());
    cv_http_text_init(text, draft->head, sizeof(draft->head), status);
    cv_http_text_header(text, "Date", date);
    cv_http_text_header(text, "X-Content-Type-Options", "nosniff");
    if (draft->answer->last)
        cv_http_text_header(text, "Connection", "close");
    else if (draft->request->minor == 0)
        cv_http_text_header(text, "Connection", "keep-alive");
}

/* Ends the head and puts it in front of @page, which may be NULL. */
static int finish(struct draft *draft, const char *page, size_t page_len)
{
    struct cv_file_answer *answer = draft->answer;
    int head_len = cv_http_text_end(&draft->text);

    if (head_len < 0)
        return head_len;
    if (draft->head_only)
        page_len = 0;
    answer->len = (size_t)head_len + page_len;
    answer->text = malloc(answer->len);
    if (!answer->text)
        return -ENOMEM;
    memcpy(answer->text, draft->head, (size_t)head_len);
    if (page_len)
        memcpy(answer->text + head_len, page, page_len);
    return 0;
}

/* Ends the head for a page of ours, which is used up. Pages need their own style and nothing else.
 */
static int finish_page(struct draft *draft, char *page, size_t page_len)
{
    int rc;

    cv_http_text_header(&draft->text, "Content-Type", "text/html; charset=utf-8");
    cv_http_text_header(&draft->text, "Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'");
    cv_http_text_number(&draft->text, "Content-Length", page_len);
    rc = finish(draft, page, page_len);
    free(page);
    return rc;
}

static const char *sentence(int status)
{
    switch (status) {
    case 301:
        return "The folder is at the same address with a slash behind it.";
    case 403:
        return "The file service may not read this.";
    case 404:
        return "There is no such file or folder here.";
    case 405:
        return "Files can only be read here: by GET and HEAD.";
    case 408:
        return "The request did not arrive in time.";
    case 413:
        return "A request for a file cannot have a body.";
    case 416:
        return "The file has no such bytes.";
    case 503:
        return "The file service is out of resources for a moment. Try again later.";
    default:
        return "The request is not one that the file service can answer.";
    }
}

static int answer_page(struct draft *draft, int status, const char *name, const char *value)
{
    size_t len;
    char *page;
    int rc = cv_page_error(&page, &len, status, sentence(status));

    if (rc < 0)
        return rc;
    begin(draft, status);
    if (name)
        cv_http_text_header(&draft->text, name, value);
    return finish_page(draft, page, len);
}

static int answer_status(struct draft *draft, int status)
{
    return answer_page(draft, status, NULL, NULL);
}

static int answer_errno(struct draft *draft, int error)
{
    switch (-error) {
    case ENOMEM:
        return error;
    case EACCES:
    case EPERM:
        return answer_status(draft, 403);
    case EMFILE:
    case ENFILE:
    case EAGAIN:
        return answer_status(draft, 503);
    default: /* none of it is there, or it leads out of the root */
        return answer_status(draft, 404);
    }
}

/* Appends one decoded segment to the path. Returns 0 or the status to answer with. A slash that
 * came as an escape names nothing, and neither does what begins with a dot: `..` is among that. */
static int add_segment(struct draft *draft, size_t *len, struct cv_slice segment)
{
    char *at = draft->path + *len;
    int n;

    if (*len + 1 >= sizeof(draft->path))
        return 404;
    if (*len)
        *at++ = '/';
    n = cv_http_unescape(at, sizeof(draft->path) - (size_t)(at - draft->path), segment);
    if (n < 0)
        return n == CV_ESYNTAX ? 400 : 404;
    if (n == 0 || *at == '.' || memchr(at, '/', (size_t)n))
        return 404;
    *len = (size_t)(at - draft->path) + (size_t)n;
    return 0;
}

/* Fills in path and slash. An empty segment is only taken at the end: `//host/..` sent back in a
 * Location would lead to another host. */
static int find_path(struct draft *draft)
{
    struct cv_slice path, query, segment;
    size_t len = 0;
    int status = 0;

    if (cv_http_target_split(draft->request->target, &path, &query) < 0)
        return 400;
    while (status == 0 && cv_http_path_next(&path, &segment)) {
        if (segment.len == 0 && path.len == 0)
            draft->slash = true;
        else
            status = add_segment(draft, &len, segment);
    }
    return status;
}

static int answer_redirect(struct draft *draft)
{
    struct cv_slice path, query;
    char location[CV_HTTP_LINE_MAX + 2];
    struct cv_text text;

    if (cv_http_target_split(draft->request->target, &path, &query) < 0)
        return answer_status(draft, 400);
    cv_text_init(&text, location, sizeof(location));
    cv_text_bytes(&text, path.at, path.len);
    cv_text_str(&text, "/");
    if (query.at) {
        cv_text_str(&text, "?");
        cv_text_bytes(&text, query.at, query.len);
    }
    return answer_page(draft, 301, "Location", location);
}

static int answer_folder(struct draft *draft)
{
    size_t len;
    char *page;
    int rc = cv_page_folder(&page, &len, draft->root_fd, draft->path);

    if (rc < 0)
        return answer_errno(draft, rc);
    begin(draft, 200);
    cv_http_text_header(&draft->text, "Cache-Control", "no-cache");
    return finish_page(draft, page, len);
}

enum range { RANGE_ALL, RANGE_PART, RANGE_NONE };

/* Reads `bytes=a-b`, `bytes=a-` or `bytes=-n`. Several ranges, other units and what cannot be read
 * mean the whole file, as RFC 9110, 14.2, allows. */
static enum range read_range(struct cv_slice text, int64_t size, int64_t *first, int64_t *last)
{
    const char *dash, *end = text.at + text.len;
    bool has_first, has_last;

    if (text.len < 6 || !cv_slice_is((struct cv_slice){text.at, 6}, "bytes="))
        return RANGE_ALL;
    text.at += 6;
    dash = memchr(text.at, '-', (size_t)(end - text.at));
    if (!dash)
        return RANGE_ALL;
    has_first = dash > text.at;
    has_last = dash + 1 < end;
    if (!has_first && !has_last)
        return RANGE_ALL;
    if (has_first && !cv_text_to_i64(text.at, (size_t)(dash - text.at), first))
        return RANGE_ALL;
    if (has_last && !cv_text_to_i64(dash + 1, (size_t)(end - dash - 1), last))
        return RANGE_ALL;
    if (!has_first) {
        if (*last == 0 || size == 0)
            return RANGE_NONE;
        *first = *last < size ? size - *last : 0;
        has_last = false;
    }
    if (has_last && *last < *first)
        return RANGE_ALL;
    if (*first >= size)
        return RANGE_NONE;
    if (!has_last || *last >= size)
        *last = size - 1;
    return RANGE_PART;
}

/* Whether the request's Range counts: not for HEAD, and not when If-Range names another state of
 * the file. */
static const struct cv_slice *range_header(const struct draft *draft, const char *modified)
{
    const struct cv_slice *condition = cv_http_find(draft->request, "if-range");

    if (draft->head_only || (condition && !cv_slice_is(*condition, modified)))
        return NULL;
    return cv_http_find(draft->request, "range");
}

static bool not_modified(const struct draft *draft, time_t changed)
{
    const struct cv_slice *since = cv_http_find(draft->request, "if-modified-since");
    time_t when;

    /* If-None-Match outranks it, and we hand out no tags that could match */
    return since && !cv_http_find(draft->request, "if-none-match") && read_date(&when, *since) &&
           changed <= when;
}

/* `bytes 0-9/10`, or `bytes *` and the size when @last is negative. */
static void write_content_range(char *out, size_t room, int64_t first, int64_t last, int64_t size)
{
    struct cv_text text;

    cv_text_init(&text, out, room);
    cv_text_str(&text, "bytes ");
    if (last < 0) {
        cv_text_str(&text, "*");
    } else {
        cv_text_i64(&text, first);
        cv_text_str(&text, "-");
        cv_text_i64(&text, last);
    }
    cv_text_str(&text, "/");
    cv_text_i64(&text, size);
}

/* Takes @fd. */
static int answer_file(struct draft *draft, int fd, const struct stat *st, const char *name)
{
    struct cv_file_answer *answer = draft->answer;
    char modified[DATE_ROOM], content_range[80];
    const struct cv_slice *wanted;
    int64_t first = 0, last = st->st_size - 1;
    enum range range;

    answer->fd = fd;
    write_date(modified, st->st_mtime);
    if (not_modified(draft, st->st_mtime)) {
        begin(draft, 304);
        cv_http_text_header(&draft->text, "Last-Modified", modified);
        return finish(draft, NULL, 0);
    }
    wanted = range_header(draft, modified);
    range = wanted ? read_range(*wanted, st->st_size, &first, &last) : RANGE_ALL;
    if (range == RANGE_NONE) {
        write_content_range(content_range, sizeof(content_range), 0, -1, st->st_size);
        return answer_page(draft, 416, "Content-Range", content_range);
    }
    if (range == RANGE_ALL) { /* a range that was given up half read */
        first = 0;
        last = st->st_size - 1;
    }
    begin(draft, range == RANGE_PART ? 206 : 200);
    cv_http_text_header(&draft->text, "Content-Type", cv_mime_type(name));
    cv_http_text_header(&draft->text, "Last-Modified", modified);
    cv_http_text_header(&draft->text, "Accept-Ranges", "bytes");
    cv_http_text_number(&draft->text, "Content-Length", (uint64_t)(last + 1 - first));
    if (range == RANGE_PART) {
        write_content_range(content_range, sizeof(content_range), first, last, st->st_size);
        cv_http_text_header(&draft->text, "Content-Range", content_range);
    }
    answer->at = first;
    answer->left = draft->head_only ? 0 : (uint64_t)(last + 1 - first);
    return finish(draft, NULL, 0);
}

/* Opens @path for reading and looks at it. Returns a descriptor or -errno. */
static int open_and_look(const struct draft *draft, const char *path, struct stat *st)
{
    int fd = cv_open_beneath(draft->root_fd, path, O_RDONLY);

    if (fd >= 0 && fstat(fd, st) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

/* A folder is its index.html when that is a file, else a page that lists it. */
static int answer_index(struct draft *draft)
{
    size_t len = strlen(draft->path);
    char path[PATH_MAX + 16];
    struct cv_text text;
    struct stat st;
    int fd;

    cv_text_init(&text, path, sizeof(path));
    cv_text_bytes(&text, draft->path, len);
    cv_text_str(&text, len ? "/index.html" : "index.html");
    fd = open_and_look(draft, path, &st);
    if (fd >= 0 && S_ISREG(st.st_mode))
        return answer_file(draft, fd, &st, path);
    if (fd >= 0)
        close(fd);
    if (fd == -EACCES)
        return answer_status(draft, 403);
    return answer_folder(draft);
}

static int answer_path(struct draft *draft)
{
    struct stat st;
    int fd = open_and_look(draft, draft->path, &st);

    if (fd < 0)
        return answer_errno(draft, fd);
    if (S_ISREG(st.st_mode) && !draft->slash)
        return answer_file(draft, fd, &st, draft->path);
    close(fd);
    if (!S_ISDIR(st.st_mode))
        return answer_status(draft, 404);
    return draft->slash ? answer_index(draft) : answer_redirect(draft);
}

static int answer_request(struct draft *draft)
{
    const struct cv_http_head *request = draft->request;
    bool body = request->chunked || request->content_length > 0;
    int status;

    if (body) /* which we do not read, so nothing behind it can be a request */
        draft->answer->last = true;
    if (!draft->head_only && !cv_slice_is(request->method, "get"))
        return answer_page(draft, 405, "Allow", "GET, HEAD");
    if (body)
        return answer_status(draft, 413);
    status = find_path(draft);
    return status ? answer_status(draft, status) : answer_path(draft);
}

int cv_file_answer(struct cv_file_answer *out, int root_fd, const struct cv_http_head *request)
{
    struct draft draft = {.answer = out, .root_fd = root_fd, .request = request};
    int rc;

    *out = (struct cv_file_answer){.fd = -1, .last = !request->keep_alive};
    draft.head_only = cv_slice_is(request->method, "head");
    rc = answer_request(&draft);
    if (rc < 0)
        cv_file_answer_clear(out);
    return rc;
}

int cv_file_answer_refusal(struct cv_file_answer *out, int status)
{
    struct draft draft = {.answer = out, .root_fd = -1};

    *out = (struct cv_file_answer){.fd = -1, .last = true};
    return answer_status(&draft, status);
}
