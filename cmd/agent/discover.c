#include "discover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/discovered.h"
#include "base/error.h"
#include "discovery/description.h"
#include "discovery/searcher.h"
#include "discovery/url.h"
#include "http/fetch.h"
#include "http/reach.h"
#include "net/log.h"
#include "ssdp.h"

#define CANDIDATES_MAX 8 /* servers that are tried at once; one more takes the oldest's place */
#define SENDER_MAX     4 /* of one sender */
#define TTL            2

/* Found, but nobody of them has taken us in: how long until the search begins anew. */
#define RETRY (10 * CV_SEC)

/* Addresses with their zone. */
#define HOST_SIZE 280

/* Somebody who says that a server is there. */
struct candidate {
    struct discover *discover;
    bool used;
    bool lost;   /* was home and is not any longer: to be closed */
    bool closed; /* only its tunnel's end is waited for */
    uint64_t order;
    char location[CV_SSDP_URL_MAX + 1];
    struct cv_ip sender;
    unsigned link;
    char zone[CV_INTERFACE_NAME];
    struct cv_fetch *fetch;   /* while its description is asked for */
    struct cv_uplink *uplink; /* once there is something to dial */
    struct cv_tunnel *tunnel; /* while it stands */
    char url[CV_SSDP_URL_MAX + 1], host[HOST_SIZE], target[CV_SSDP_URL_MAX + 1];
};

struct discover {
    struct agent *agent; /* borrowed */
    struct ssdp *ssdp;   /* NULL after discover_close() */
    struct cv_searcher *searcher;
    struct cv_timer *timer;
    uint64_t pause; /* the next search begins then; CV_NEVER: one is under way, or none is needed */
    bool told;      /* that nothing was found */
    uint64_t came;
    struct candidate *home; /* the one that took us in */
    struct candidate candidates[CANDIDATES_MAX];
};

static const struct cv_log *log_of(const struct discover *discover)
{
    return &discover->agent->loop.log;
}

/* A line about what strangers say, which they can do as often as they like. */
static void complain(struct discover *discover, const char *what, const char *why)
{
    cv_log_cause(&discover->agent->loop, CV_CAUSE_DISCOVERY, NULL, "discover: %s: %s", what, why);
}

int discover_check(const struct cv_agent_config *config, struct cv_config_error *error)
{
    if (config->discover && !cv_ssdp_type_valid(config->discover_type))
        return cv_options_refuse(&config->common, "discover-type", "not a URI of at most 100 bytes",
                                 config->discover_type, error);
    return 0;
}

/* Candidates */

static void candidate_close(struct candidate *candidate)
{
    if (candidate->fetch)
        cv_fetch_cancel(candidate->fetch);
    candidate->fetch = NULL;
    if (candidate->uplink && !candidate->closed)
        cv_uplink_close(candidate->uplink);
    if (candidate->discover->home == candidate)
        candidate->discover->home = NULL;
    candidate->closed = true;
    candidate->used = candidate->tunnel != NULL; /* its memory is needed until that ends */
}

static void close_others(struct discover *discover, const struct candidate *but)
{
    for (size_t i = 0; i < CANDIDATES_MAX; i++)
        if (discover->candidates[i].used && &discover->candidates[i] != but)
            candidate_close(&discover->candidates[i]);
}

static struct candidate *find(struct discover *discover, const char *location)
{
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        struct candidate *candidate = &discover->candidates[i];

        if (candidate->used && !candidate->closed && strcmp(candidate->location, location) == 0)
            return candidate;
    }
    return NULL;
}

/* The older of two that no session stands on; either may be NULL. */
static struct candidate *older(struct candidate *first, struct candidate *second)
{
    if (!first || (second && !second->tunnel && second->order < first->order))
        first = second;
    return first && first->tunnel ? NULL : first;
}

/* A place for one more of @sender. One who has had his share makes room by his own oldest, so that
 * neither claims that came to nothing nor a server that moved on shut out what he says now; else
 * the oldest of all does. NULL: sessions stand on all of them. */
static struct candidate *make_room(struct discover *discover, const struct cv_ip *sender)
{
    struct candidate *oldest = NULL, *own = NULL, *spare = NULL;
    unsigned of_sender = 0;

    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        struct candidate *candidate = &discover->candidates[i];

        if (!candidate->used) {
            spare = candidate;
            continue;
        }
        oldest = older(oldest, candidate);
        if (!cv_ip_equal(&candidate->sender, sender))
            continue;
        of_sender++;
        own = older(own, candidate);
    }
    if (of_sender < SENDER_MAX && spare)
        return spare;
    if (of_sender >= SENDER_MAX)
        oldest = own;
    if (oldest)
        candidate_close(oldest);
    return oldest;
}

/* Trust */

