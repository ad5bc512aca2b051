#include "peering.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/file.h"
#include "http/uplink.h"
#include "net/digest.h"
#include "net/log.h"
#include "server.h"
#include "session_end.h"
#include "ws/ws.h"

/* Who peers with us, as it was read. */
struct table {
    struct cv_arena arena;
    struct cv_alloc alloc;
    struct cv_peer_servers peers;
    uint8_t (*digests)[CV_TOKEN_DIGEST]; /* of their tokens; in the arena */
};

struct peering {
    struct server *server; /* borrowed */
    struct worker *worker; /* the first; borrowed */
    struct table *table;   /* owned; under the server's lock */
    struct cv_outbound *outbound;
    struct cv_ws_header token;
    struct cv_list peers; /* that we dial */
    bool closed;
};

/* One that we dial. */
struct peer {
    struct resident resident; /* first */
    struct cv_list link;      /* in the peering's, until it is closed */
    struct peering *peering;
    struct cv_arena arena; /* of the strings */
    struct cv_uplink *uplink;
    struct cv_peer_server server; /* in the arena */
    bool joined;
    uint64_t connected, disconnected; /* sessions, ever */
    uint64_t member;
    struct cv_log_limit complaints;
};

/* The table. */

static void table_free(struct table *table)
{
    if (!table)
        return;
    cv_arena_deinit(&table->arena);
    free(table);
}

/* Texts go to the table's arena. */
static int copy_peer(struct cv_arena *arena, struct cv_peer_server *out,
                     const struct cv_peer_server *from)
{
    const char *const texts[] = {from->id, from->token, from->url.host, from->url.target,
                                 from->url.text};
    const char **const into[] = {&out->id, &out->token, &out->url.host, &out->url.target,
                                 &out->url.text};

    *out = *from;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        *into[i] = cv_arena_copy(arena, texts[i], strlen(texts[i]));
        if (!*into[i])
            return -ENOMEM;
    }
    return 0;
}

static int add_rules(struct table *table, const struct cv_peer_servers *rules)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct cv_peer_server *grown = cv_arena_push(
            &table->arena, table->peers.at, &table->peers.count, sizeof(struct cv_peer_server));

        if (!grown)
            return -ENOMEM;
        table->peers.at = grown;
        if (copy_peer(&table->arena, &grown[i], &rules->at[i]) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int add_digests(struct table *table)
{
    int rc = 0;

    table->digests = cv_arena_take(&table->arena, (table->peers.count + 1) * CV_TOKEN_DIGEST);
    if (!table->digests)
        return -ENOMEM;
    for (size_t i = 0; rc == 0 && i < table->peers.count; i++) {
        const char *token = table->peers.at[i].token;

        rc = cv_sha256(table->digests[i], token, strlen(token));
    }
    return rc;
}

/* Reads all peers: @rules, those of the configuration, and those of its file. */
static int table_read(struct table **out, const struct cv_server_config *config,
                      const struct cv_peer_servers *rules, struct cv_config_error *error)
{
    struct table *table = calloc(1, sizeof(*table));
    int rc;

    if (!table)
        return cv_config_error_memory(error, PROGRAM);
    table->alloc = cv_heap();
    cv_arena_init(&table->arena, &table->alloc);
    rc = add_rules(table, rules);
    if (rc < 0)
        rc = cv_config_error_memory(error, PROGRAM);
    if (rc == 0 && config->peers_file)
        rc = cv_peers_load(&table->peers, &table->arena, PROGRAM, config->peers_file, error);
    for (size_t i = 0; rc == 0 && i < table->peers.count; i++)
        if (strcmp(table->peers.at[i].id, config->peer_id) == 0) {
            snprintf(error->line, sizeof(error->line), PROGRAM ": %s: %s is our own --peer-id",
                     config->peers_file ? config->peers_file : "peer", config->peer_id);
            rc = CV_ESYNTAX;
        }
    if (rc == 0 && add_digests(table) < 0)
        rc = cv_config_error_memory(error, PROGRAM);
    if (rc < 0) {
        table_free(table);
        return rc;
    }
    *out = table;
    return 0;
}

int peering_check(const struct cv_server_config *config, struct cv_config_error *error)
{
    struct table *table;
    int rc;

    if (!config->peers_file)
        return 0;
    rc = table_read(&table, config, &config->peers, error);
    if (rc == 0)
        table_free(table);
    return rc;
}

bool peering_knows(struct peering *peering, const char *id, const uint8_t *digest)
{
    bool known = false;

    if (!peering)
        return false;
    uv_mutex_lock(&peering->server->lock);
    for (size_t i = 0; i < peering->table->peers.count; i++)
        known = known || (strcmp(peering->table->peers.at[i].id, id) == 0 &&
                          memcmp(peering->table->digests[i], digest, CV_TOKEN_DIGEST) == 0);
    uv_mutex_unlock(&peering->server->lock);
    return known;
}

/* A session that we opened. */

static const struct cv_log *log_of(const struct peer *peer)
{
    return &peer->peering->worker->loop.log;
}

static void peer_free(struct peer *peer)
{
    cv_list_remove(&peer->link);
    cv_arena_deinit(&peer->arena);
    free(peer);
}

/* The manager's is the session's number. */
static uint64_t join(void *ctx, struct cv_tunnel *tunnel)
{
    struct peer *peer = ctx;
    struct worker *worker = peer->peering->worker;
    int rc =
        cv_manager_join(worker->manager, CV_MEMBER_OUTGOING, peer->server.id,
                        cv_tunnel_session(tunnel), peer, cv_loop_now(&worker->loop), &peer->member);

    peer->joined = rc == 0;
    if (rc == 0)
        return peer->member;
    cv_log_about(log_of(peer), CV_LOG_ERROR, &(struct cv_log_about){.client = peer->server.id},
                 "peer %s: %s", peer->server.id, cv_strerror(rc));
    cv_tunnel_close(tunnel, cv_ending_of(rc, 0));
    return 0;
}

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    struct peer *peer = ctx;

    peer->resident.tunnel = tunnel;
    peer->connected++;
    guests_wake(peer->peering->worker);
}

