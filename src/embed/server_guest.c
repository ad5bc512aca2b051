#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "embed/server_core.h"
#include "http/dial_request.h"
#include "net/address.h"

/* A session here: an agent's, which routes lead to, or a visitor's. */
struct guest {
    struct cv_list link;
    struct cv_server *server; /* borrowed */
    struct cv_tunnel *tunnel; /* its end is told by on_closed() */
    enum cv_server_role role;
    uint64_t id; /* of an agent in the manager; 0: it has not joined, and the program does not know
                    it */
    uint64_t since;
    bool told; /* to go */
    char key[CV_KEY_MAX + 1];
    char peer[CV_ADDRESS_SIZE];
    char version[CV_AGENT_VERSION_MAX + 1]; /* "": it did not say */
    struct cv_log_limit complaints;
};

static const struct cv_log *log_of(const struct guest *guest)
{
    return &guest->server->tenant.loop.log;
}

static bool is_agent(const struct guest *guest)
{
    return guest->role == CV_SERVER_AGENT;
}

static const char *kind_of(const struct guest *guest)
{
    return is_agent(guest) ? "client" : "visitor";
}

static struct cv_server_session describe(const struct guest *guest)
{
    const struct cv_session *session = cv_tunnel_session(guest->tunnel);
    const struct cv_session_stats *stats = cv_session_stats(session);

    return (struct cv_server_session){
        .size = sizeof(struct cv_server_session),
        .id = guest->id,
        .role = guest->role,
        .key = guest->key,
        .remote = guest->peer,
        .version = guest->version[0] ? guest->version : NULL,
        .culvert = cv_session_config(session)->culvert,
        .connections = cv_session_conns(session),
        .bytes_in = stats->bytes_in,
        .bytes_out = stats->bytes_out,
        .age = cv_loop_now(&guest->server->tenant.loop) - guest->since,
        .rtt = cv_session_rtt(session),
    };
}

/* A line about something that the other end did, which it can do as often as it likes. */
static void complain(struct guest *guest, int64_t conn_id, const char *what)
{
    const struct cv_log_about about = cv_tunnel_about(guest->tunnel, conn_id);
    uint64_t now = cv_loop_now(&guest->server->tenant.loop);

    if (cv_log_admit(log_of(guest), CV_LOG_WARN, &guest->complaints, now, &about))
        cv_log_about(log_of(guest), CV_LOG_WARN, &about, "%s %s: connection %lld: %s",
                     kind_of(guest), guest->key, (long long)conn_id, what);
}

/* Dials. */

/* Sends what joining, leaving or dialling queued on other sessions. */
static void wake_others(struct cv_server *server)
{
    struct cv_wake wake;

    while (cv_manager_poll(server->manager, &wake))
        cv_tunnel_touch(((struct guest *)wake.owner)->tunnel);
}

int cv_server_route(struct cv_server *server, struct cv_crossing_end *out, const char *client,
                    enum cv_proto proto, const char *address)
{
    const struct cv_route_wish wish = {client, cv_proto_name(proto), CV_BALANCE_NEWEST,
                                       CV_ROUTE_VISITOR, 0};
    uint64_t now = cv_loop_now(&server->tenant.loop);
    struct cv_route route;
    int rc = cv_manager_route(server->manager, &wish, now, &route);

    if (rc < 0)
        return rc;
    out->tunnel = ((struct guest *)route.owner)->tunnel;
    rc = cv_session_dial(route.session, route.proto, address, NULL, now, &out->conn_id);
    if (rc == 0)
        cv_tunnel_touch(out->tunnel);
    return rc;
}

/* Whether the program lets the visitor dial that. */
static int ask(struct guest *visitor, const struct cv_dial_request *request)
{
    const struct cv_server_options *options = &visitor->server->options;
    const struct cv_server_session info = describe(visitor);
    char target[sizeof(request->client) + sizeof(request->target) + sizeof("/unix/")];
    int rc;

    if (!options->allow)
        return CV_EDENIED;
    snprintf(target, sizeof(target), "%s/%s%s%s", request->client,
             request->proto == CV_PROTO_TCP ? "" : cv_proto_name(request->proto),
             request->proto == CV_PROTO_TCP ? "" : "/", request->address);
    rc = options->allow(visitor->server, &info, target);
    return rc > 0 ? CV_EDENIED : rc; /* no code, and no yes */
}

