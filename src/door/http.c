#include "door/http.h"

#include <llhttp.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "door/http_check.h"

/* What the callbacks of llhttp fill in. */
struct split {
    struct cv_http_head *head;
    bool complete;
};

static struct cv_http_head *head_of(llhttp_t *parser)
{
    return ((struct split *)parser->data)->head;
}

/* llhttp may hand out a text in several runs; they touch, since folded headers never come this far.
 */
static void extend(struct cv_slice *slice, const char *at, size_t len)
{
    if (slice->len == 0)
        slice->at = at;
    slice->len = (size_t)(at + len - slice->at);
}

static int on_method(llhttp_t *parser, const char *at, size_t len)
{
    extend(&head_of(parser)->method, at, len);
    return 0;
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
    extend(&head_of(parser)->target, at, len);
    return 0;
}

static int on_reason(llhttp_t *parser, const char *at, size_t len)
{
    extend(&head_of(parser)->reason, at, len);
    return 0;
}

/* Runs of the name of the header that is begun; on_name_complete() counts it. */
static int on_name(llhttp_t *parser, const char *at, size_t len)
{
    struct cv_http_head *head = head_of(parser);

    if (head->header_count == CV_HTTP_HEADERS_MAX)
        return cv_http_refuse(head, -1, 431, "too many headers");
    extend(&head->headers[head->header_count].name, at, len);
    return 0;
}

static int on_name_complete(llhttp_t *parser)
{
    struct cv_http_head *head = head_of(parser);
    struct cv_http_header *header = &head->headers[head->header_count++];

    header->value.at = header->name.at + header->name.len;
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
    struct cv_http_head *head = head_of(parser);

    if (len)
        extend(&head->headers[head->header_count - 1].value, at, len);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    ((struct split *)parser->data)->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t callbacks = {
    .on_method = on_method,
    .on_url = on_target,
    .on_status = on_reason,
    .on_header_field = on_name,
    .on_header_field_complete = on_name_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
};

static int refusal_of(llhttp_errno_t error)
{
    return error == HPE_INVALID_VERSION || error == HPE_PAUSED_H2_UPGRADE ? 505 : 400;
}

/* Has llhttp split a complete head; the fields that follow from the headers are not filled in yet.
 */
static int split(struct cv_http_head *head, llhttp_type_t type, const char *buf, size_t len)
{
    struct split to = {.head = head};
    llhttp_errno_t error;
    llhttp_t parser;

    llhttp_init(&parser, type, &callbacks);
    parser.data = &to;
    error = llhttp_execute(&parser, buf, len);
    if (head->error)
        return CV_ETOOLONG;
    if (error != HPE_PAUSED || !to.complete)
        return cv_http_refuse(head, CV_ESYNTAX, refusal_of(error),
                              parser.reason ? parser.reason : "not an HTTP head");
    if (parser.http_major != 1 || parser.http_minor > 1)
        return cv_http_refuse(head, CV_ESYNTAX, 505, "not HTTP/1.0 or HTTP/1.1");
    head->minor = parser.http_minor;
    head->status = type == HTTP_RESPONSE ? parser.status_code : 0;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the blanks behind the values, and sees that every name begins its line and ends at its
 * colon. */
static int tidy_headers(struct cv_http_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct cv_http_header *header = &head->headers[i];

        if (!cv_http_is_token(header->name) || header->name.at[-1] != '\n' ||
            header->name.at[header->name.len] != ':')
            return cv_http_refuse(head, CV_ESYNTAX, 400, "odd header name");
        while (header->value.len && is_blank(header->value.at[header->value.len - 1]))
            header->value.len--;
    }
    return 0;
}

/* llhttp passes over further blanks in a start line; others take them for a part of the target. */
static int check_request_line(struct cv_http_head *head, const char *buf, size_t len)
{
    const char *end = memchr(buf, '\r', len);

    if (head->method.at != buf || head->target.len == 0 ||
        head->target.at != buf + head->method.len + 1 || head->target.at[-1] != ' ' ||
        end - (head->target.at + head->target.len) != 9 || memcmp(end - 9, " HTTP/1.", 8) != 0)
        return cv_http_refuse(head, CV_ESYNTAX, 400, "odd request line");
    return 0;
}

/* `HTTP/1.x`, one blank, three digits; then nothing, or a blank and the reason. */
static int check_status_line(struct cv_http_head *head, const char *buf)
{
    bool fine = memcmp(buf, "HTTP/1.", 7) == 0 && buf[8] == ' ' && buf[9] >= '1' && buf[9] <= '5';

    for (size_t i = 10; i < 12; i++)
        fine = fine && buf[i] >= '0' && buf[i] <= '9';
    fine = fine && (buf[12] == ' ' || buf[12] == '\r');
    if (!fine)
        return cv_http_refuse(head, CV_ESYNTAX, 400, "odd status line");
    return 0;
}

static int parse(struct cv_http_head *out, llhttp_type_t type, const char *buf, size_t len,
                 size_t *head_len)
{
    int rc;

    *out = (struct cv_http_head){.content_length = -1};
    rc = cv_http_check_lines(out, buf, len, head_len);
    if (rc == 0)
        rc = split(out, type, buf, *head_len);
    if (rc == 0)
        rc = tidy_headers(out);
    if (rc == 0)
        rc = type == HTTP_REQUEST ? check_request_line(out, buf, *head_len)
                                  : check_status_line(out, buf);
    if (rc == 0)
        rc = cv_http_check_framing(out);
    if (rc == 0 && type == HTTP_REQUEST)
        rc = cv_http_check_target(out);
    return rc;
}

int cv_http_request_parse(struct cv_http_head *out, const char *buf, size_t len, size_t *head_len)
{
    return parse(out, HTTP_REQUEST, buf, len, head_len);
}

int cv_http_response_parse(struct cv_http_head *out, const char *buf, size_t len, size_t *head_len)
{
    return parse(out, HTTP_RESPONSE, buf, len, head_len);
}

const struct cv_slice *cv_http_find(const struct cv_http_head *head, const char *name)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (cv_slice_is(head->headers[i].name, name))
            return &head->headers[i].value;
    return NULL;
}

