#include "ws/handshake.h"

#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* A header's name: a token of RFC 9110, 5.6.2. */
static bool is_token(const char *text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (const char *c = text; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');

        if (!letter && !(*c >= '0' && *c <= '9') && !strchr(marks, *c))
            return false;
    }
    return *text != '\0';
}

/* Whether no byte of @text can end the line that it stands in: no control character but the tab. */
static bool is_value(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (((uint8_t)*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    }
    return true;
}

/* As is_value(), and no blank, which would end a part of the request line. */
static bool is_word(const char *text)
{
    return *text && is_value(text) && !strpbrk(text, " \t");
}

static void put_header(struct cv_text *text, const char *name, const char *value)
{
    cv_text_str(text, name);
    cv_text_str(text, ": ");
    cv_text_str(text, value);
    cv_text_str(text, "\r\n");
}

static int put_headers(struct cv_text *text, const struct cv_ws_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_token(headers[i].name) || !is_value(headers[i].value))
            return CV_ESYNTAX;
        put_header(text, headers[i].name, headers[i].value);
    }
    cv_text_str(text, "\r\n");
    return text->truncated ? CV_ETOOLONG : (int)text->len;
}

int cv_ws_request_encode(char *out, size_t size, const struct cv_ws_request *request)
{
    struct cv_text text;

    if (!is_word(request->host) || !is_word(request->target) || request->target[0] != '/' ||
        !is_word(request->key))
        return CV_ESYNTAX;
    if (size == 0)
        return CV_ETOOLONG;
    cv_text_init(&text, out, size);
    cv_text_str(&text, "GET ");
    cv_text_str(&text, request->target);
    cv_text_str(&text, " HTTP/1.1\r\n");
    put_header(&text, "Host", request->host);
    put_header(&text, "Upgrade", "websocket");
    put_header(&text, "Connection", "Upgrade");
    put_header(&text, "Sec-WebSocket-Key", request->key);
    put_header(&text, "Sec-WebSocket-Version", "13");
    return put_headers(&text, request->headers, request->header_count);
}

int cv_ws_response_encode(char *out, size_t size, const char *accept,
                          const struct cv_ws_header *headers, size_t header_count)
{
    struct cv_text text;

    if (!is_word(accept))
        return CV_ESYNTAX;
    if (size == 0)
        return CV_ETOOLONG;
    cv_text_init(&text, out, size);
    cv_text_str(&text, "HTTP/1.1 101 Switching Protocols\r\n");
    put_header(&text, "Upgrade", "websocket");
    put_header(&text, "Connection", "Upgrade");
    put_header(&text, "Sec-WebSocket-Accept", accept);
    return put_headers(&text, headers, header_count);
}
