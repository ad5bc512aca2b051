#include "config/values.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "access/token.h"
#include "base/error.h"
#include "base/key.h"
#include "config/suffix.h"

/* The values that say where something is: where to listen, what to dial, whom to call. */

#define PASSED_NAME_MAX 255

static const char passed_prefix[] = "systemd:";
static const char only_forwards_send[] = "send-proxy is for forwards alone";

static int refuse(struct cv_taking *taking, const char *problem)
{
    taking->problem = problem;
    return CV_ESYNTAX;
}

/* Whether @host is a name, an IPv4 address, or IPv6 that stood in brackets. */
static bool host_valid(struct cv_span host, bool bracketed)
{
    struct cv_ip address;

    if (!bracketed)
        return cv_name_valid(host);
    return cv_ip_parse(&address, host.at, host.len) && address.family == 6;
}

/* As systemd allows them, and what means something in a rule left out. */
static int check_passed(struct cv_taking *taking, const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
    size_t len = strspn(name, allowed);

    if (len == 0 || len > PASSED_NAME_MAX || name[len])
        return refuse(taking,
                      "the name of a passed socket has 1 to 255 bytes of A-Z a-z 0-9 . _ @ -");
    return 0;
}

static int check_listen(struct cv_taking *taking, const char *value)
{
    static const char unix_prefix[] = "unix:";
    struct cv_span host, port;
    uint16_t number;
    bool bracketed;
    int rc;

    if (strncmp(value, unix_prefix, sizeof(unix_prefix) - 1) == 0) {
        size_t len = strlen(value) - (sizeof(unix_prefix) - 1);

        if (len == 0 || len > CV_UNIX_PATH_MAX)
            return refuse(taking, "the path of a socket has 1 to 107 bytes");
        return 0;
    }
    if (strncmp(value, passed_prefix, sizeof(passed_prefix) - 1) == 0)
        return check_passed(taking, value + sizeof(passed_prefix) - 1);
    rc = cv_host_split(&host, &port, &bracketed, (struct cv_span){value, strlen(value)},
                       &taking->problem);
    if (rc < 0)
        return rc;
    if ((bracketed || host.len) && !host_valid(host, bracketed))
        return refuse(taking, "the host is neither a name nor an address");
    if (!cv_port_parse(&number, port, 0))
        return refuse(taking, "the port is not a number from 0 to 65535");
    return 0;
}

int cv_take_listen(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_strings *listens = at;
    const char **grown;
    int rc = check_listen(taking, value);

    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, listens->at, &listens->count, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    listens->at = grown;
    grown[listens->count - 1] = value;
    return 0;
}

int cv_take_front(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_listens *listens = at;
    struct cv_listen *grown;
    char *copy = cv_arena_copy(taking->arena, value, strlen(value));
    struct cv_suffixes suffixes;
    int rc = copy ? cv_suffixes_take(&suffixes, taking, copy) : -ENOMEM;

    if (rc == 0 && suffixes.send_proxy)
        rc = refuse(taking, only_forwards_send);
    if (rc == 0)
        rc = check_listen(taking, copy);
    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, listens->at, &listens->count, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    listens->at = grown;
    grown[listens->count - 1] =
        (struct cv_listen){.address = copy, .proxy_protocol = suffixes.proxy_protocol};
    return 0;
}

/* Reads the target @text into @out. */
static int forward_target(struct cv_taking *taking, struct cv_forward *out, const char *text)
{
    struct cv_span left = {text, strlen(text)};
    struct cv_target target;
    int rc = cv_target_parse(&target, text, left.len, &taking->problem);

    if (rc < 0)
        return rc;
    if (target.proto == CV_PROTO_UDP && strncmp(out->listen, "unix:", 5) == 0)
        return refuse(taking, "a udp/ target needs an address to listen at");
    out->proto = cv_proto_take(&left);
    out->address = left.at;
    if (target.proto == CV_PROTO_UDP && (out->proxy_protocol || out->send_proxy))
        return refuse(taking, "the PROXY protocol goes with connections, not with a udp/ target");
    if (strlen(cv_proto_name(out->proto)) + 1 + left.len > CV_CONNECT_TARGET_MAX)
        return refuse(taking, "the target is longer than the protocol's 266 bytes");
    return 0;
}