static const char *on_announced(void *ctx, const struct cv_session_event *event)
{
    struct peer *peer = ctx;
    int rc = cv_manager_announced(peer->peering->worker->manager, peer->member,
                                  event->kind == CV_EVENT_ADD_CLIENT, event->text, event->text_len,
                                  event->session_key);

    return rc < 0 ? "it belongs on the session that the peer opens" : NULL;
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    struct peer *peer = ctx;
    const struct session_dialler dialler = {.door = "peer",
                                            .peer = peer->server.id,
                                            .from = CV_ROUTE_PEER,
                                            .complaints = &peer->complaints};
    const struct session_end end = {.worker = peer->peering->worker,
                                    .kind = "peer",
                                    .name = peer->server.id,
                                    .complaints = &peer->complaints,
                                    .dialler = &dialler,
                                    .announced = on_announced,
                                    .ctx = peer};

    session_end_event(&end, tunnel, event);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    struct peer *peer = ctx;

    (void)tunnel, (void)error, (void)why;
    if (peer->joined && cv_manager_leave(peer->peering->worker->manager, peer->member) < 0)
        cv_log_about(log_of(peer), CV_LOG_ERROR,
                     &(struct cv_log_about){.client = peer->server.id, .session = peer->member},
                     "peer %s: left twice", peer->server.id);
    peer->joined = false;
    peer->disconnected++;
    peer->resident.tunnel = NULL;
    if (cv_list_empty(&peer->link)) /* it was closed: the uplink says no more */
        peer_free(peer);
}

static void peer_close(struct peer *peer)
{
    bool stands = peer->resident.tunnel != NULL;

    cv_list_remove(&peer->link);
    cv_uplink_close(
        peer->uplink); /* may call on_down(), now or later, only when a session stands */
    if (!stands)
        peer_free(peer);
}

/* Dialling. */

