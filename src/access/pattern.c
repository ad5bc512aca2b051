#include "access/pattern.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "base/text.h"

static int refuse(const char **problem, const char *text)
{
    *problem = text;
    return CV_ESYNTAX;
}

static bool is_star(struct cv_span text)
{
    return text.len == 1 && text.at[0] == '*';
}

static int parse_ports(struct cv_pattern *out, struct cv_span text, const char **problem)
{
    const char *dash = text.len ? memchr(text.at, '-', text.len) : NULL;
    size_t low_len = dash ? (size_t)(dash - text.at) : text.len;
    struct cv_span low = {text.at, low_len}, high = low;

    if (is_star(text)) {
        out->port_low = 1;
        out->port_high = UINT16_MAX;
        return 0;
    }
    if (dash)
        high = (struct cv_span){dash + 1, text.len - low_len - 1};
    if (!cv_port_parse(&out->port_low, low, 1) || !cv_port_parse(&out->port_high, high, 1))
        return refuse(problem, "the port is not a number from 1 to 65535, a range 8000-8100 or *");
    if (out->port_low > out->port_high)
        return refuse(problem, "the range of ports runs backwards");
    return 0;
}

/* Whether all bits of @net behind the first @bits are zero. */
static bool net_is_aligned(const struct cv_ip *net, unsigned bits)
{
    struct cv_ip start = {.family = net->family};

    memcpy(start.bytes, net->bytes, bits / 8);
    if (bits % 8)
        start.bytes[bits / 8] = (uint8_t)(net->bytes[bits / 8] & (0xff00 >> bits % 8));
    return cv_ip_equal(net, &start);
}

/* `ADDRESS/BITS`, with @slash at the slash. */
static int parse_net(struct cv_pattern *out, struct cv_span text, const char *slash,
                     const char **problem)
{
    size_t address_len = (size_t)(slash - text.at);
    struct cv_ip net;
    int64_t bits;

    if (!cv_ip_parse(&net, text.at, address_len) ||
        !cv_text_to_i64(slash + 1, text.len - address_len - 1, &bits) ||
        bits > (net.family == 4 ? 32 : 128))
        return refuse(problem, "not a network such as 10.0.0.0/8 or [fd00::/8]");
    if (!net_is_aligned(&net, (unsigned)bits))
        return refuse(problem, "the network has bits set behind its prefix length");
    /* a network inside ::ffff:0:0/96 is one of IPv4, since what is compared with it is normal */
    if (net.family == 6 && bits >= 96 && cv_ip_normal(&net).family == 4) {
        struct cv_ip v4 = {.family = 4};

        memcpy(v4.bytes, net.bytes + 12, 4);
        net = v4;
        bits -= 96;
    }
    out->kind = CV_PATTERN_NET;
    out->net = net;
    out->bits = (uint8_t)bits;
    return 0;
}