/* Whether a certificate proves whose the end is. */
static bool is_verified(const struct discover *discover, bool tls)
{
    const struct cv_agent_config *config = discover->agent->config;
    const struct cv_discovered_trust trust = {.tls = tls,
                                              .unverified = config->outward.insecure,
                                              .anchored = config->outward.ca ||
                                                          config->outward.tls_server_name};

    return cv_discovered_trusts(&trust);
}

/* Whether the agent may show itself to a server: one who has no secret to tell may go anywhere. */
static bool may_dial(const struct discover *discover, bool tls)
{
    const struct cv_agent_config *config = discover->agent->config;
    bool secret = config->outward.token || config->headers.count || config->outward.cert;

    return is_verified(discover, tls) || config->discover_insecure || !secret;
}

static bool address_allowed(const struct candidate *candidate, const struct cv_ip *ip)
{
    const struct discover *discover = candidate->discover;

    return cv_discovered_allows(
        ip, &candidate->sender,
        ssdp_on_link(discover->ssdp, candidate->link, ip->family, ip->bytes));
}

/* Copies the host of @url, a link-local one with its zone. Returns NULL, or why it is not to be
 * dialled. A name is followed where @names; its addresses are judged when it is resolved, or its
 * certificate is. */
static const char *take_host(struct candidate *candidate, const struct cv_ssdp_url *url, bool names)
{
    static const struct cv_ip link_local = {6, {0xfe, 0x80}};
    struct cv_ip ip;
    bool numeric = cv_ip_parse(&ip, url->host.at, url->host.len);

    if (!numeric && (url->bracketed || !names))
        return "names are followed only with TLS that is verified by --ca or --tls-server-name";
    if (numeric && !address_allowed(candidate, &ip))
        return "its address is neither the sender's nor on the link";
    snprintf(candidate->host, sizeof(candidate->host), "%.*s%s%s", (int)url->host.len, url->host.at,
             numeric && cv_ip_in(&ip, &link_local, 10) ? "%" : "",
             numeric && cv_ip_in(&ip, &link_local, 10) ? candidate->zone : "");
    return NULL;
}

/* The session */

static void wake(struct discover *discover)
{
    if (discover->ssdp)
        cv_timer_set(discover->timer, 0);
}

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    struct candidate *candidate = ctx;
    struct discover *discover = candidate->discover;

    candidate->tunnel = tunnel;
    discover->home = candidate;
    discover->told = false;
    agent_up(discover->agent, candidate->url, tunnel);
    close_others(discover, candidate);
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    const struct candidate *candidate = ctx;

    agent_event(candidate->discover->agent, candidate->url, tunnel, event);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    struct candidate *candidate = ctx;

    (void)tunnel, (void)error, (void)why;
    candidate->tunnel = NULL;
    agent_down(candidate->discover->agent);
    if (candidate->closed) {
        candidate->used = false; /* the uplink frees itself when we return */
        return;
    }
    candidate->lost = true; /* it cannot be closed in here */
    wake(candidate->discover);
}

/* Dials the tunnel at candidate->url. */
static void dial(struct candidate *candidate)
{
    struct discover *discover = candidate->discover;
    struct cv_url parsed = {.host = candidate->host, .target = candidate->target};
    struct cv_ssdp_url url;
    const char *why;
    int rc = cv_ssdp_ws_parse(&url, candidate->url, strlen(candidate->url));

    if (rc == 0 && !may_dial(discover, url.tls)) {
        complain(discover, candidate->url,
                 url.tls ? "not used: a certificate that neither --ca nor --tls-server-name speaks "
                           "for proves nothing; see --discover-insecure"
                         : "not used: the token does not leave without TLS; see "
                           "--discover-insecure");
        return;
    }
    why = rc < 0 ? "no URL" : take_host(candidate, &url, is_verified(discover, url.tls));
    if (why) {
        complain(discover, candidate->url, why);
        return;
    }
    snprintf(candidate->target, sizeof(candidate->target), "%.*s", (int)url.path.len,
             url.path.len ? url.path.at : "");
    if (url.path.len == 0)
        snprintf(candidate->target, sizeof(candidate->target), "/connect");
    parsed.tls = url.tls;
    parsed.port = url.port;
    parsed.text = candidate->url;
    cv_log_cause(&discover->agent->loop, CV_CAUSE_FOUND, NULL, "discover: trying %s",
                 candidate->url);
    rc = agent_dial(
        discover->agent, &candidate->uplink, &parsed,
        &(struct agent_uplink){
            .up = on_up, .event = on_event, .down = on_down, .ctx = candidate, .found = true});
    if (rc < 0)
        complain(discover, candidate->url, cv_strerror(rc));
}