static int dial(struct peer *peer)
{
    struct peering *peering = peer->peering;
    const struct cv_server_config *config = peering->server->config;
    struct cv_uplink_config uplink = {
        .url = peer->server.url.text,
        .outbound = {.host = peer->server.url.host,
                     .port = peer->server.url.port,
                     .tls = peer->server.url.tls,
                     .insecure = config->peer_insecure,
                     .ca_file = config->peer_ca,
                     .timeout = 15 * CV_SEC},
        .target = peer->server.url.target,
        .key = config->peer_id,
        .key_header = "X-API-Tunnel-ID",
        .headers = &peering->token,
        .header_count = 1,
        .session = cv_session_defaults(CV_SESSION_DIALLER),
        .client = peer->server.id,
        .number = join,
        .up = on_up,
        .event = on_event,
        .down = on_down,
        .ctx = peer,
    };

    snprintf(uplink.session.name, sizeof(uplink.session.name), "client");
    uplink.session.max_conns = (uint32_t)config->limits.max_conns_per_session;
    uplink.session.parent = &peering->server->budget;
    return cv_uplink_new(&peer->uplink, &peering->worker->loop, peering->outbound, &uplink);
}

static int peer_new(struct peering *peering, const struct cv_peer_server *from)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    int rc;

    if (!peer)
        return -ENOMEM;
    peer->peering = peering;
    cv_list_init(&peer->link);
    cv_arena_init(&peer->arena, &peering->worker->loop.alloc);
    rc = copy_peer(&peer->arena, &peer->server, from);
    if (rc == 0)
        rc = dial(peer);
    if (rc < 0) {
        peer_free(peer);
        return rc;
    }
    cv_list_push_back(&peering->peers, &peer->link);
    return 0;
}

static bool is_same(const struct peer *peer, const struct cv_peer_server *other)
{
    return strcmp(peer->server.id, other->id) == 0 &&
           strcmp(peer->server.url.text, other->url.text) == 0;
}

static int dial_new(struct peering *peering, const struct cv_peer_servers *wanted)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < wanted->count; i++) {
        bool there = false;

        cv_list_each (link, &peering->peers)
            there = there || is_same(cv_container_of(link, struct peer, link), &wanted->at[i]);
        if (!there)
            rc = peer_new(peering, &wanted->at[i]);
    }
    return rc;
}

static void close_old(struct peering *peering, const struct cv_peer_servers *wanted)
{
    cv_list_each_safe (link, &peering->peers) {
        struct peer *peer = cv_container_of(link, struct peer, link);
        bool stays = false;

        for (size_t i = 0; i < wanted->count; i++)
            stays = stays || is_same(peer, &wanted->at[i]);
        if (stays)
            continue;
        cv_log_about(log_of(peer), CV_LOG_INFO, &(struct cv_log_about){.client = peer->server.id},
                     "peer %s at %s is gone", peer->server.id, peer->server.url.text);
        peer_close(peer);
    }
}

/* Dials those that are new in the table, and closes the sessions with those that are not in it. */
static int follow(struct peering *peering)
{
    const struct cv_peer_servers *wanted = &peering->table->peers;
    int rc = dial_new(peering, wanted);

    close_old(peering, wanted);
    return rc;
}

/* Opening and closing. */

int peering_open(struct peering **out, struct server *server, struct cv_config_error *error)
{
    const struct cv_server_config *config = server->config;
    struct peering *peering;
    int rc;

    if (!config->peer_id)
        return EXIT_OK;
    peering = calloc(1, sizeof(*peering));
    if (!peering)
        return server_fail(error, EXIT_RUNTIME, "peers", -ENOMEM);
    peering->server = server;
    peering->worker = &server->workers[0];
    peering->token =
        (struct cv_ws_header){"X-API-Tunnel-Token", config->peer_token ? config->peer_token : ""};
    cv_list_init(&peering->peers);
    if (table_read(&peering->table, config, &config->peers, error) < 0) {
        free(peering);
        return EXIT_USAGE;
    }
    *out = peering;
    rc = cv_outbound_new(&peering->outbound, &peering->worker->loop);
    if (rc == 0)
        rc = follow(peering);
    if (rc < 0)
        return server_fail(error, EXIT_RUNTIME, "peers", rc);
    if (config->peer_insecure)
        cv_log(&peering->worker->loop.log, CV_LOG_WARN,
               "--peer-insecure: the certificates of peers are not verified");
    return EXIT_OK;
}