int cv_take_destination(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_destination *out = at;
    struct cv_forward target = {.listen = ""};
    const char *slash = out->client ? NULL : strchr(value, '/');
    size_t key = slash ? (size_t)(slash - value) : strlen(value);
    int rc;

    if (out->address)
        return refuse(taking, "one destination is enough");
    if (!out->client) {
        if (!cv_key_valid(value, key))
            return refuse(taking, cv_error_text(CV_EBADKEY));
        out->client = cv_arena_copy(taking->arena, value, key);
        if (!out->client)
            return -ENOMEM;
        if (!slash)
            return 0;
        value = slash + 1;
    }
    rc = forward_target(taking, &target, value);
    if (rc < 0)
        return rc;
    if (target.proto == CV_PROTO_UDP)
        return refuse(taking, "datagrams need a forward");
    out->proto = target.proto;
    out->address = target.address;
    return 0;
}

/* Reads the forward whose parts @text, a copy, is cut into. */
static int parse_forward(struct cv_taking *taking, struct cv_forward *out, char *text)
{
    char *sign = strchr(text, '='), *slash = sign ? strchr(sign, '/') : NULL;
    int rc;

    if (!slash)
        return refuse(taking, "needs the form LISTEN=CLIENT/HOST:PORT");
    *sign = *slash = '\0';
    out->listen = text;
    out->client = sign + 1;
    rc = check_listen(taking, text);
    if (rc < 0)
        return rc;
    if (!cv_key_valid(out->client, strlen(out->client)))
        return refuse(taking, cv_error_text(CV_EBADKEY));
    return forward_target(taking, out, slash + 1);
}

static int add_forward(struct cv_taking *taking, struct cv_forwards *forwards, const char *value,
                       const struct cv_suffixes *suffixes)
{
    struct cv_forward forward = {.proxy_protocol = suffixes->proxy_protocol,
                                 .send_proxy = suffixes->send_proxy};
    struct cv_forward *grown;
    char *copy = cv_arena_copy(taking->arena, value, strlen(value));
    int rc = copy ? parse_forward(taking, &forward, copy) : -ENOMEM;

    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, forwards->at, &forwards->count, sizeof(forward));
    if (!grown)
        return -ENOMEM;
    forwards->at = grown;
    grown[forwards->count - 1] = forward;
    return 0;
}

/* `…:LOW-HIGH`: what stands in front of the ports, and how many there are from which on. */
struct ports {
    struct cv_span front; /* with its colon */
    uint16_t low, high;
};

/* Whether @text ends in a range of ports; one that is upside down has high < low. */
static bool range_of(struct ports *out, struct cv_span text)
{
    const char *colon = cv_span_last(text, ':'), *end = text.at + text.len, *dash;

    dash = colon ? memchr(colon, '-', (size_t)(end - colon)) : NULL;
    if (!dash)
        return false;
    out->front = (struct cv_span){text.at, (size_t)(colon + 1 - text.at)};
    return cv_port_parse(&out->low, (struct cv_span){colon + 1, (size_t)(dash - colon - 1)}, 1) &&
           cv_port_parse(&out->high, (struct cv_span){dash + 1, (size_t)(end - dash - 1)}, 1);
}

