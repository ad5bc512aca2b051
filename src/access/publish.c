#include "access/publish.h"

#include <string.h>

#include "access/pattern.h"
#include "base/error.h"

static int refuse(const char **problem, const char *text)
{
    *problem = text;
    return CV_ESYNTAX;
}

static struct cv_span without_root(struct cv_span name)
{
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    return name;
}

/* Ports by the rules of patterns, as if a host stood before the colon. */
static bool pattern_tcp(struct cv_publish *out, struct cv_span text)
{
    struct cv_pattern pattern;
    const char *problem;

    if (cv_pattern_parse(&pattern, text.at, text.len, &problem) < 0)
        return false;
    out->port_low = pattern.port_low;
    out->port_high = pattern.port_high;
    if (out->port_low == 1 && out->port_high == UINT16_MAX)
        out->port_low = CV_PUBLISH_PORT_FREE;
    return true;
}

static bool pattern_http(struct cv_publish *out, struct cv_span name)
{
    out->http = true;
    out->any = cv_span_take(&name, "*");
    out->name = without_root(name);
    if (out->any && name.len == 0)
        return true;
    if (out->any && !cv_span_take(&name, "."))
        return false;
    return cv_name_valid(name);
}

int cv_publish_parse(struct cv_publish *out, struct cv_span text, const char **problem)
{
    struct cv_span left = text;
    bool valid = false;

    *out = (struct cv_publish){0};
    if (cv_span_take(&left, "tcp:"))
        valid = pattern_tcp(out, text);
    else if (cv_span_take(&left, "http:"))
        valid = pattern_http(out, left);
    return valid ? 0
                 : refuse(problem, "not tcp:PORT, tcp:8000-8100, tcp:*, http:NAME or http:*.NAME");
}

static int read_name(struct cv_publication *out, struct cv_span name, const char **problem)
{
    out->http = true;
    out->name = without_root(name);
    return cv_name_valid(name) ? 0 : refuse(problem, "behind http: stands no name");
}

static int read_what(struct cv_publication *out, struct cv_span what, const char **problem)
{
    out->what = what;
    if (cv_span_take(&what, "http:"))
        return read_name(out, what, problem);
    if (!cv_span_take(&what, "tcp:"))
        return refuse(problem, "needs the form tcp:PORT=HOST:PORT or http:NAME=HOST:PORT");
    if (!cv_port_parse(&out->port, what, 1))
        return refuse(problem, "behind tcp: stands no port from 1 to 65535");
    return 0;
}

int cv_publication_parse(struct cv_publication *out, struct cv_span text, const char **problem)
{
    const char *sign = text.len ? memchr(text.at, '=', text.len) : NULL;
    int rc;

    *out = (struct cv_publication){.http = false};
    if (text.len > CV_PUBLISH_TEXT_MAX)
        return refuse(problem, "longer than 540 bytes");
    if (!sign)
        return refuse(problem, "needs the form tcp:PORT=HOST:PORT or http:NAME=HOST:PORT");
    rc = read_what(out, (struct cv_span){text.at, (size_t)(sign - text.at)}, problem);
    if (rc < 0)
        return rc;
    out->address = (struct cv_span){sign + 1, text.len - out->what.len - 1};
    rc = cv_target_parse(&out->target, out->address.at, out->address.len, problem);
    if (rc < 0)
        return rc;
    if (out->target.host != out->address.at + (out->address.at[0] == '['))
        return refuse(problem, "the target is not HOST:PORT alone");
    return 0;
}

bool cv_publication_same(const struct cv_publication *a, const struct cv_publication *b)
{
    if (a->http != b->http)
        return false;
    return a->http ? cv_span_same(a->name, b->name) : a->port == b->port;
}

bool cv_publish_permits(const struct cv_publish *pattern, const struct cv_publication *asked)
{
    struct cv_span name = asked->name;

    if (pattern->http != asked->http)
        return false;
    if (!pattern->http)
        return pattern->port_low <= asked->port && asked->port <= pattern->port_high;
    if (!pattern->any)
        return cv_span_same(pattern->name, name);
    if (name.len < pattern->name.len)
        return false;
    name.at += name.len - pattern->name.len;
    name.len = pattern->name.len;
    return cv_span_same(pattern->name, name);
}
