#include "access/target.h"

#include <string.h>

#include "access/ip.h"
#include "base/error.h"
#include "base/text.h"

const char *cv_proto_name(enum cv_proto proto)
{
    switch (proto) {
    case CV_PROTO_TCP:
        return "tcp";
    case CV_PROTO_UDP:
        return "udp";
    case CV_PROTO_UNIX:
        return "unix";
    }
    return "";
}

const char *cv_span_last(struct cv_span text, char byte)
{
    for (size_t i = text.len; i > 0; i--)
        if (text.at[i - 1] == byte)
            return text.at + i - 1;
    return NULL;
}

bool cv_span_take(struct cv_span *text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (text->len < len || memcmp(text->at, prefix, len) != 0)
        return false;
    text->at += len;
    text->len -= len;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool cv_span_same(struct cv_span a, struct cv_span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    return true;
}

enum cv_proto cv_proto_take(struct cv_span *text)
{
    if (cv_span_take(text, "unix/"))
        return CV_PROTO_UNIX;
    if (cv_span_take(text, "udp/"))
        return CV_PROTO_UDP;
    (void)cv_span_take(text, "tcp/");
    return CV_PROTO_TCP;
}

/* @text behind its first @skip bytes. */
static struct cv_span rest(struct cv_span text, size_t skip)
{
    return (struct cv_span){text.at + skip, text.len - skip};
}

static int split_brackets(struct cv_span *host, struct cv_span *port, struct cv_span text,
                          const char **problem)
{
    const char *close = memchr(text.at, ']', text.len);
    size_t end = close ? (size_t)(close - text.at) : 0;

    if (!close || end + 1 >= text.len || text.at[end + 1] != ':') {
        *problem = "an IPv6 address is written [ADDRESS]:PORT";
        return CV_ESYNTAX;
    }
    *host = (struct cv_span){text.at + 1, end - 1};
    *port = rest(text, end + 2);
    return 0;
}

int cv_host_split(struct cv_span *host, struct cv_span *port, bool *bracketed, struct cv_span text,
                  const char **problem)
{
    const char *colon = cv_span_last(text, ':');

    *bracketed = text.len > 0 && text.at[0] == '[';
    if (*bracketed)
        return split_brackets(host, port, text, problem);
    if (!colon) {
        *problem = "needs the form HOST:PORT";
        return CV_ESYNTAX;
    }
    *host = (struct cv_span){text.at, (size_t)(colon - text.at)};
    *port = rest(text, host->len + 1);
    if (host->len && memchr(host->at, ':', host->len)) {
        *problem = "an IPv6 address is written [ADDRESS]:PORT";
        return CV_ESYNTAX;
    }
    return 0;
}

bool cv_port_parse(uint16_t *out, struct cv_span text, unsigned min)
{
    int64_t value;

    if (text.len > 5 || !cv_text_to_i64(text.at, text.len, &value) || value < min || value > 65535)
        return false;
    *out = (uint16_t)value;
    return true;
}

static bool name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

bool cv_name_valid(struct cv_span host)
{
    size_t label = 0;

    if (host.len && host.at[host.len - 1] == '.')
        host.len--;
    if (host.len == 0 || host.len > CV_HOST_MAX)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        if (host.at[i] == '.' && label > 0)
            label = 0;
        else if (!name_byte(host.at[i]) || ++label > 63)
            return false;
    }
    return label > 0;
}

const char *cv_unix_path_problem(struct cv_span path)
{
    if (path.len == 0 || path.at[0] != '/')
        return "the path of a socket is absolute: unix//run/app.sock";
    if (path.len > CV_UNIX_PATH_MAX)
        return "the path of a socket has 107 bytes at most";
    if (memchr(path.at, '\0', path.len))
        return "the path holds a NUL byte";
    return NULL;
}

static bool host_valid(struct cv_span host, bool bracketed)
{
    struct cv_ip address;

    if (!bracketed)
        return cv_name_valid(host);
    return cv_ip_parse(&address, host.at, host.len) && address.family == 6;
}

int cv_target_parse(struct cv_target *out, const char *text, size_t len, const char **problem)
{
    struct cv_span left = {text, len}, host, port;
    bool bracketed;
    int rc;

    *out = (struct cv_target){.proto = cv_proto_take(&left)};
    if (out->proto == CV_PROTO_UNIX) {
        *problem = cv_unix_path_problem(left);
        out->host = left.at;
        out->host_len = left.len;
        return *problem ? CV_ESYNTAX : 0;
    }
    rc = cv_host_split(&host, &port, &bracketed, left, problem);
    if (rc < 0)
        return rc;
    if (!host_valid(host, bracketed)) {
        *problem = "the host is neither a name nor an address";
        return CV_ESYNTAX;
    }
    if (!cv_port_parse(&out->port, port, 1)) {
        *problem = "the port is not a number from 1 to 65535";
        return CV_ESYNTAX;
    }
    out->host = host.at;
    out->host_len = host.len;
    return 0;
}