/* Joins a visitor's connection to one of the client's; 0, or why that cannot be. */
static int cross(struct guest *visitor, const struct cv_crossing_end *near,
                 const struct cv_dial_request *request)
{
    struct cv_crossing_end far = {.tunnel = NULL};
    int rc = ask(visitor, request);

    if (rc == 0)
        rc = cv_server_route(visitor->server, &far, request->client, request->proto,
                             request->address);
    if (rc < 0)
        return rc;
    rc = cv_crossing_new(near, &far, request->proto);
    if (rc < 0)
        cv_tunnel_abort(far.tunnel, far.conn_id, CV_REASON_LOCAL, cv_strerror(rc));
    return rc;
}

static void on_connect(struct guest *guest, const struct cv_session_event *event)
{
    const struct cv_crossing_end near = {guest->tunnel, event->conn_id};
    struct cv_dial_request request = {.proto = CV_PROTO_TCP};
    const char *problem = NULL;
    char line[CV_DIAL_REQUEST_MAX + CV_KEY_MAX + 160];
    int rc;

    if (is_agent(guest))
        problem = "connect not allowed";
    else if (guest->server->draining || guest->server->tenant.closing)
        problem = "the server stops";
    else
        problem = cv_dial_request_read(&request, event); /* which borrows from the session */
    if (!problem) {
        rc = cross(guest, &near, &request);
        problem = rc < 0 ? cv_strerror(rc) : NULL;
    }
    if (!problem)
        return;
    snprintf(line, sizeof(line), "its dial%s%s%s%s was refused: %s",
             request.client[0] ? " to " : "", request.client, request.client[0] ? "/" : "",
             request.target, problem);
    complain(guest, near.conn_id, line);
    cv_tunnel_abort(near.tunnel, near.conn_id, CV_REASON_REFUSED, problem);
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    struct guest *guest = ctx;

    (void)tunnel;
    switch (event->kind) {
    case CV_EVENT_CONNECT:
        on_connect(guest, event);
        break;
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
        complain(guest, 0, "an announcement was ignored: it is no peer's");
        break;
    case CV_EVENT_NOTICE:
        complain(guest, event->conn_id, cv_notice_text(event->notice));
        break;
    case CV_EVENT_CONNECTED:
    case CV_EVENT_SILENT:
    case CV_EVENT_DATA:
    case CV_EVENT_FIN:
    case CV_EVENT_DRAIN:
    case CV_EVENT_CLOSED:
    case CV_EVENT_PUBLISHED: /* no acceptor hears it */
        break;               /* the tunnel hands these to endpoints */
    }
}

/* Coming and going. */

static void free_guest(struct guest *guest)
{
    struct cv_server *server = guest->server;

    if (!is_agent(guest))
        cv_server_leave(server, guest->peer);
    cv_list_remove(&guest->link);
    cv_free(&server->tenant.loop.alloc, guest);
}

static void on_closed(void *ctx, struct cv_tunnel *tunnel, const struct cv_tunnel_end *end)
{
    struct guest *guest = ctx;
    struct cv_server *server = guest->server;
    struct cv_log_about about = cv_tunnel_about(tunnel, 0);

    about.reason = cv_ending_name(end->ending);
    cv_log_about(log_of(guest), cv_ending_is_error(end->ending) ? CV_LOG_WARN : CV_LOG_INFO, &about,
                 "%s %s: session %llu ended: %s", kind_of(guest), guest->key,
                 (unsigned long long)guest->id, end->line);
    server->guest_count--;
    cv_list_remove(&guest->link); /* whoever looks from within on_leave does not find it */
    if (guest->id && is_agent(guest) && cv_manager_leave(server->manager, guest->id) == 0)
        wake_others(server);
    if (guest->id && server->options.on_leave) {
        const struct cv_server_session info = describe(guest);

        server->options.on_leave(server, &info, end->error, end->text);
    }
    free_guest(guest);
}

