#include "door/http_forward.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "door/http_check.h"
#include "door/http_text.h"

static void put(struct cv_text *text, struct cv_slice slice)
{
    cv_text_bytes(text, slice.at, slice.len);
}

static void put_line(struct cv_text *text, struct cv_slice name, struct cv_slice value)
{
    put(text, name);
    cv_text_str(text, ": ");
    put(text, value);
    cv_text_str(text, "\r\n");
}

static void put_header(struct cv_text *text, const char *name, struct cv_slice value)
{
    put_line(text, (struct cv_slice){name, strlen(name)}, value);
}

static bool is_one_of(struct cv_slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cv_slice_is(name, names[i]))
            return true;
    return false;
}

static bool starts_with(struct cv_slice name, const char *prefix, size_t len)
{
    return name.len >= len && cv_slice_is((struct cv_slice){name.at, len}, prefix);
}

#define STARTS_WITH(name, prefix) starts_with((name), (prefix), sizeof(prefix) - 1)

/* Whether a header belongs to the connection, or is written anew. */
static bool stays(const struct cv_http_head *head, struct cv_slice name)
{
    static const char *const names[] = {"connection", "content-length",    "keep-alive", "te",
                                        "trailer",    "transfer-encoding", "upgrade"};

    return is_one_of(name, names, sizeof(names) / sizeof(names[0])) ||
           STARTS_WITH(name, "proxy-") || cv_http_list_holds(head, "connection", name);
}

static bool stays_with_request(const struct cv_http_head *head, struct cv_slice name)
{
    static const char *const names[] = {"host", "forwarded", "x-culvert-token"};

    return is_one_of(name, names, sizeof(names) / sizeof(names[0])) ||
           STARTS_WITH(name, "x-forwarded-") || STARTS_WITH(name, "x-api-tunnel-") ||
           stays(head, name);
}

static int finish(struct cv_text *text)
{
    cv_text_str(text, "\r\n");
    return text->truncated ? CV_ETOOLONG : (int)text->len;
}

static void put_framing(struct cv_text *text, bool chunked, int64_t length)
{
    if (chunked) {
        cv_text_str(text, "Transfer-Encoding: chunked\r\n");
    } else if (length >= 0) {
        cv_text_str(text, "Content-Length: ");
        cv_text_i64(text, length);
        cv_text_str(text, "\r\n");
    }
}

static void put_upgrade(struct cv_text *text)
{
    cv_text_str(text, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
}

int cv_http_forward_request(char *out, size_t size, const struct cv_http_head *head,
                            const struct cv_http_forward *how)
{
    struct cv_text text;

    cv_text_init(&text, out, size);
    put(&text, head->method);
    cv_text_str(&text, " ");
    put(&text, how->path);
    if (how->query.at) {
        cv_text_str(&text, "?");
        put(&text, how->query);
    }
    cv_text_str(&text, " HTTP/1.1\r\n");
    put_header(&text, "Host", how->host);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct cv_http_header *header = &head->headers[i];

        if (!stays_with_request(head, header->name))
            put_line(&text, header->name, header->value);
    }
    if (how->from.len)
        put_header(&text, "X-Forwarded-For", how->from);
    if (how->asked.len)
        put_header(&text, "X-Forwarded-Host", how->asked);
    cv_text_str(&text, how->https ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n");
    put_framing(&text, head->chunked, head->content_length);
    if (head->websocket)
        put_upgrade(&text);
    return finish(&text);
}

int cv_http_forward_response(char *out, size_t size, const struct cv_http_head *head,
                             const struct cv_http_reply *how)
{
    bool chunked = how->framing == CV_HTTP_CHUNKED;
    struct cv_text text;

    cv_text_init(&text, out, size);
    cv_text_str(&text, "HTTP/1.1 ");
    cv_text_i64(&text, head->status);
    cv_text_str(&text, " ");
    put(&text, head->reason);
    cv_text_str(&text, "\r\n");
    for (size_t i = 0; i < head->header_count; i++) {
        const struct cv_http_header *header = &head->headers[i];

        if (!stays(head, header->name))
            put_line(&text, header->name, header->value);
    }
    put_framing(&text, chunked, chunked ? -1 : head->content_length);
    if (head->status == 101)
        put_upgrade(&text);
    else if (how->close)
        cv_text_str(&text, "Connection: close\r\n");
    else if (how->keep_alive_said)
        cv_text_str(&text, "Connection: keep-alive\r\n");
    return finish(&text);
}
