/* Request and response heads, both readers over the same bytes.
 *
 * Every slice of an accepted head lies inside that head, and no proper prefix of it is accepted. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "door/http.h"

typedef int parse_head(struct cv_http_head *, const char *, size_t, size_t *);

static void require(bool fine)
{
    if (!fine)
        abort();
}

static void check_slice(struct cv_slice slice, const char *buf, size_t len)
{
    require(slice.at >= buf && slice.at <= buf + len);
    require(slice.len <= len - (size_t)(slice.at - buf));
}

static void check_target(struct cv_slice target)
{
    struct cv_slice path, query, segment;
    char text[64];

    if (cv_http_target_split(target, &path, &query) < 0)
        return;
    require(path.len > 0 && path.at[0] == '/');
    while (cv_http_path_next(&path, &segment)) {
        int n = cv_http_unescape(text, sizeof(text), segment);

        require(!memchr(segment.at, '/', segment.len));
        require(n < 0 || (size_t)n == strlen(text));
    }
    require(path.len == 0);
}

static void check_head(const struct cv_http_head *head, const char *buf, size_t len, bool request)
{
    require(len <= CV_HTTP_HEAD_MAX && head->header_count <= CV_HTTP_HEADERS_MAX && !head->error);
    require(memcmp(buf + len - 4, "\r\n\r\n", 4) == 0);
    require(!memchr(buf, '\0', len));
    require(!head->chunked || head->content_length == -1);
    require(!head->websocket || head->upgrade);
    for (size_t i = 0; i < head->header_count; i++) {
        check_slice(head->headers[i].name, buf, len);
        check_slice(head->headers[i].value, buf, len);
        require(!memchr(head->headers[i].value.at, '\r', head->headers[i].value.len));
    }
    if (!request) {
        require(head->status >= 100 && head->status <= 599);
        return;
    }
    check_slice(head->method, buf, len);
    check_slice(head->target, buf, len);
    check_slice(head->host, buf, len);
    require(head->method.len && head->target.len);
    require(head->minor == 0 || head->host.len);
    check_target(head->target);
}

/* Parses from a block of just @len bytes, so that reading behind it is seen. */
static int parse_tight(parse_head *parse, const char *data, size_t len, bool request,
                       size_t *head_len)
{
    struct cv_http_head head;
    char *copy = malloc(len ? len : 1);
    int rc;

    require(copy != NULL);
    if (len)
        memcpy(copy, data, len);
    rc = parse(&head, copy, len, head_len);
    if (rc == 0) {
        require(*head_len <= len);
        check_head(&head, copy, *head_len, request);
    } else {
        require(rc == CV_EMORE || rc == CV_ESYNTAX || rc == CV_ETOOLONG);
        require((rc == CV_EMORE) == (head.error == NULL));
    }
    free(copy);
    return rc;
}

static void check(parse_head *parse, const char *data, size_t len, bool request)
{
    size_t head_len = 0, step, other = 0;

    if (parse_tight(parse, data, len, request, &head_len) != 0)
        return;
    step = head_len / 512 + 1; /* every cut of an ordinary head, a sample of those of a huge one */
    for (size_t cut = 0; cut < head_len; cut += step)
        require(parse_tight(parse, data, cut, request, &other) == CV_EMORE);
    require(parse_tight(parse, data, head_len, request, &other) == 0 && other == head_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(cv_http_request_parse, (const char *)data, size, true);
    check(cv_http_response_parse, (const char *)data, size, false);
    return 0;
}