/* Takes the stream, also on failure. */
static int open_tunnel(struct guest *guest, const struct cv_front_guest *from)
{
    struct cv_server *server = guest->server;
    struct cv_loop *loop = &server->tenant.loop;
    const struct cv_tunnel_owner owner = {.event = on_event, .closed = on_closed, .ctx = guest};
    struct cv_session_config config = cv_session_defaults(CV_SESSION_ACCEPTOR);

    config.culvert = from->culvert;
    config.features = from->features;
    config.key = (int64_t)(cv_random_u64(&loop->random) >> 1);
    config.max_conns = server->options.max_conns_per_session;
    config.parent = &server->tenant.budget;
    snprintf(config.name, sizeof(config.name), "%s", guest->key);
    return cv_tunnel_new(&guest->tunnel, loop, from->stream, &config, from->early, from->early_len,
                         &owner);
}

/* Gets its number, and an agent's becomes one that routes lead to. */
static int enlist(struct guest *guest)
{
    struct cv_server *server = guest->server;
    int rc = 0;

    if (!is_agent(guest)) {
        guest->id = cv_manager_take_number(server->manager);
    } else {
        cv_tunnel_may_rest(guest->tunnel);
        rc = cv_manager_join(server->manager, CV_MEMBER_AGENT, guest->key,
                             cv_tunnel_session(guest->tunnel), guest, guest->since, &guest->id);
    }
    cv_tunnel_name(guest->tunnel, is_agent(guest) ? guest->key : NULL, guest->id);
    wake_others(server);
    return rc;
}

static void join(struct guest *guest)
{
    struct cv_server *server = guest->server;
    int rc = enlist(guest);
    const struct cv_log_about about = cv_tunnel_about(guest->tunnel, 0);
    const struct cv_server_session info = describe(guest);

    server->guest_count++;
    if (rc < 0) { /* on_closed() frees the guest */
        cv_tunnel_close(guest->tunnel, cv_ending_of(rc, 0));
        return;
    }
    cv_log_about(log_of(guest), CV_LOG_INFO, &about, "%s %s: session %llu up from %s%s",
                 kind_of(guest), guest->key, (unsigned long long)guest->id, guest->peer,
                 info.culvert ? "" : " (no Culvert)");
    if (server->options.on_join)
        server->options.on_join(server, &info);
}

void cv_server_welcome(struct cv_server *server, const struct cv_front_guest *from)
{
    struct cv_loop *loop = &server->tenant.loop;
    struct guest *guest = cv_alloc_zero(&loop->alloc, sizeof(*guest));

    if (!guest) {
        cv_log(&loop->log, CV_LOG_ERROR, "client %s: out of memory", from->key);
        if (from->visitor)
            cv_server_leave(server, cv_stream_peer(from->stream));
        cv_stream_close(from->stream);
        return;
    }
    guest->server = server;
    guest->role = from->visitor ? CV_SERVER_VISITOR : CV_SERVER_AGENT;
    guest->since = cv_loop_now(loop);
    snprintf(guest->key, sizeof(guest->key), "%s", from->key);
    snprintf(guest->peer, sizeof(guest->peer), "%s", cv_stream_peer(from->stream));
    snprintf(guest->version, sizeof(guest->version), "%s", from->version ? from->version : "");
    cv_list_init(&guest->link);
    cv_list_push_back(&server->guests, &guest->link);
    if (open_tunnel(guest, from) < 0) {
        cv_log(&loop->log, CV_LOG_ERROR, "%s %s: out of memory", kind_of(guest), guest->key);
        free_guest(guest);
        return;
    }
    join(guest);
}

void cv_server_dismiss(struct cv_server *server, bool idle_only)
{
    cv_list_each (link, &server->guests) {
        struct guest *guest = cv_container_of(link, struct guest, link);

        if (guest->told || (idle_only && cv_session_conns(cv_tunnel_session(guest->tunnel)) > 0))
            continue;
        guest->told = true;
        cv_tunnel_close(guest->tunnel, CV_ENDING_STOPS);
    }
}

/* What the program calls. */

void cv_server_each(struct cv_server *server,
                    void (*each)(void *data, const struct cv_server_session *session), void *data)
{
    cv_list_each (link, &server->guests) {
        const struct guest *guest = cv_container_of(link, struct guest, link);
        const struct cv_server_session info = describe(guest);

        if (guest->id)
            each(data, &info);
    }
}

int cv_server_end_session(struct cv_server *server, uint64_t id)
{
    cv_list_each (link, &server->guests) {
        struct guest *guest = cv_container_of(link, struct guest, link);

        if (id == 0 || guest->id != id)
            continue;
        cv_tunnel_close(guest->tunnel, CV_ENDING_KILLED);
        return 0;
    }
    return CV_ESTALE;
}
