#include "http/rooms.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "http/rooms_core.h"
#include "net/address.h"
#include "net/bridge.h"
#include "net/digest.h"
#include "net/log.h"

/* Sockets for each room: two ends, their POSTs, and those who have not registered. */
#define GUESTS_PER_ROOM 4

/* Seconds of silence before an end is asked for a sign of life, and before it is given up. */
#define PING_AFTER   60
#define HANGUP_AFTER 90

#define LAST_MOMENT (1 * CV_SEC) /* for close frames, when the server stops */

static const lws_retry_bo_t idle_policy = {.secs_since_valid_ping = PING_AFTER,
                                           .secs_since_valid_hangup = HANGUP_AFTER};

bool cv_room_guest_store(struct cv_room_guest *guest, const void *data, size_t len, size_t max)
{
    const struct cv_alloc *alloc = &guest->server->config.loop->alloc;
    size_t size = guest->in_size ? guest->in_size : 1024;
    char *grown;

    if (guest->too_long || len > max - guest->in_len) {
        guest->too_long = true;
        return false;
    }
    while (size < guest->in_len + len)
        size *= 2;
    if (size > guest->in_size) {
        grown = cv_alloc(alloc, size);
        if (!grown) {
            guest->too_long = true;
            return false;
        }
        if (guest->in_len)
            memcpy(grown, guest->in, guest->in_len);
        cv_free(alloc, guest->in);
        guest->in = grown;
        guest->in_size = size;
    }
    if (len)
        memcpy(guest->in + guest->in_len, data, len);
    guest->in_len += len;
    return true;
}

void cv_room_guest_forget(struct cv_room_guest *guest)
{
    cv_free(&guest->server->config.loop->alloc, guest->in);
    guest->in = NULL;
    guest->in_len = guest->in_size = 0;
    guest->too_long = false;
}

bool cv_room_origin_allowed(const struct cv_rooms_server *server, struct lws *wsi, char *origin,
                            size_t size)
{
    int len = lws_hdr_copy(wsi, origin, (int)size, WSI_TOKEN_ORIGIN);

    if (len <= 0) {
        origin[0] = '\0';
        /* one that does not fit is none that is allowed */
        return lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) == 0 || server->config.origin_count == 0;
    }
    for (size_t i = 0; i < server->config.origin_count; i++)
        if (strcasecmp(origin, server->config.origins[i]) == 0)
            return true;
    return server->config.origin_count == 0;
}

/* Who loses its messages may have no WebSocket, and hears nothing of it. */
static void say_hoards(struct cv_rooms_server *server)
{
    struct cv_rooms_counters now;

    cv_rooms_count(server->rooms, &now);
    if (now.hoards == server->hoards)
        return;
    server->hoards = now.hoards;
    cv_log_cause(server->config.loop, CV_CAUSE_HOARD, NULL,
                 "rooms: --rooms-budget is full: who hoards most has lost what waits "
                 "(%llu times so far)",
                 (unsigned long long)now.hoards);
}

void cv_rooms_server_settle(struct cv_rooms_server *server)
{
    struct cv_rooms_event event;

    say_hoards(server);
    while (cv_rooms_poll(server->rooms, &event)) {
        const struct cv_room_guest *guest = event.user;

        if (event.kind == CV_ROOMS_WRITE)
            lws_callback_on_writable(guest->wsi);
        if (event.kind == CV_ROOMS_DROP)
            lws_set_timeout(guest->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
        if (event.kind == CV_ROOMS_GONE)
            cv_bye_tell(server->config.bye, event.room, event.client);
    }
    if (!server->timer || server->leaving)
        return;
    cv_timer_at(server->timer, cv_rooms_deadline(server->rooms));
}

void cv_rooms_server_greet(struct cv_rooms_server *server, struct cv_room_guest *guest)
{
    cv_list_push_back(&server->talkers, &guest->talker);
    if (server->leaving)
        lws_callback_on_writable(guest->wsi);
}

/* Ends what is still connected. */
static void end(struct cv_rooms_server *server)
{
    cv_timer_free(server->timer);
    server->timer = NULL;
    if (server->context)
        lws_context_destroy(server->context); /* its handles end with the loop's next turns */
}

static void on_timer(void *ctx)
{
    struct cv_rooms_server *server = ctx;

    if (server->leaving) {
        end(server);
        return;
    }
    cv_rooms_tick(server->rooms, cv_loop_now(server->config.loop));
    cv_rooms_server_settle(server);
}

/* Whether @room is signed by our secret, for @client, and not expired. */
static bool admit(void *ctx, struct cv_rooms_text room, struct cv_rooms_text client)
{
    const struct cv_rooms_server *server = ctx;
    struct cv_room_token token;
    uint8_t mac[CV_SHA256_LEN];

    return cv_room_token_parse(&token, room) == 0 &&
           cv_hmac_sha256(mac, server->secret, server->config.secret_len, token.body.at,
                          token.body.len) == 0 &&
           cv_secret_equal(mac, token.mac, sizeof(mac)) &&
           cv_room_token_admits(&token, client, cv_wall_clock());
}

static void free_guest(struct cv_room_guest *guest)
{
    struct cv_rooms_server *server = guest->server;
    const struct cv_alloc *alloc = &server->config.loop->alloc;

    if (server->adopting == guest)
        server->adopting = NULL;
    server->guests--;
    cv_list_remove(&guest->talker);
    if (server->timer && server->leaving && cv_list_empty(&server->talkers))
        cv_timer_set(server->timer, 0);
    cv_room_guest_forget(guest);
    cv_free(alloc, guest->path);
    cv_free(alloc, guest);
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct cv_room_guest *guest = wsi ? lws_get_opaque_user_data(wsi) : NULL;

    (void)user;
    if (!guest)
        return 0;
    switch ((int)reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
        return cv_room_ws(guest, wsi, reason, in, len);
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return cv_room_http(guest, wsi, reason, in, len);
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(wsi, NULL);
        free_guest(guest);
        return 0;
    default: /* reasons of libwebsockets, most of which are not about us */
        return 0;
    }
}

static void adopt(struct cv_rooms_server *server, struct cv_room_guest *guest, int fd)
{
    const lws_adopt_desc_t how = {.vh = server->vhost,
                                  .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
                                  .fd = {.sockfd = fd},
                                  .opaque = guest};

    server->adopting = guest;
    if (!lws_adopt_descriptor_vhost_via_info(&how) && server->adopting)
        free_guest(guest); /* it closed the socket, and did not say so by WSI_DESTROY */
    server->adopting = NULL;
}

static void on_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_rooms_server *server = ctx;
    struct cv_loop *loop = server->config.loop;
    struct cv_room_guest *guest = NULL;
    int plain = fd, rc = CV_ROOMS_FINE;

    if (server->guests < (size_t)GUESTS_PER_ROOM * server->config.limits.max_rooms)
        guest = cv_alloc_zero(&loop->alloc, sizeof(*guest));
    if (guest && server->config.tls)
        rc = cv_bridge_tls(loop, fd, server->config.tls, &plain);
    if (!guest || rc < 0) {
        cv_shed(loop, rc < 0 ? rc : CV_EFULL);
        cv_log_cause(loop, CV_CAUSE_NO_ROOM, NULL, "rooms: %s: turned away: %s", peer,
                     rc < 0 ? cv_strerror(rc) : "as many connections as it takes");
        cv_free(&loop->alloc, guest);
        close(fd);
        return;
    }
    guest->server = server;
    cv_list_init(&guest->talker);
    server->guests++;
    (void)!cv_peer_parse(&guest->from, peer); /* by a unix socket: nobody's address */
    adopt(server, guest, plain);
}