/* Makes a rule for each port of two ranges that are as long. */
static int add_range(struct cv_taking *taking, struct cv_forwards *forwards,
                     const struct ports *from, const struct ports *to,
                     const struct cv_suffixes *suffixes)
{
    unsigned count = from->high - from->low + 1U;

    if (from->high < from->low || to->high < to->low || to->high - to->low + 1U != count)
        return refuse(taking, "the two ranges of ports are not equally long");
    if (count > CV_FORWARD_PORTS_MAX)
        return refuse(taking, "a range has at most 1024 ports");
    for (unsigned i = 0; i < count; i++) {
        char rule[CV_CONFIG_VALUE_MAX];
        struct cv_text text;
        int rc;

        cv_text_init(&text, rule, sizeof(rule));
        cv_text_bytes(&text, from->front.at, from->front.len);
        cv_text_u64(&text, from->low + i);
        cv_text_bytes(&text, to->front.at, to->front.len);
        cv_text_u64(&text, to->low + i);
        rc = add_forward(taking, forwards, rule, suffixes);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Cuts the suffixes off @rule, of which those of the listener may also stand behind LISTEN. */
static int cut_suffixes(struct cv_suffixes *out, struct cv_taking *taking, char *rule)
{
    int rc = cv_suffixes_take(out, taking, rule);
    char *sign = strchr(rule, '='), *end;
    struct cv_suffixes first;

    if (rc < 0 || !sign)
        return rc;
    *sign = '\0';
    rc = cv_suffixes_take(&first, taking, rule);
    if (rc < 0)
        return rc;
    out->proxy_protocol = out->proxy_protocol || first.proxy_protocol;
    end = strchr(rule, '\0');
    *end = '=';
    memmove(end + 1, sign + 1, strlen(sign + 1) + 1);
    return 0;
}

int cv_take_forward(struct cv_taking *taking, void *at, const char *value)
{
    char *rule = cv_arena_copy(taking->arena, value, strlen(value)), *sign;
    struct cv_suffixes suffixes;
    struct ports from, to;
    int rc = rule ? cut_suffixes(&suffixes, taking, rule) : -ENOMEM;

    if (rc < 0)
        return rc;
    sign = strchr(rule, '=');
    if (sign && strncmp(rule, "unix:", 5) != 0 &&
        strncmp(rule, passed_prefix, sizeof(passed_prefix) - 1) != 0 &&
        range_of(&from, (struct cv_span){rule, (size_t)(sign - rule)})) {
        if (!range_of(&to, (struct cv_span){sign, strlen(sign)}))
            return refuse(taking, "a range to listen at needs one as long to dial");
        return add_range(taking, at, &from, &to, &suffixes);
    }
    return add_forward(taking, at, rule, &suffixes);
}

int cv_take_door(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_door_rules *doors = at;
    struct cv_door_rule *grown;
    char *copy = cv_arena_copy(taking->arena, value, strlen(value));
    struct cv_suffixes suffixes;
    char *sign;
    int rc = copy ? cv_suffixes_take(&suffixes, taking, copy) : -ENOMEM;

    if (rc < 0)
        return rc;
    if (suffixes.send_proxy)
        return refuse(taking, only_forwards_send);
    sign = strchr(copy, '=');
    if (sign)
        *sign = '\0';
    rc = check_listen(taking, copy);
    if (rc < 0)
        return rc;
    if (sign && !cv_key_valid(sign + 1, strlen(sign + 1)))
        return refuse(taking, cv_error_text(CV_EBADKEY));
    grown = cv_arena_push(taking->arena, doors->at, &doors->count, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    doors->at = grown;
    grown[doors->count - 1] = (struct cv_door_rule){.listen = copy,
                                                    .client = sign ? sign + 1 : NULL,
                                                    .proxy_protocol = suffixes.proxy_protocol};
    return 0;
}

/* What stands before and behind `://`, with the authority cut off at the first slash; false when
 * there is no `://`. */
struct url_parts {
    struct cv_span scheme, authority;
    const char *rest; /* starts with a slash, or is empty */
};

static bool split_url(struct url_parts *out, const char *value)
{
    const char *mark = strstr(value, "://");

    if (!mark)
        return false;
    out->scheme = (struct cv_span){value, (size_t)(mark - value)};
    out->authority = (struct cv_span){mark + 3, strcspn(mark + 3, "/?#")};
    out->rest = out->authority.at + out->authority.len;
    return true;
}

static bool scheme_is(const struct url_parts *parts, const char *scheme)
{
    return parts->scheme.len == strlen(scheme) &&
           strncasecmp(parts->scheme.at, scheme, parts->scheme.len) == 0;
}

/* Reads `HOST` or `HOST:PORT`; without a port *@port stays. */
static bool parse_authority(struct cv_span *host, uint16_t *port, struct cv_span text)
{
    const char *close = text.len ? memchr(text.at, ']', text.len) : NULL;
    const char *colon = cv_span_last(text, ':');
    struct cv_span number;
    const char *problem;
    bool bracketed;

    if (colon && (!close || colon > close)) {
        if (cv_host_split(host, &number, &bracketed, text, &problem) < 0)
            return false;
        return host_valid(*host, bracketed) && cv_port_parse(port, number, 1);
    }
    bracketed = text.len >= 2 && text.at[0] == '[' && close == text.at + text.len - 1;
    *host = bracketed ? (struct cv_span){text.at + 1, text.len - 2} : text;
    return host_valid(*host, bracketed);
}

/* Refuses whatever may carry a secret, and bytes that no URL has. */
static int check_url(struct cv_taking *taking, const char *value, struct cv_span authority,
                     const char *no_query)
{
    if (cv_span_last(authority, '@')) {
        taking->hide = true;
        return refuse(taking, "no user or password in a URL: it would show in listings and logs");
    }
    if (strpbrk(value, "?#")) {
        taking->hide = true;
        return refuse(taking, no_query);
    }
    for (const char *at = value; *at; at++)
        if (*at < 0x21 || *at > 0x7e)
            return refuse(taking, "a URL holds no blanks and only ASCII");
    return 0;
}

struct url_kind {
    const char *plain, *tls; /* schemes */
    const char *target;      /* of a URL without one */
    const char *wanted;      /* what is said of another */
    const char *no_query;    /* and of one with a query */
};

static const struct url_kind of_websocket = {
    .plain = "ws",
    .tls = "wss",
    .target = "/connect",
    .wanted = "not a URL such as ws://HOST:PORT/connect or wss://HOST/connect",
    .no_query = "no query in a URL: it would show in logs; see --header and --token-file",
};

static const struct url_kind of_http = {
    .plain = "http",
    .tls = "https",
    .target = "/",
    .wanted = "not a URL such as http://HOST:PORT or https://HOST/PATH",
    .no_query = "no query in a URL: it would show in logs",
};

static int parse_url(struct cv_taking *taking, struct cv_url *out, const char *value,
                     const struct url_kind *kind)
{
    struct url_parts parts;
    struct cv_span host;
    int rc;

    /* said first: what looks like a password must not be shown, whatever else is wrong */
    taking->hide = strchr(value, '@') != NULL;
    if (!split_url(&parts, value) ||
        (!scheme_is(&parts, kind->plain) && !scheme_is(&parts, kind->tls)))
        return refuse(taking, kind->wanted);
    rc = check_url(taking, value, parts.authority, kind->no_query);
    if (rc < 0)
        return rc;
    out->tls = scheme_is(&parts, kind->tls);
    out->port = out->tls ? 443 : 80;
    if (!parse_authority(&host, &out->port, parts.authority))
        return refuse(taking, "the URL has no valid HOST or HOST:PORT");
    out->host = cv_arena_copy(taking->arena, host.at, host.len);
    out->target = parts.rest[0] ? parts.rest : kind->target;
    out->text = value;
    return out->host ? 0 : -ENOMEM;
}

int cv_take_url(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_urls *urls = at;
    struct cv_url url, *grown;
    int rc = parse_url(taking, &url, value, &of_websocket);

    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, urls->at, &urls->count, sizeof(url));
    if (!grown)
        return -ENOMEM;
    urls->at = grown;
    grown[urls->count - 1] = url;
    return 0;
}

int cv_take_http_url(struct cv_taking *taking, void *at, const char *value)
{
    if (strlen(value) > CV_HTTP_URL_MAX)
        return refuse(taking, "the URL is longer than 1024 bytes");
    return parse_url(taking, at, value, &of_http);
}

/* Reads the peer whose parts @text, a copy, is cut into. */
static int parse_peer(struct cv_taking *taking, struct cv_peer_server *out, char *text)
{
    char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;

    if (!second)
        return refuse(taking, "needs the form ID:TOKEN:URL");
    *first = *second = '\0';
    out->id = text;
    out->token = first + 1;
    if (!cv_key_valid(out->id, strlen(out->id)))
        return refuse(taking, "the ID is no client key: 1 to 79 bytes of A-Z a-z 0-9 . _ @ = + -");
    if (!cv_token_valid(out->token, strlen(out->token)))
        return refuse(taking, "TOKEN is no token: letters, digits and - . _ ~ + / are allowed");
    return parse_url(taking, &out->url, second + 1, &of_websocket);
}

int cv_take_peer(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_peer_servers *peers = at;
    struct cv_peer_server peer, *grown;
    char *copy = cv_arena_copy(taking->arena, value, strlen(value));
    int rc = copy ? parse_peer(taking, &peer, copy) : -ENOMEM;

    taking->hide = true;
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < peers->count; i++)
        if (strcmp(peers->at[i].id, peer.id) == 0)
            return refuse(taking, "the ID of another peer");
    grown = cv_arena_push(taking->arena, peers->at, &peers->count, sizeof(peer));
    if (!grown)
        return -ENOMEM;
    peers->at = grown;
    grown[peers->count - 1] = peer;
    return 0;
}

int cv_take_token(struct cv_taking *taking, void *at, const char *value)
{
    if (!cv_token_valid(value, strlen(value)))
        return refuse(taking, "is no token");
    *(const char **)at = value;
    return 0;
}

int cv_take_proxy(struct cv_taking *taking, void *at, const char *value)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    struct url_parts parts;
    struct cv_span host;
    bool known = false;
    uint16_t port;
    int rc;

    taking->hide = strchr(value, '@') != NULL;
    if (!split_url(&parts, value))
        return refuse(taking, "not a URL such as http://HOST:PORT");
    rc = check_url(taking, value, parts.authority, of_http.no_query);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        known = known || scheme_is(&parts, schemes[i]);
    if (!known)
        return refuse(taking, "not http, https, socks4, socks4a, socks5 or socks5h");
    if (!parse_authority(&host, &port, parts.authority))
        return refuse(taking, "the URL has no valid HOST or HOST:PORT");
    if (parts.rest[0] && strcmp(parts.rest, "/") != 0)
        return refuse(taking, "the URL of a proxy has no path");
    *(const char **)at = value;
    return 0;
}

