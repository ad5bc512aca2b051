#include "door/absolute.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char scheme[] = "http://";
#define SCHEME_LEN (sizeof(scheme) - 1)

bool cv_absolute_is(const struct cv_http_head *head)
{
    return head->target.len && head->target.at[0] != '/' &&
           memchr(head->target.at, ':', head->target.len) && !cv_slice_is(head->method, "CONNECT");
}

int cv_absolute_address(const struct cv_http_head *head, char out[CV_ABSOLUTE_ADDRESS_MAX])
{
    struct cv_slice target = head->target;
    struct cv_text text;
    bool has_port = false;
    size_t at = SCHEME_LEN;

    if (target.len <= SCHEME_LEN || !cv_slice_is((struct cv_slice){target.at, SCHEME_LEN}, scheme))
        return CV_ESYNTAX;
    for (; at < target.len && target.at[at] != '/' && target.at[at] != '?'; at++)
        has_port = target.at[at] == ']' ? false : has_port || target.at[at] == ':';
    cv_text_init(&text, out, CV_ABSOLUTE_ADDRESS_MAX);
    cv_text_bytes(&text, target.at + SCHEME_LEN, at - SCHEME_LEN);
    cv_text_str(&text, has_port ? "" : ":80");
    return at == SCHEME_LEN || text.truncated ? CV_ESYNTAX : 0;
}

/* Headers that are between the visitor and the proxy (RFC 9110, 7.6.1). */
static bool is_hop(const struct cv_http_head *head, struct cv_slice name)
{
    static const char proxy[] = "proxy-";
    char token[64];

    if (cv_slice_is(name, "connection") || cv_slice_is(name, "keep-alive") ||
        cv_slice_is(name, "te") || cv_slice_is(name, "upgrade"))
        return true;
    if (name.len >= sizeof(proxy) - 1 &&
        cv_slice_is((struct cv_slice){name.at, sizeof(proxy) - 1}, proxy))
        return true;
    if (name.len >= sizeof(token))
        return false;
    memcpy(token, name.at, name.len);
    token[name.len] = '\0';
    return !cv_slice_is(name, "host") && !cv_slice_is(name, "content-length") &&
           !cv_slice_is(name, "transfer-encoding") && cv_http_has_token(head, "connection", token);
}

static void write_target(struct cv_text *text, const struct cv_http_head *head)
{
    struct cv_slice path = {"/", 1}, query = {0};

    if (cv_http_target_split(head->target, &path, &query) < 0)
        path = (struct cv_slice){"/", 1};
    cv_text_bytes(text, path.at, path.len);
    if (!query.at)
        return;
    cv_text_str(text, "?");
    cv_text_bytes(text, query.at, query.len);
}

int cv_absolute_rewrite(const struct cv_http_head *head, char *out, size_t size)
{
    struct cv_text text;

    cv_text_init(&text, out, size);
    cv_text_bytes(&text, head->method.at, head->method.len);
    cv_text_str(&text, " ");
    write_target(&text, head);
    cv_text_str(&text, head->minor ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
    for (size_t i = 0; i < head->header_count; i++) {
        const struct cv_http_header *header = &head->headers[i];

        if (is_hop(head, header->name))
            continue;
        cv_text_bytes(&text, header->name.at, header->name.len);
        cv_text_str(&text, ": ");
        cv_text_bytes(&text, header->value.at, header->value.len);
        cv_text_str(&text, "\r\n");
    }
    cv_text_str(&text, "Connection: close\r\n\r\n");
    return text.truncated ? CV_ETOOLONG : (int)text.len;
}
