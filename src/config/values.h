#ifndef CV_CONFIG_VALUES_H
#define CV_CONFIG_VALUES_H

#include "access/balance.h"
#include "access/pattern.h"
#include "access/publish.h"
#include "config/options.h"

/* The kinds of values that options have: each is a type and the function that reads it
 * (cv_option_take). Text in them is owned by the configuration's arena. */

#define CV_CONNECT_TARGET_MAX 266 /* bytes of `proto/address` in a Connect (docs/PROTOCOL.md) */

struct cv_strings {
    const char **at;
    size_t count;
};

/* `ADDR:PORT`, `[v6]:PORT`, `:PORT`, `unix:PATH` or `systemd:NAME`; port 0 takes a free one. Kept
 * as text, for the listener. */
cv_option_take cv_take_listen; /* struct cv_strings */

/* The same with suffixes (config/suffix.h). */
struct cv_listen {
    const char *address;
    bool proxy_protocol;
};

struct cv_listens {
    struct cv_listen *at;
    size_t count;
};

cv_option_take cv_take_front; /* struct cv_listens */

/* LISTEN=CLIENT/TARGET, split at the first `=`; a range of ports on both sides stands for as many
 * rules. With suffixes. */
struct cv_forward {
    const char *listen; /* as of cv_take_listen */
    const char *client; /* a valid client key */
    enum cv_proto proto;
    const char *address; /* as in a Connect: HOST:PORT, or the path of a socket */
    bool proxy_protocol;
    unsigned send_proxy; /* the version, 1 or 2; 0: not sent */
};

#define CV_FORWARD_PORTS_MAX 1024 /* of a range */

struct cv_forwards {
    struct cv_forward *at;
    size_t count;
};

cv_option_take cv_take_forward; /* struct cv_forwards */

/* CLIENT/TARGET; or, as two values one after the other, CLIENT and TARGET. */
struct cv_destination {
    const char *client; /* a valid client key */
    enum cv_proto proto;
    const char *address; /* as in a Connect; NULL as long as only CLIENT was said */
};

cv_option_take cv_take_destination; /* struct cv_destination; no udp */

/* LISTEN or LISTEN=CLIENT, split at the first `=`: a SOCKS5 or HTTP proxy door. With suffixes. */
struct cv_door_rule {
    const char *listen; /* as of cv_take_listen */
    const char *client; /* a valid client key; NULL: visitors log in and say which */
    bool proxy_protocol;
};

struct cv_door_rules {
    struct cv_door_rule *at;
    size_t count;
};

cv_option_take cv_take_door; /* struct cv_door_rules */

/* HOST[/PREFIX]=CLIENT/HOST:PORT of HTTP, tls:HOST=CLIENT/HOST:PORT of TLS that is passed on as it
 * is. */
struct cv_route_rule {
    const char *match;   /* what stands before the sign, for logs */
    bool tls;            /* by the name in the ClientHello; no prefix */
    const char *host;    /* without port; IPv6 in brackets; `*.` may stand before a name */
    const char *prefix;  /* of the path: "" or `/a/b` */
    const char *client;  /* a valid client key */
    const char *address; /* HOST:PORT */
};

struct cv_route_rules {
    struct cv_route_rule *at;
    size_t count;
};

cv_option_take cv_take_route; /* struct cv_route_rules */

/* POLICY, or CLIENT=POLICY, where CLIENT is a client key or a start of one and `*`; nothing twice.
 */
struct cv_balance_rules {
    struct cv_balance_rule *at;
    size_t count;
};

cv_option_take cv_take_balance; /* struct cv_balance_rules */

/* Of a WebSocket server, or of one of HTTP. */
struct cv_url {
    bool tls;
    const char *host; /* without brackets */
    uint16_t port;
    const char *target; /* path; `/connect` when the URL ends behind the host */
    const char *text;   /* the whole, for logs */
};

struct cv_urls {
    struct cv_url *at;
    size_t count;
};

cv_option_take cv_take_url; /* struct cv_urls */

#define CV_HTTP_URL_MAX 1024 /* bytes */

/* A server of HTTP or HTTPS, and a path there; the target is `/` when the URL ends behind the host.
 */
cv_option_take cv_take_http_url; /* struct cv_url; host NULL before */

cv_option_take cv_take_proxy; /* const char * */

/* A server that this one peers with. */
struct cv_peer_server {
    const char *id;    /* a valid client key */
    const char *token; /* what it must present to us. Secret */
    struct cv_url url; /* where we dial it */
};

struct cv_peer_servers {
    struct cv_peer_server *at;
    size_t count;
};

/* `ID:TOKEN:URL`, the URL as of cv_take_url; no ID twice. */
cv_option_take cv_take_peer;  /* struct cv_peer_servers */
cv_option_take cv_take_token; /* const char *: what can stand in a bearer token */

struct cv_header {
    const char *name, *value;
};

struct cv_headers {
    struct cv_header *at;
    size_t count;
};

/* `Name: value`, except headers that the handshake itself sets. */
cv_option_take cv_take_header; /* struct cv_headers */

struct cv_patterns {
    struct cv_pattern *at;
    size_t count;
};

cv_option_take cv_take_allow; /* struct cv_patterns */

/* What an agent asks servers to expose, `tcp:PORT=HOST:PORT` or `http:NAME=HOST:PORT`; at most
 * CV_PUBLISH_MAX, nothing twice. */
struct cv_publication_rule {
    const char *text; /* the whole */
    struct cv_publication asked;
};

struct cv_publications {
    struct cv_publication_rule *at;
    size_t count;
    struct cv_patterns targets; /* what they lead to, each named exactly */
};

cv_option_take cv_take_publication; /* struct cv_publications */

struct cv_publish_patterns {
    struct cv_publish *at;
    size_t count;
};

cv_option_take cv_take_publish; /* struct cv_publish_patterns */

/* An IPv4 or IPv6 address, or `*`; kept as it stands in front of a port to listen at. */
cv_option_take cv_take_publish_address; /* const char * */

/* Names of network interfaces: 1 to 15 bytes. */
cv_option_take cv_take_interface; /* struct cv_strings */

/* Origins of pages: `null`, or SCHEME://HOST[:PORT] without a path. */
cv_option_take cv_take_origin; /* struct cv_strings */

cv_option_take cv_take_path;    /* const char *: not empty */
cv_option_take cv_take_name;    /* const char *: a DNS name or address */
cv_option_take cv_take_key;     /* const char *: a client key */
cv_option_take cv_take_switch;  /* bool: true or false */
cv_option_take cv_take_count;   /* uint64_t within the option's bounds */
cv_option_take cv_take_size;    /* uint64_t: bytes, or with K, M or G, within the option's bounds */
cv_option_take cv_take_seconds; /* uint64_t: microseconds; written in seconds, with an s behind them
                                   or not; the option's bounds too */
cv_option_take cv_take_log_level;  /* enum cv_log_level */
cv_option_take cv_take_log_format; /* enum cv_log_format */

#endif