void peering_reload(struct peering *peering, const struct rules *rules)
{
    const struct cv_log *log;
    struct cv_config_error error = {.line = ""};
    struct table *fresh = NULL, *old;
    int rc;

    if (!peering || peering->closed)
        return;
    log = &peering->worker->loop.log;
    if (table_read(&fresh, peering->server->config, &rules->config->peers, &error) < 0 || !fresh) {
        cv_log(log, CV_LOG_ERROR, "reload: %s", error.line);
        return;
    }
    uv_mutex_lock(&peering->server->lock);
    old = peering->table;
    peering->table = fresh;
    uv_mutex_unlock(&peering->server->lock);
    table_free(old);
    rc = follow(peering);
    if (rc < 0)
        cv_log(log, CV_LOG_ERROR, "reload: peers: %s", cv_strerror(rc));
    for (unsigned i = 0; i < peering->server->worker_count; i++)
        worker_recheck(&peering->server->workers[i]);
}

void peering_close(struct peering *peering)
{
    if (!peering || peering->closed)
        return;
    peering->closed = true;
    cv_list_each_safe (link, &peering->peers)
        peer_close(cv_container_of(link, struct peer, link));
}

void peering_free(struct peering *peering)
{
    if (!peering)
        return;
    cv_outbound_free(peering->outbound);
    table_free(peering->table);
    free(peering);
}

/* Sessions of other workers. */

struct peering_notice {
    struct cv_mail mail;
    bool add;
    int64_t session_key;
    char key[CV_KEY_MAX + 1];
};

static void on_notice(struct cv_mail *mail, void *ctx, bool lost)
{
    struct peering_notice *notice = cv_container_of(mail, struct peering_notice, mail);
    struct worker *first = ctx;

    if (!lost) {
        int rc =
            cv_manager_elsewhere(first->manager, notice->add, notice->key, notice->session_key);

        if (rc < 0)
            cv_log_about(&first->loop.log, CV_LOG_ERROR,
                         &(struct cv_log_about){.client = notice->key},
                         "client %s: peers do not hear of it: %s", notice->key, cv_strerror(rc));
        guests_wake(first);
    }
    free(notice);
}

static struct peering_notice *make_notice(bool add, const char *key, int64_t session_key)
{
    struct peering_notice *notice = calloc(1, sizeof(*notice));

    if (!notice)
        return NULL;
    notice->mail.deliver = on_notice;
    notice->add = add;
    notice->session_key = session_key;
    snprintf(notice->key, sizeof(notice->key), "%s", key);
    return notice;
}

int peering_joined(struct worker *worker, const char *key, int64_t session_key,
                   struct peering_notice **parting)
{
    struct server *server = worker->server;
    struct peering_notice *notice;

    *parting = NULL;
    if (!server->peering || worker->index == 0)
        return 0;
    notice = make_notice(true, key, session_key);
    if (notice)
        *parting = make_notice(false, key, session_key);
    if (!*parting) {
        free(notice);
        return -ENOMEM;
    }
    cv_mailbox_post(&server->workers[0].mailbox, &notice->mail);
    return 0;
}

void peering_parted(struct worker *worker, struct peering_notice *parting)
{
    if (parting)
        cv_mailbox_post(&worker->server->workers[0].mailbox, &parting->mail);
}

void peering_each(const struct peering *peering,
                  void (*each)(void *ctx, const struct peering_info *info), void *ctx)
{
    if (!peering)
        return;
    cv_list_each (link, &peering->peers) {
        const struct peer *peer = cv_container_of(link, struct peer, link);
        struct peering_info info = {
            .id = peer->server.id,
            .url = peer->server.url.text,
            .joined = peer->joined,
            .attempts = cv_uplink_dials(peer->uplink),
            .connected = peer->connected,
            .disconnected = peer->disconnected,
        };

        each(ctx, &info);
    }
}