/* Takes the next element off a comma-separated list; it may be empty. False at the end. */
static bool list_next(struct cv_slice *list, struct cv_slice *element)
{
    const char *comma;

    if (list->len == 0)
        return false;
    comma = memchr(list->at, ',', list->len);
    element->at = list->at;
    element->len = comma ? (size_t)(comma - list->at) : list->len;
    list->at += element->len + (comma != NULL);
    list->len -= element->len + (comma != NULL);
    while (element->len && is_blank(element->at[0])) {
        element->at++;
        element->len--;
    }
    while (element->len && is_blank(element->at[element->len - 1]))
        element->len--;
    return true;
}

bool cv_http_list_holds(const struct cv_http_head *head, const char *name, struct cv_slice token)
{
    for (size_t i = 0; i < head->header_count; i++) {
        struct cv_slice list = head->headers[i].value, element;

        if (!cv_slice_is(head->headers[i].name, name))
            continue;
        while (list_next(&list, &element))
            if (cv_slice_equal(element, token))
                return true;
    }
    return false;
}

bool cv_http_has_token(const struct cv_http_head *head, const char *name, const char *token)
{
    return cv_http_list_holds(head, name, (struct cv_slice){token, strlen(token)});
}

int cv_http_target_split(struct cv_slice target, struct cv_slice *path, struct cv_slice *query)
{
    const char *end = target.at + target.len, *at = target.at, *mark;

    if (target.len == 0)
        return CV_ESYNTAX;
    if (*at != '/') {
        const char *slash = memchr(at, '/', target.len);

        if (!slash || end - slash < 2 || slash[1] != '/')
            return CV_ESYNTAX;
        for (at = slash + 2; at < end && *at != '/' && *at != '?';)
            at++;
    }
    mark = memchr(at, '?', (size_t)(end - at));
    *path = (struct cv_slice){at, (size_t)((mark ? mark : end) - at)};
    if (path->len == 0)
        *path = (struct cv_slice){"/", 1};
    *query = mark ? (struct cv_slice){mark + 1, (size_t)(end - mark - 1)} : (struct cv_slice){0};
    return 0;
}

bool cv_http_path_next(struct cv_slice *path, struct cv_slice *segment)
{
    const char *slash;

    if (path->len == 0)
        return false;
    segment->at = path->at + 1;
    segment->len = path->len - 1;
    slash = memchr(segment->at, '/', segment->len);
    if (slash)
        segment->len = (size_t)(slash - segment->at);
    path->at += segment->len + 1;
    path->len -= segment->len + 1;
    return true;
}

int cv_http_unescape(char *out, size_t size, struct cv_slice segment)
{
    size_t n = 0;

    for (size_t i = 0; i < segment.len; i++) {
        int byte = (unsigned char)segment.at[i];

        if (byte == '%') {
            int high = i + 2 < segment.len ? cv_text_hex_digit(segment.at[i + 1]) : -1;
            int low = i + 2 < segment.len ? cv_text_hex_digit(segment.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return CV_ESYNTAX;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte == 0)
            return CV_ESYNTAX;
        if (n + 1 >= size)
            return CV_ETOOLONG;
        out[n++] = (char)byte;
    }
    if (size == 0)
        return CV_ETOOLONG;
    out[n] = '\0';
    return (int)n;
}
