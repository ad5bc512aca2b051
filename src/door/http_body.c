#include "door/http_body.h"

#include <string.h>

#include "base/error.h"
#include "door/http_check.h"

#define CHUNK_MAX (UINT64_C(1) << 60)

/* What comes next of a chunked body. */
enum state {
    SIZE_FIRST, /* the first digit of a chunk's size */
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE_FIRST, /* the first byte of a trailer, or the last line */
    NAME,
    VALUE,
    VALUE_LF,
    LAST_LF,
};

static void start(struct cv_http_body *out, enum cv_http_framing framing, uint64_t left)
{
    *out = (struct cv_http_body){.framing = framing, .left = left, .state = SIZE_FIRST};
    out->done = framing == CV_HTTP_NO_BODY || (framing == CV_HTTP_LENGTH && left == 0);
}

void cv_http_body_of_request(struct cv_http_body *out, const struct cv_http_head *head)
{
    if (head->chunked)
        start(out, CV_HTTP_CHUNKED, 0);
    else if (head->content_length >= 0)
        start(out, CV_HTTP_LENGTH, (uint64_t)head->content_length);
    else
        start(out, CV_HTTP_NO_BODY, 0);
}

void cv_http_body_of_response(struct cv_http_body *out, const struct cv_http_head *head,
                              bool to_head)
{
    if (to_head || head->status < 200 || head->status == 204 || head->status == 304)
        start(out, CV_HTTP_NO_BODY, 0);
    else if (!head->chunked && head->content_length < 0)
        start(out, CV_HTTP_CLOSE, 0);
    else
        cv_http_body_of_request(out, head);
}

static int fail(struct cv_http_body *body, int code, const char *error)
{
    body->error = error;
    return code;
}

/* Up to `left` bytes are payload. */
static int take_payload(struct cv_http_body *body, const char *buf, size_t len,
                        struct cv_slice *payload)
{
    if (len > body->left)
        len = (size_t)body->left;
    *payload = (struct cv_slice){buf, len};
    body->left -= len;
    return (int)len;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_text(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

static int take_size(struct cv_http_body *body, char c)
{
    int digit = digit_of(c);

    if (digit >= 0) {
        if (body->left >= CHUNK_MAX / 16)
            return fail(body, CV_ETOOLONG, "a chunk that is too large");
        body->left = body->left * 16 + (unsigned)digit;
        body->state = SIZE;
        return 0;
    }
    if (body->state == SIZE_FIRST || (c != ';' && c != '\r'))
        return fail(body, CV_ESYNTAX, "a chunk's size is not a number");
    body->state = c == ';' ? EXTENSION : SIZE_LF;
    return 0;
}

/* One byte of the line in front of a chunk. */
static int take_chunk_line(struct cv_http_body *body, char c)
{
    if (++body->line > CV_HTTP_CHUNK_LINE_MAX)
        return fail(body, CV_ETOOLONG, "a chunk's line is too long");
    if (body->state == SIZE_FIRST || body->state == SIZE)
        return take_size(body, c);
    if (body->state == EXTENSION) {
        if (c == '\r')
            body->state = SIZE_LF;
        else if (!is_text(c))
            return fail(body, CV_ESYNTAX, "control byte in a chunk's line");
        return 0;
    }
    if (c != '\n')
        return fail(body, CV_ESYNTAX, "CR without LF in a chunk's line");
    body->state = body->left ? DATA : LINE_FIRST;
    body->line = 0;
    return 0;
}

static bool is_name(char c)
{
    return cv_http_is_token((struct cv_slice){&c, 1});
}

/* One byte of a trailer, whose form is checked although nobody reads it: another reader might. */
static int take_trailer(struct cv_http_body *body, char c)
{
    static const char odd[] = "odd trailer";

    switch ((enum state)body->state) {
    case LINE_FIRST:
        body->state = c == '\r' ? LAST_LF : NAME;
        return c == '\r' || is_name(c) ? 0 : fail(body, CV_ESYNTAX, odd);
    case NAME:
        body->state = c == ':' ? VALUE : NAME;
        return c == ':' || is_name(c) ? 0 : fail(body, CV_ESYNTAX, odd);
    case VALUE:
        body->state = c == '\r' ? VALUE_LF : VALUE;
        return c == '\r' || is_text(c) ? 0 : fail(body, CV_ESYNTAX, odd);
    case VALUE_LF:
        body->state = LINE_FIRST;
        return c == '\n' ? 0 : fail(body, CV_ESYNTAX, odd);
    case LAST_LF:
        body->done = true;
        return c == '\n' ? 0 : fail(body, CV_ESYNTAX, odd);
    case SIZE_FIRST:
    case SIZE:
    case EXTENSION:
    case SIZE_LF:
    case DATA:
    case DATA_CR:
    case DATA_LF:
        break;
    }
    return fail(body, CV_ESYNTAX, odd);
}

/* One byte that is no payload. */
static int take_byte(struct cv_http_body *body, char c)
{
    if (body->state <= SIZE_LF)
        return take_chunk_line(body, c);
    if (body->state == DATA_CR || body->state == DATA_LF) {
        if (c != (body->state == DATA_CR ? '\r' : '\n'))
            return fail(body, CV_ESYNTAX, "a chunk does not end where it says");
        body->state = body->state == DATA_CR ? DATA_LF : SIZE_FIRST;
        return 0;
    }
    if (++body->line > CV_HTTP_TRAILERS_MAX)
        return fail(body, CV_ETOOLONG, "trailers are too long");
    return take_trailer(body, c);
}

static int read_chunked(struct cv_http_body *body, const char *buf, size_t len,
                        struct cv_slice *payload)
{
    size_t at = 0;

    while (at < len && !body->done && body->state != DATA) {
        int rc = take_byte(body, buf[at++]);

        if (rc < 0)
            return rc;
    }
    if (at == len || body->done)
        return (int)at;
    at += (size_t)take_payload(body, buf + at, len - at, payload);
    if (body->left == 0)
        body->state = DATA_CR;
    return (int)at;
}

int cv_http_body_read(struct cv_http_body *body, const char *buf, size_t len,
                      struct cv_slice *payload)
{
    int n;

    *payload = (struct cv_slice){buf, 0};
    if (body->error)
        return CV_ESYNTAX;
    if (body->done)
        return 0;
    switch (body->framing) {
    case CV_HTTP_NO_BODY:
        return 0;
    case CV_HTTP_LENGTH:
        n = take_payload(body, buf, len, payload);
        body->done = body->left == 0;
        return n;
    case CV_HTTP_CHUNKED:
        return read_chunked(body, buf, len, payload);
    case CV_HTTP_CLOSE:
        *payload = (struct cv_slice){buf, len};
        return (int)len;
    }
    return 0;
}

size_t cv_http_chunk_head(char out[CV_HTTP_CHUNK_HEAD_MAX], size_t len)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 1;

    while (count < 16 && len >> (4 * count))
        count++;
    for (size_t i = 0; i < count; i++)
        out[i] = digits[(len >> (4 * (count - 1 - i))) & 15];
    memcpy(out + count, "\r\n", 2);
    return count + 2;
}