/* Whether the last label is one that a resolver may take for a number: `127.1`, `0x7f.1`. */
static bool looks_numeric(struct cv_span name)
{
    const char *dot, *label;
    size_t len;

    if (name.at[name.len - 1] == '.')
        name.len--;
    dot = cv_span_last(name, '.');
    label = dot ? dot + 1 : name.at;
    len = name.len - (size_t)(label - name.at);
    if (len > 1 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
        return true;
    for (size_t i = 0; i < len; i++)
        if (label[i] < '0' || label[i] > '9')
            return false;
    return true;
}

static int parse_host(struct cv_pattern *out, struct cv_span host, bool bracketed,
                      const char **problem)
{
    const char *slash = host.len ? memchr(host.at, '/', host.len) : NULL;

    if (is_star(host) && !bracketed) {
        out->kind = CV_PATTERN_ANY;
        return 0;
    }
    if (slash)
        return parse_net(out, host, slash, problem);
    if (cv_ip_parse(&out->net, host.at, host.len) && bracketed == (out->net.family == 6)) {
        out->kind = CV_PATTERN_ADDRESS;
        out->net = cv_ip_normal(&out->net);
        return 0;
    }
    if (bracketed)
        return refuse(problem, "no IPv6 address stands in the brackets");
    if (!cv_name_valid(host))
        return refuse(problem, "the host is no name, address, network or *");
    if (looks_numeric(host))
        return refuse(problem, "the host looks like an address but is none");
    if (host.at[host.len - 1] == '.')
        host.len--;
    out->kind = CV_PATTERN_NAME;
    out->name = host;
    return 0;
}

int cv_pattern_parse(struct cv_pattern *out, const char *text, size_t len, const char **problem)
{
    struct cv_span left = {text, len}, host, port;
    bool bracketed;
    int rc;

    *out = (struct cv_pattern){.proto = cv_proto_take(&left)};
    if (out->proto == CV_PROTO_UNIX) {
        out->kind = CV_PATTERN_PATH;
        out->name = left;
        *problem = cv_unix_path_problem(left);
        return *problem ? CV_ESYNTAX : 0;
    }
    rc = cv_host_split(&host, &port, &bracketed, left, problem);
    if (rc < 0)
        return rc;
    rc = parse_host(out, host, bracketed, problem);
    if (rc < 0)
        return rc;
    return parse_ports(out, port, problem);
}

/* Whether two DNS names are the same: in whatever case, with or without the dot of the root. */
static bool same_name(struct cv_span pattern, const char *host, size_t len)
{
    if (len && host[len - 1] == '.')
        len--;
    return cv_span_same(pattern, (struct cv_span){host, len});
}

static bool same_path(struct cv_span pattern, const struct cv_target *target)
{
    return pattern.len == target->host_len && memcmp(pattern.at, target->host, pattern.len) == 0;
}

/* Whether protocol and port match; a unix target has no port. */
static bool covers_port(const struct cv_pattern *pattern, const struct cv_target *target)
{
    if (pattern->proto != target->proto)
        return false;
    return pattern->proto == CV_PROTO_UNIX ||
           (pattern->port_low <= target->port && target->port <= pattern->port_high);
}

/* @address is normal; NULL when there is none. */
static bool covers_host(const struct cv_pattern *pattern, const struct cv_target *target,
                        const struct cv_ip *address)
{
    switch (pattern->kind) {
    case CV_PATTERN_ANY:
        return true;
    case CV_PATTERN_NAME:
        return same_name(pattern->name, target->host, target->host_len);
    case CV_PATTERN_ADDRESS:
        return address && cv_ip_equal(address, &pattern->net);
    case CV_PATTERN_NET:
        return address && cv_ip_in(address, &pattern->net, pattern->bits);
    case CV_PATTERN_PATH:
        return same_path(pattern->name, target);
    }
    return false;
}

bool cv_allow_check(const struct cv_pattern *patterns, size_t count, const struct cv_target *target,
                    const struct cv_ip *address)
{
    struct cv_ip normal = {0};
    bool guarded;

    if ((target->proto == CV_PROTO_UNIX) != (address == NULL))
        return false;
    if (address)
        normal = cv_ip_normal(address);
    if (count == 0)
        return address && cv_ip_is_loopback(&normal);
    guarded = address && cv_ip_is_guarded(&normal);
    for (size_t i = 0; i < count; i++) {
        if (guarded && patterns[i].kind != CV_PATTERN_ADDRESS)
            continue;
        if (covers_port(&patterns[i], target) &&
            covers_host(&patterns[i], target, address ? &normal : NULL))
            return true;
    }
    return false;
}

bool cv_pattern_names(const struct cv_pattern *pattern, const struct cv_target *target)
{
    struct cv_ip address;
    bool literal =
        target->proto != CV_PROTO_UNIX && cv_ip_parse(&address, target->host, target->host_len);

    if (literal)
        address = cv_ip_normal(&address);
    return covers_port(pattern, target) && covers_host(pattern, target, literal ? &address : NULL);
}

int cv_key_pattern_parse(struct cv_key_pattern *out, const char *text, size_t len)
{
    size_t start = len && text[len - 1] == '*' ? len - 1 : len;

    *out = (struct cv_key_pattern){.start = {text, start}, .exact = start == len};
    if (start == 0 && !out->exact)
        return 0;
    return cv_key_valid(text, start) ? 0 : CV_EBADKEY;
}

bool cv_key_pattern_match(const struct cv_key_pattern *pattern, const char *key, size_t len)
{
    if (len < pattern->start.len || (pattern->exact && len != pattern->start.len))
        return false;
    return pattern->start.len == 0 || memcmp(pattern->start.at, key, pattern->start.len) == 0;
}

int cv_dial_parse(struct cv_dial *out, const char *text, size_t len, const char **problem)
{
    const char *slash = len ? memchr(text, '/', len) : NULL;
    size_t client_len = slash ? (size_t)(slash - text) : 0;

    if (!slash)
        return refuse(problem, "needs the form CLIENT/HOST:PORT");
    if (cv_key_pattern_parse(&out->client, text, client_len) < 0)
        return refuse(problem, "before the slash stands neither a client key nor *");
    return cv_pattern_parse(&out->target, slash + 1, len - client_len - 1, problem);
}