/* Without a description that says more: LOCATION's host and port, and /connect. */
static void guess_url(struct candidate *candidate)
{
    struct cv_ssdp_url url;

    if (cv_ssdp_url_parse(&url, candidate->location, strlen(candidate->location)) < 0)
        return;
    snprintf(candidate->url, sizeof(candidate->url), "%s://%s%.*s%s:%u/connect",
             url.tls ? "wss" : "ws", url.bracketed ? "[" : "", (int)url.host.len, url.host.at,
             url.bracketed ? "]" : "", (unsigned)url.port);
}

static void on_described(void *ctx, const struct cv_fetch_end *end)
{
    struct candidate *candidate = ctx;
    struct discover *discover = candidate->discover;
    int rc = end->body ? cv_description_read(candidate->url, end->body, end->len) : 0;

    candidate->fetch = NULL;
    if (rc < 0 || (!end->body && end->error != CV_ESYNTAX)) {
        complain(discover, candidate->location, rc < 0 ? cv_strerror(rc) : end->text);
        candidate_close(candidate); /* it may be found, and asked, again */
        return;
    }
    if (!candidate->url[0])
        guess_url(candidate);
    dial(candidate);
}

static bool on_allow(void *ctx, const struct sockaddr *address)
{
    struct cv_ip ip = {.family = 0};

    ip.family = cv_address_bytes(ip.bytes, address);
    return address_allowed(ctx, &ip);
}

/* Asks for the description at candidate->location. */
static void ask(struct candidate *candidate)
{
    struct discover *discover = candidate->discover;
    struct agent *agent = discover->agent;
    struct cv_outbound_options tls;
    char host_header[HOST_SIZE], target[CV_SSDP_URL_MAX + 2];
    struct cv_fetch_options options = {
        .host = candidate->host, .host_header = host_header, .target = target, .allow = on_allow};
    struct cv_ssdp_url url;
    const char *why;
    int rc = cv_ssdp_url_parse(&url, candidate->location, strlen(candidate->location));

    why =
        rc < 0 ? "no URL" : take_host(candidate, &url, !url.tls || is_verified(discover, url.tls));
    if (why) {
        complain(discover, candidate->location, why);
        return;
    }
    options.port = url.port;
    snprintf(host_header, sizeof(host_header), url.bracketed ? "[%.*s]:%u" : "%.*s:%u",
             (int)url.host.len, url.host.at, (unsigned)url.port);
    snprintf(target, sizeof(target), "%s%.*s", url.path.len ? "" : "/", (int)url.path.len,
             url.path.len ? url.path.at : "");
    if (url.tls) {
        cv_reach_outbound(&tls, &agent->config->outward,
                          &(struct cv_url){.tls = true, .host = candidate->host, .port = url.port});
        tls.cert_file = tls.key_file = NULL; /* nobody need know who asks */
        options.tls = &tls;
    }
    rc = cv_fetch_start(&candidate->fetch, &agent->loop, agent->outbound, &options, on_described,
                        candidate);
    if (rc < 0)
        complain(discover, candidate->location, cv_strerror(rc));
}

static void consider(struct discover *discover, const struct cv_sighting *found)
{
    const struct ssdp_link *links;
    size_t count = ssdp_links(discover->ssdp, &links);
    struct cv_ip sender = {.family = found->from.peer.family};
    struct candidate *candidate;

    memcpy(sender.bytes, found->from.peer.ip, sizeof(sender.bytes));
    if (find(discover, found->location))
        return;
    candidate = make_room(discover, &sender);
    if (!candidate)
        return;
    *candidate = (struct candidate){.discover = discover,
                                    .used = true,
                                    .order = discover->came++,
                                    .sender = sender,
                                    .link = found->from.link};
    snprintf(candidate->location, sizeof(candidate->location), "%s", found->location);
    for (size_t i = 0; i < count; i++)
        if (links[i].id == candidate->link)
            snprintf(candidate->zone, sizeof(candidate->zone), "%s", links[i].address.name);
    cv_log_cause(&discover->agent->loop, CV_CAUSE_FOUND, NULL, "discover: found %s",
                 candidate->location);
    ask(candidate);
}

/* The search */

static void take_sightings(struct discover *discover)
{
    struct cv_sighting found;

    while (cv_searcher_poll(discover->searcher, &found)) {
        struct candidate *candidate = find(discover, found.location);

        if (discover->home) /* all is well */
            continue;
        if (!found.gone)
            consider(discover, &found);
        else if (candidate)
            candidate_close(candidate);
    }
}

static void search_again(struct discover *discover, uint64_t now)
{
    discover->pause = CV_NEVER;
    cv_searcher_again(discover->searcher, now);
}

static void drop_lost(struct discover *discover, uint64_t now)
{
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        struct candidate *candidate = &discover->candidates[i];

        if (!candidate->used || !candidate->lost)
            continue;
        candidate_close(candidate);
        cv_log(log_of(discover), CV_LOG_INFO, "discover: searching again");
        search_again(discover, now);
    }
}

