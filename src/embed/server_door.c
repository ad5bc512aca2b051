#include <errno.h>
#include <string.h>

#include "base/ip.h"
#include "embed/server_core.h"

/* A claim as the program sees it, and what cv_server_header() looks into. */
struct claim {
    struct cv_server_claim open;
    const struct cv_http_head *head;
};

static int authorize(void *ctx, const struct cv_front_claim *from)
{
    struct cv_server *server = ctx;
    const struct claim claim = {{.size = sizeof(claim.open),
                                 .role = from->visitor ? CV_SERVER_VISITOR : CV_SERVER_AGENT,
                                 .key = from->key,
                                 .token = from->token,
                                 .remote = from->peer,
                                 .subject = from->subject},
                                from->head};

    return server->options.authorize(server, &claim.open);
}

ssize_t cv_server_header(const struct cv_server_claim *open, const char *name, char *out,
                         size_t size)
{
    const struct claim *claim = (const struct claim *)open; /* its first field */
    const struct cv_slice *value = cv_http_find(claim->head, name);
    size_t len = value && size ? cv_min_size(value->len, size - 1) : 0;

    if (size)
        out[len] = '\0';
    if (!value)
        return -ENOENT;
    memcpy(out, value->at, len);
    return (ssize_t)value->len;
}

/* Limits. */

/* Who comes now waits in the kernel's queue. */
static void hold(struct cv_server *server, uint64_t time)
{
    for (size_t i = 0; i < server->listener_count; i++)
        cv_listener_hold(server->listeners[i], time);
}

static bool may_knock(void *ctx, const char *peer)
{
    struct cv_server *server = ctx;
    uint64_t now = cv_loop_now(&server->tenant.loop), wait;
    struct cv_ip ip;

    if (cv_ip_of_peer(&ip, peer) && cv_admission_enter(server->admission, &ip, now) < 0) {
        cv_log_cause(&server->tenant.loop, CV_CAUSE_ADDRESS, NULL,
                     "%s refused: too many connections of that address", peer);
        return false;
    }
    wait = cv_pace_take(&server->pace, now);
    if (wait)
        hold(server, wait);
    return true;
}

void cv_server_leave(struct cv_server *server, const char *peer)
{
    struct cv_ip ip;

    if (cv_ip_of_peer(&ip, peer))
        cv_admission_leave(server->admission, &ip);
}

static void left(void *ctx, const char *peer)
{
    cv_server_leave(ctx, peer);
}

static bool has_room(void *ctx)
{
    const struct cv_server *server = ctx;

    return server->guest_count < server->options.max_sessions;
}

static void welcome(void *ctx, const struct cv_front_guest *guest)
{
    cv_server_welcome(ctx, guest);
}

/* Opening and closing. */

static int open_tls(struct cv_server *server)
{
    const struct cv_server_options *options = &server->options;
    const struct cv_tls_files files = {
        .cert = options->cert_file, .key = options->key_file, .client_ca = options->client_ca_file};
    char error[300];
    int rc = CV_ESYNTAX;

    if (!files.cert && !files.key && !files.client_ca)
        return 0;
    if (!files.cert || !files.key) {
        cv_log(&server->tenant.loop.log, CV_LOG_ERROR, "TLS needs cert_file and key_file");
        return rc;
    }
    rc = cv_tls_new(&server->tls, &files, error, sizeof(error));
    if (rc < 0)
        cv_log(&server->tenant.loop.log, CV_LOG_ERROR, "TLS: %s", error);
    return rc;
}

static int open_front(struct cv_server *server)
{
    const struct cv_front_config config = {.loop = &server->tenant.loop,
                                           .tls = server->tls,
                                           .authorize = authorize,
                                           .lacking = CV_FEATURE_PUBLISH,
                                           .may_knock = may_knock,
                                           .left = left,
                                           .room = has_room,
                                           .welcome = welcome,
                                           .ctx = server};

    return cv_front_new(&server->front, &config);
}

static int open_listener(struct cv_server *server, const char *address)
{
    struct cv_listener **at = &server->listeners[server->listener_count];
    const struct cv_log *log = &server->tenant.loop.log;
    int rc = cv_listener_new(at, &server->tenant.loop, address, cv_front_accepted, server->front);

    if (rc < 0) {
        cv_log(log, CV_LOG_ERROR, "%s: %s", address, cv_strerror(rc));
        return rc;
    }
    server->listener_count++;
    cv_log(log, CV_LOG_INFO, "front door at %s%s", cv_listener_address(*at),
           server->tls ? ", TLS" : "");
    return 0;
}

int cv_server_open_door(struct cv_server *server)
{
    const char *const *listen = server->options.listen;
    size_t count = 0;
    int rc = open_tls(server);

    while (listen[count])
        count++;
    server->listeners = cv_arena_take(&server->tenant.arena, count * sizeof(struct cv_listener *));
    if (rc == 0)
        rc = server->listeners ? open_front(server) : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = open_listener(server, listen[i]);
    return rc;
}

void cv_server_close_door(struct cv_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++)
        cv_listener_close(server->listeners[i]);
    server->listener_count = 0;
    cv_front_free(server->front);
    server->front = NULL;
    cv_server_close_forwards(server);
}

const char *cv_server_address(const struct cv_server *server, size_t number)
{
    return number < server->listener_count ? cv_listener_address(server->listeners[number]) : NULL;
}

int cv_server_reload_certificate(struct cv_server *server)
{
    char error[300];
    int rc = server->tls ? cv_tls_reload(server->tls, error, sizeof(error)) : 0;

    if (rc < 0)
        cv_log(&server->tenant.loop.log, CV_LOG_ERROR, "TLS: %s", error);
    return rc;
}