static int open_context(struct cv_rooms_server *server)
{
    static const struct lws_protocols protocols[] = {{.name = "rooms", .callback = callback},
                                                     {.name = NULL}};
    void *loops[] = {server->config.loop->uv};
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN_SERVER,
                                             .protocols = protocols,
                                             .options = LWS_SERVER_OPTION_LIBUV |
                                                        LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
                                             .gid = -1,
                                             .uid = -1,
                                             .foreign_loops = loops,
                                             .vhost_name = "rooms",
                                             .server_string = "culvert",
                                             .retry_and_idle_policy = &idle_policy,
                                             .user = server};

    lws_set_log_level(0, NULL);
    server->context = lws_create_context(&info);
    if (!server->context)
        return -ENOSYS;
    server->vhost = lws_create_vhost(server->context, &info);
    return server->vhost ? 0 : -ENOMEM;
}

static int open_all(struct cv_rooms_server *server)
{
    struct cv_rooms_config limits = server->config.limits;
    struct cv_loop *loop = server->config.loop;
    int rc;

    limits.admit = server->config.secret ? admit : NULL;
    limits.ctx = server;
    limits.tell_gone = server->config.bye != NULL;
    rc = cv_rooms_new(&server->rooms, &loop->alloc, &limits);
    if (rc == 0)
        rc = cv_timer_new(&server->timer, loop, on_timer, server);
    if (rc == 0)
        rc = open_context(server);
    if (rc == 0)
        rc = cv_listener_new(&server->listener, loop, server->config.address, on_accepted, server);
    return rc;
}

int cv_rooms_server_new(struct cv_rooms_server **out, const struct cv_rooms_server_config *config)
{
    struct cv_rooms_server *server = cv_alloc_zero(&config->loop->alloc, sizeof(*server));
    int rc;

    if (!server)
        return -ENOMEM;
    server->config = *config;
    server->since = cv_loop_now(config->loop);
    cv_list_init(&server->talkers);
    if (config->secret)
        memcpy(server->secret, config->secret, config->secret_len);
    rc = open_all(server);
    if (rc < 0) {
        cv_rooms_server_close(server);
        cv_rooms_server_free(server);
        return rc;
    }
    *out = server;
    return 0;
}

const char *cv_rooms_server_address(const struct cv_rooms_server *server)
{
    return cv_listener_address(server->listener);
}

const struct cv_rooms *cv_rooms_server_rooms(const struct cv_rooms_server *server)
{
    return server->rooms;
}

void cv_rooms_server_close(struct cv_rooms_server *server)
{
    if (!server->timer || server->leaving)
        return;
    cv_listener_close(server->listener);
    server->listener = NULL;
    server->leaving = true;
    cv_list_each (link, &server->talkers)
        lws_callback_on_writable(cv_container_of(link, struct cv_room_guest, talker)->wsi);
    if (cv_list_empty(&server->talkers))
        end(server);
    else
        cv_timer_set(server->timer, LAST_MOMENT);
}

void cv_rooms_server_free(struct cv_rooms_server *server)
{
    if (!server)
        return;
    cv_rooms_server_close(server);
    if (server->timer)
        end(server);
    if (server->context)
        lws_context_destroy(server->context); /* the second time: frees it */
    cv_rooms_free(server->rooms);
    cv_secret_clear(server->secret, sizeof(server->secret));
    cv_free(&server->config.loop->alloc, server);
}