/* At the end of a search without a server: says so once, and plans the next one. */
static void plan(struct discover *discover, uint64_t now)
{
    uint64_t wait = discover->agent->config->discover_timeout;

    if (discover->home || discover->pause != CV_NEVER || !cv_searcher_over(discover->searcher, now))
        return;
    if (cv_searcher_found(discover->searcher)) {
        wait = cv_min_time(wait, RETRY);
    } else if (!discover->told) {
        discover->told = true;
        cv_log(log_of(discover), CV_LOG_WARN,
               "discover: no server was found in %llu s; listening, and searching again",
               (unsigned long long)(wait / CV_SEC));
    }
    discover->pause = now + wait;
}

static void pump(struct discover *discover)
{
    uint64_t now = cv_loop_now(&discover->agent->loop), deadline;
    struct cv_ssdp_out out;

    drop_lost(discover, now);
    if (!discover->home && discover->pause <= now)
        search_again(discover, now);
    take_sightings(discover);
    while (!discover->home && cv_searcher_next(discover->searcher, &out, now))
        ssdp_send(discover->ssdp, &out, true);
    plan(discover, now);
    deadline = discover->home                ? CV_NEVER
               : discover->pause != CV_NEVER ? discover->pause
                                             : cv_searcher_deadline(discover->searcher);
    cv_timer_at(discover->timer, deadline);
}

static void on_timer(void *ctx)
{
    pump(ctx);
}

static void on_datagram(void *ctx, const struct cv_ssdp_from *from, const void *data, size_t len)
{
    struct discover *discover = ctx;

    cv_searcher_recv(discover->searcher, from, data, len, cv_wall_clock(),
                     cv_loop_now(&discover->agent->loop));
    pump(discover);
}

static void on_changed(void *ctx)
{
    struct discover *discover = ctx;
    int rc =
        ssdp_search_links(discover->ssdp, discover->searcher, cv_loop_now(&discover->agent->loop));

    if (rc < 0)
        cv_log(log_of(discover), CV_LOG_WARN, "discover: interfaces: %s", cv_strerror(rc));
    pump(discover);
}

static int open_sockets(struct discover *discover)
{
    const struct cv_agent_config *config = discover->agent->config;
    bool all = config->discover_interfaces.count == 0;
    struct ssdp_config sockets = {.loop = &discover->agent->loop,
                                  .interfaces = all ? NULL : config->discover_interfaces.at,
                                  .interface_count = config->discover_interfaces.count,
                                  .listen = true,
                                  .search = true,
                                  .ttl = TTL,
                                  .changed = on_changed,
                                  .datagram = on_datagram,
                                  .ctx = discover};
    int rc = ssdp_new(&discover->ssdp, &sockets);

    if (rc == -EADDRINUSE) {
        cv_log(log_of(discover), CV_LOG_WARN,
               "discover: somebody holds port 1900 and does not share it: announcements are not "
               "heard, answers are");
        sockets.listen = false;
        rc = ssdp_new(&discover->ssdp, &sockets);
    }
    return rc;
}

static int start(struct discover *discover)
{
    struct agent *agent = discover->agent;
    char server[SSDP_SERVER_SIZE];
    const struct cv_searcher_config search = {.target = agent->config->discover_type,
                                              .server = server,
                                              .timeout = agent->config->discover_timeout};
    uint64_t now = cv_loop_now(&agent->loop);
    int rc = open_sockets(discover);

    ssdp_server(server);
    if (rc == 0)
        rc = cv_searcher_new(&discover->searcher, &search, &agent->loop.alloc, now);
    if (rc == 0)
        rc = ssdp_search_links(discover->ssdp, discover->searcher, now);
    return rc < 0 ? rc : cv_timer_new(&discover->timer, &agent->loop, on_timer, discover);
}

int discover_new(struct discover **out, struct agent *agent)
{
    struct discover *discover = calloc(1, sizeof(*discover));
    int rc;

    if (!discover)
        return -ENOMEM;
    discover->agent = agent;
    discover->pause = CV_NEVER;
    rc = start(discover);
    if (rc < 0) {
        discover_close(discover);
        discover_free(discover);
        return rc;
    }
    *out = discover;
    cv_timer_set(discover->timer, 0);
    return 0;
}

void discover_close(struct discover *discover)
{
    if (!discover || !discover->ssdp)
        return;
    close_others(discover, NULL);
    ssdp_free(discover->ssdp);
    cv_timer_free(discover->timer);
    discover->ssdp = NULL;
    discover->timer = NULL;
}

void discover_free(struct discover *discover)
{
    if (!discover)
        return;
    cv_searcher_free(discover->searcher);
    free(discover);
}