/* Why the header @name is not the user's to set, or NULL. */
static const char *header_problem(const char *name)
{
    static const char *const ours[] = {"Host",           "Upgrade",           "Connection",
                                       "Content-Length", "Transfer-Encoding", "X-Culvert-Features"};

    if (strcasecmp(name, "X-Tunnel-ID") == 0)
        return "X-Tunnel-ID is set by --id";
    if (strcasecmp(name, "X-Culvert-Publish") == 0)
        return "X-Culvert-Publish is set by --publish";
    if (strcasecmp(name, "Authorization") == 0)
        return "Authorization is set by --token-file or CULVERT_TOKEN";
    if (strncasecmp(name, "Sec-WebSocket-", 14) == 0)
        return "the handshake sets this header itself";
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcasecmp(name, ours[i]) == 0)
            return "the handshake sets this header itself";
    return NULL;
}

/* Reads the header that @text, a copy, is cut into (RFC 9110, 5.1 and 5.5). */
static int parse_header(struct cv_taking *taking, struct cv_header *out, char *text)
{
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    char *colon = text + strspn(text, token), *end;

    if (colon == text || *colon != ':')
        return refuse(taking, "needs the form 'Name: value'");
    *colon = '\0';
    out->name = text;
    out->value = colon + 1 + strspn(colon + 1, " \t");
    end = strchr(out->value, '\0');
    while (end > out->value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    for (const char *at = out->value; *at; at++)
        if ((unsigned char)*at < 0x20 ? *at != '\t' : *at == 0x7f)
            return refuse(taking, "the value of a header holds no control bytes");
    taking->problem = header_problem(out->name);
    return taking->problem ? CV_ESYNTAX : 0;
}

int cv_take_header(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_headers *headers = at;
    struct cv_header header, *grown;
    char *copy = cv_arena_copy(taking->arena, value, strlen(value));
    int rc = copy ? parse_header(taking, &header, copy) : -ENOMEM;

    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, headers->at, &headers->count, sizeof(header));
    if (!grown)
        return -ENOMEM;
    headers->at = grown;
    grown[headers->count - 1] = header;
    return 0;
}
