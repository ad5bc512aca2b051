#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/key.h"
#include "config/values.h"

/* `HOST[/PREFIX]=CLIENT/HOST:PORT`, `tls:HOST=CLIENT/HOST:PORT`; HOST may begin with `*.`. */

static int refuse(struct cv_taking *taking, const char *problem)
{
    taking->problem = problem;
    return CV_ESYNTAX;
}

/* A name, or `*.` and one; an address is none. */
static bool name_valid(const char *name)
{
    bool wild = name[0] == '*' && name[1] == '.';
    struct cv_span rest = {name + 2 * wild, strlen(name) - 2 * wild};
    struct cv_ip address;

    return cv_name_valid(rest) && !cv_ip_parse(&address, rest.at, rest.len);
}

/* A name, an IPv4 address, or IPv6 in brackets; no port. */
static bool host_valid(const char *host)
{
    size_t len = strlen(host);
    struct cv_ip address;

    if (host[0] != '[')
        return name_valid(host) || cv_ip_parse(&address, host, len);
    return len > 2 && host[len - 1] == ']' && cv_ip_parse(&address, host + 1, len - 2) &&
           address.family == 6;
}

/* A path without a slash at its end; "" is every path. */
static bool prefix_valid(const char *prefix)
{
    for (const char *at = prefix; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("?#\\\"<>", *at))
            return false;
    return !strstr(prefix, "//");
}

/* Behind `tls:`. A ClientHello has no addresses and no paths (RFC 6066, 3). */
static int read_name(struct cv_taking *taking, struct cv_route_rule *out, const char *text)
{
    out->tls = true;
    out->host = text;
    out->prefix = "";
    if (!name_valid(text))
        return refuse(taking, "behind tls: stands a name alone, without port or path");
    return 0;
}

static int read_match(struct cv_taking *taking, struct cv_route_rule *out, const char *text)
{
    static const char tls[] = "tls:";
    size_t host_len = strcspn(text, "/"), prefix_len = strlen(text + host_len);

    out->match = text;
    if (strncmp(text, tls, sizeof(tls) - 1) == 0)
        return read_name(taking, out, text + sizeof(tls) - 1);
    while (prefix_len && text[host_len + prefix_len - 1] == '/')
        prefix_len--;
    out->host = cv_arena_copy(taking->arena, text, host_len);
    out->prefix = cv_arena_copy(taking->arena, text + host_len, prefix_len);
    if (!out->host || !out->prefix)
        return -ENOMEM;
    if (!host_valid(out->host))
        return refuse(taking, "the host is no name, no *.NAME and no address, without port");
    if (!prefix_valid(out->prefix))
        return refuse(taking, "odd byte in the prefix of the path");
    return 0;
}

static int read_rule(struct cv_taking *taking, struct cv_route_rule *out, char *text)
{
    char *sign = strchr(text, '='), *slash = sign ? strchr(sign, '/') : NULL;
    struct cv_target target;
    int rc;

    if (!slash)
        return refuse(taking, "needs the form HOST[/PREFIX]=CLIENT/HOST:PORT");
    *sign = *slash = '\0';
    out->client = sign + 1;
    out->address = slash + 1;
    rc = read_match(taking, out, text);
    if (rc < 0)
        return rc;
    if (!cv_key_valid(out->client, strlen(out->client)))
        return refuse(taking, cv_error_text(CV_EBADKEY));
    rc = cv_target_parse(&target, out->address, strlen(out->address), &taking->problem);
    if (rc < 0)
        return rc;
    if (target.proto != CV_PROTO_TCP || target.host != out->address + (out->address[0] == '['))
        return refuse(taking, "the target of a route is HOST:PORT");
    return 0;
}

int cv_take_route(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_route_rules *rules = at;
    struct cv_route_rule rule = {0}, *grown;
    char *copy = cv_arena_copy(taking->arena, value, strlen(value));
    int rc = copy ? read_rule(taking, &rule, copy) : -ENOMEM;

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < rules->count; i++)
        if (rules->at[i].tls == rule.tls && strcasecmp(rules->at[i].host, rule.host) == 0 &&
            strcmp(rules->at[i].prefix, rule.prefix) == 0)
            return refuse(taking, "there is a route for this host and prefix already");
    grown = cv_arena_push(taking->arena, rules->at, &rules->count, sizeof(rule));
    if (!grown)
        return -ENOMEM;
    rules->at = grown;
    grown[rules->count - 1] = rule;
    return 0;
}
