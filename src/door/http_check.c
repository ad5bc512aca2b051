#include "door/http_check.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

int cv_http_refuse(struct cv_http_head *head, int code, int refusal, const char *error)
{
    head->error = error;
    head->refusal = refusal;
    return code;
}

static int bad(struct cv_http_head *head, const char *error)
{
    return cv_http_refuse(head, CV_ESYNTAX, 400, error);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool cv_slice_equal(struct cv_slice a, struct cv_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

bool cv_slice_is(struct cv_slice slice, const char *text)
{
    return cv_slice_equal(slice, (struct cv_slice){text, strlen(text)});
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

bool cv_http_is_token(struct cv_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_alnum(text.at[i]) && (!text.at[i] || !strchr("!#$%&'*+-.^_`|~", text.at[i])))
            return false;
    return text.len > 0;
}

/* One line of a head that is being looked through. */
struct line {
    size_t start; /* its first byte */
    size_t count; /* lines before it: 0 in the start line */
};

static int check_byte(struct cv_http_head *head, const struct line *line, const char *buf,
                      size_t at)
{
    unsigned char c = (unsigned char)buf[at];

    if (c == '\n')
        return bad(head, "LF without CR");
    if ((c < ' ' && c != '\t') || c == 0x7f)
        return bad(head, "control byte");
    if (c == '\t' && line->count == 0)
        return bad(head, "tab in the start line");
    if (at == line->start && line->count && (c == ' ' || c == '\t'))
        return bad(head, "folded header");
    if (at - line->start >= CV_HTTP_LINE_MAX)
        return cv_http_refuse(head, CV_ETOOLONG, line->count ? 431 : 414, "line too long");
    return 0;
}

int cv_http_check_lines(struct cv_http_head *head, const char *buf, size_t len, size_t *head_len)
{
    struct line line = {0};

    for (size_t i = 0; i < len && i < CV_HTTP_HEAD_MAX; i++) {
        int rc = buf[i] == '\r' ? 0 : check_byte(head, &line, buf, i);

        if (rc)
            return rc;
        if (buf[i] != '\r')
            continue;
        if (i + 1 == len)
            break;
        if (buf[i + 1] != '\n')
            return bad(head, "CR without LF");
        if (i == line.start && line.count == 0)
            return bad(head, "empty line in front of the head");
        i++;
        if (i - 1 == line.start && i < CV_HTTP_HEAD_MAX) {
            *head_len = i + 1;
            return 0;
        }
        line = (struct line){.start = i + 1, .count = line.count + 1};
    }
    if (len >= CV_HTTP_HEAD_MAX)
        return cv_http_refuse(head, CV_ETOOLONG, 431, "head too long");
    return CV_EMORE;
}

static int read_length(struct cv_http_head *head, struct cv_slice value)
{
    if (head->content_length >= 0)
        return bad(head, "more than one Content-Length");
    if (!cv_text_to_i64(value.at, value.len, &head->content_length))
        return bad(head, "Content-Length is not a number");
    return 0;
}

static int read_coding(struct cv_http_head *head, struct cv_slice value)
{
    if (head->chunked)
        return bad(head, "more than one Transfer-Encoding");
    if (!cv_slice_is(value, "chunked"))
        return bad(head, "Transfer-Encoding other than chunked");
    if (head->minor == 0)
        return bad(head, "Transfer-Encoding in HTTP/1.0");
    head->chunked = true;
    return 0;
}

/* RFC 9112, 6.1 and 6.3: these never carry a body, and a length that says so leads another reader
 * astray. A 304 may state the length that a 200 would have had. */
static bool forbids_body(int status)
{
    return (status >= 100 && status < 200) || status == 204;
}

int cv_http_check_framing(struct cv_http_head *head)
{
    for (size_t i = 0; i < head->header_count; i++) {
        const struct cv_http_header *header = &head->headers[i];
        int rc = 0;

        if (cv_slice_is(header->name, "content-length"))
            rc = read_length(head, header->value);
        else if (cv_slice_is(header->name, "transfer-encoding"))
            rc = read_coding(head, header->value);
        if (rc)
            return rc;
    }
    if (head->chunked && head->content_length >= 0)
        return bad(head, "Content-Length beside Transfer-Encoding");
    if (forbids_body(head->status) && (head->chunked || head->content_length > 0))
        return bad(head, "body in a response that cannot have one");
    head->keep_alive = !cv_http_has_token(head, "connection", "close") &&
                       (head->minor == 1 || cv_http_has_token(head, "connection", "keep-alive"));
    head->upgrade = head->minor == 1 && cv_http_has_token(head, "connection", "upgrade") &&
                    cv_http_find(head, "upgrade");
    head->websocket = head->upgrade && cv_http_has_token(head, "upgrade", "websocket");
    return 0;
}

/* host[:port] (RFC 3986, 3.2). User names and empty ports are refused with whatever else is odd. */
struct authority {
    struct cv_slice host; /* an IPv6 address with its brackets */
    int64_t port;         /* -1 when there is none */
};

static bool is_host_char(char c, bool literal)
{
    if (literal)
        return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f') || c == ':' ||
               c == '.';
    return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static bool authority_split(struct authority *out, struct cv_slice text)
{
    bool literal = text.len && text.at[0] == '[';
    size_t at = literal;

    while (at < text.len && is_host_char(text.at[at], literal))
        at++;
    if (at == (size_t)literal)
        return false;
    if (literal && (at == text.len || text.at[at++] != ']'))
        return false;
    *out = (struct authority){.host = {text.at, at}, .port = -1};
    if (at == text.len)
        return true;
    return text.at[at] == ':' && text.len - at <= 6 &&
           cv_text_to_i64(text.at + at + 1, text.len - at - 1, &out->port) && out->port <= 65535;
}

static bool authority_equal(const struct authority *a, const struct authority *b,
                            int64_t default_port)
{
    return cv_slice_equal(a->host, b->host) &&
           (a->port < 0 ? default_port : a->port) == (b->port < 0 ? default_port : b->port);
}

static int find_host(struct cv_http_head *head)
{
    size_t count = 0;

    head->host = (struct cv_slice){head->target.at, 0};
    for (size_t i = 0; i < head->header_count; i++) {
        if (!cv_slice_is(head->headers[i].name, "host"))
            continue;
        head->host = head->headers[i].value;
        count++;
    }
    if (count > 1)
        return bad(head, "more than one Host");
    if (count == 0 && head->minor == 1)
        return bad(head, "no Host");
    return 0;
}

static bool has_prefix(struct cv_slice text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && cv_slice_is((struct cv_slice){text.at, len}, prefix);
}

/* Finds the authority of an absolute form, or CONNECT's. False when @target has none or an odd one.
 */
static bool target_authority(struct authority *out, const struct cv_http_head *head,
                             int64_t *default_port)
{
    struct cv_slice rest = head->target;
    size_t len = 0;

    if (cv_slice_is(head->method, "connect")) {
        bool fine = authority_split(out, rest) && out->port > 0;

        *default_port = out->port;
        return fine;
    }
    *default_port = has_prefix(rest, "https://") ? 443 : 80;
    if (*default_port == 80 && !has_prefix(rest, "http://"))
        return false;
    rest.at = (const char *)memchr(rest.at, '/', rest.len) + 2;
    rest.len -= (size_t)(rest.at - head->target.at);
    while (len < rest.len && rest.at[len] != '/' && rest.at[len] != '?')
        len++;
    return authority_split(out, (struct cv_slice){rest.at, len});
}

/* Whether a body comes with a CONNECT: what follows its head is the tunnel's. */
static bool connect_with_body(const struct cv_http_head *head)
{
    return cv_slice_is(head->method, "connect") && (head->chunked || head->content_length > 0);
}

static int check_target_bytes(struct cv_http_head *head)
{
    for (size_t i = 0; i < head->target.len; i++)
        if (head->target.at[i] <= ' ' || head->target.at[i] >= 0x7f || head->target.at[i] == '#')
            return bad(head, "odd byte in the target");
    return 0;
}

int cv_http_check_target(struct cv_http_head *head)
{
    struct authority host = {0}, target = {0};
    int64_t default_port = -1;
    int rc = check_target_bytes(head);

    if (rc == 0)
        rc = find_host(head);
    if (rc)
        return rc;
    if (cv_http_find(head, "host") && !authority_split(&host, head->host))
        return bad(head, "odd Host");
    if (connect_with_body(head))
        return bad(head, "CONNECT with a body");
    if (cv_slice_is(head->method, "options") && cv_slice_is(head->target, "*"))
        return 0;
    if (head->target.at[0] == '/' && !cv_slice_is(head->method, "connect"))
        return 0;
    if (!target_authority(&target, head, &default_port))
        return bad(head, "odd target");
    if (head->host.len && !authority_equal(&host, &target, default_port))
        return bad(head, "Host differs from the target");
    return 0;
}

bool cv_http_is_cross_site(const struct cv_http_head *head)
{
    const struct cv_slice *origin = cv_http_find(head, "origin");
    struct authority host = {0}, site = {0};
    bool tls;
    size_t skip;

    if (!origin)
        return false;
    tls = has_prefix(*origin, "https://");
    skip = strlen(tls ? "https://" : "http://");
    if (!tls && !has_prefix(*origin, "http://"))
        return true;
    return !authority_split(&site, (struct cv_slice){origin->at + skip, origin->len - skip}) ||
           !authority_split(&host, head->host) || !authority_equal(&site, &host, tls ? 443 : 80);
}
