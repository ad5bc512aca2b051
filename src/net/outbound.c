#include "net/outbound.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "net/connect.h"
#include "net/log.h"
#include "net/proxied.h"
#include "net/proxy.h"
#include "net/tls_client.h"
#include "net/tls_stream.h"

#define TARGET_SIZE (CV_OUTBOUND_HOST_SIZE + 16)
#define WHY_SIZE    768

struct cv_outbound {
    struct cv_loop *loop; /* borrowed */
    struct cv_list dials; /* of cv_dialling.link */
    struct cv_tls_sessions sessions;
    struct cv_curl_lib curl; /* once it is loaded */
    bool has_curl;
};

/* One of @connecting, @proxied and @stream at a time: first a socket, then TLS over it. */
struct cv_dialling {
    struct cv_list link;
    struct cv_loop *loop; /* borrowed */
    cv_outbound_done *done;
    void *ctx;
    uv_timer_t deadline, begin;
    struct cv_connecting *connecting;
    struct cv_proxied *proxied;
    SSL *ssl;                 /* owned until it has a stream; NULL: plain */
    struct cv_stream *stream; /* owned; whose handshake is under way */
    int fd;                   /* owned: a socket that TLS is yet to begin on; -1: none */
    int pins;                 /* handles to close before the memory may go */
    int error;                /* what stood in the way of beginning, with `why` */
    char target[TARGET_SIZE]; /* HOST:PORT, for texts */
    char why[WHY_SIZE];
};

static void on_closed(uv_handle_t *handle)
{
    struct cv_dialling *d = handle->data;

    struct cv_loop *loop = d->loop;

    if (--d->pins > 0)
        return;
    cv_free(&loop->alloc, d);
    cv_loop_let_go(loop);
}

/* Ends whatever is under way. */
static void stop(struct cv_dialling *d)
{
    cv_list_remove(&d->link);
    if (d->connecting)
        cv_connect_cancel(d->connecting);
    if (d->proxied)
        cv_proxied_cancel(d->proxied);
    if (d->stream)
        cv_stream_reset(d->stream);
    cv_stream_close(d->stream);
    if (d->fd >= 0)
        close(d->fd);
    SSL_free(d->ssl);
    d->fd = -1;
    d->connecting = NULL;
    d->proxied = NULL;
    d->stream = NULL;
    d->ssl = NULL;
    uv_close((uv_handle_t *)&d->deadline, on_closed);
    uv_close((uv_handle_t *)&d->begin, on_closed);
}

static void fail(struct cv_dialling *d, int error, const char *why)
{
    char text[TARGET_SIZE + WHY_SIZE + 32];

    snprintf(text, sizeof(text), "cannot connect to %s: %s", d->target, why);
    stop(d);
    d->done(d->ctx, NULL, error, text);
}

static void succeed(struct cv_dialling *d, struct cv_stream *stream)
{
    d->stream = NULL;
    stop(d);
    d->done(d->ctx, stream, 0, "");
}

static void shake(struct cv_dialling *d)
{
    struct cv_stream *stream = d->stream;
    int rc = cv_tls_stream_shake(stream);

    if (rc == 0) {
        cv_stream_owner(stream, NULL, NULL);
        succeed(d, stream);
        return;
    }
    if (rc == -EAGAIN) {
        rc = cv_stream_watch(stream, CV_READABLE);
        if (rc < 0)
            fail(d, rc, cv_strerror(rc));
        return;
    }
    rc = cv_tls_client_explain(cv_tls_stream_ssl(stream), rc, d->why, sizeof(d->why));
    fail(d, rc, d->why);
}

static void on_shake(void *ctx, int events)
{
    (void)events;
    shake(ctx);
}

/* The socket stands, whichever way it was made; it is ours. */
static void on_socket(struct cv_dialling *d, int fd)
{
    struct cv_stream *stream;
    int rc = d->ssl ? cv_tls_stream_new(&stream, d->loop, fd, d->ssl, NULL, 0)
                    : cv_stream_new(&stream, d->loop, fd);

    if (rc < 0) {
        close(fd);
        fail(d, rc, cv_strerror(rc));
        return;
    }
    if (!d->ssl) {
        succeed(d, stream);
        return;
    }
    d->ssl = NULL;
    d->stream = stream;
    cv_stream_owner(stream, on_shake, d);
    shake(d);
}

static void on_connected(void *ctx, int fd, int error)
{
    struct cv_dialling *d = ctx;

    d->connecting = NULL;
    if (error)
        fail(d, error, cv_strerror(error));
    else
        on_socket(d, fd);
}

static void on_proxied(void *ctx, struct cv_stream *stream, int fd, int error, const char *why)
{
    struct cv_dialling *d = ctx;

    d->proxied = NULL;
    if (error)
        fail(d, error, why);
    else if (stream)
        succeed(d, stream);
    else
        on_socket(d, fd);
}

static void on_deadline(uv_timer_t *timer)
{
    fail(timer->data, -ETIMEDOUT, "no answer in time");
}

/* What failed before it began, and a socket that was there before: `done` never comes before
 * cv_outbound_dial() has returned. */
static void on_begin(uv_timer_t *timer)
{
    struct cv_dialling *d = timer->data;
    int fd = d->fd;

    d->fd = -1;
    if (d->error == 0) {
        on_socket(d, fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    fail(d, d->error, d->why);
}

static int make_ssl(struct cv_dialling *d, struct cv_outbound *outbound,
                    const struct cv_outbound_options *options)
{
    struct cv_tls_client_options tls = {
        .name = options->server_name ? options->server_name : options->host,
        .port = options->port,
        .insecure = options->insecure,
        .ca_file = options->ca_file,
        .cert_file = options->cert_file,
        .key_file = options->key_file,
    };

    return cv_tls_client_new(&d->ssl, &outbound->sessions, &tls, d->why, sizeof(d->why));
}

static int load_curl(struct cv_dialling *d, struct cv_outbound *outbound)
{
    const char *why = "out of memory";
    int rc;

    if (outbound->has_curl)
        return 0;
    rc = cv_curl_lib_load(&outbound->curl, &why);
    if (rc < 0)
        snprintf(d->why, sizeof(d->why), "a proxy needs libcurl: %s", why);
    outbound->has_curl = rc == 0;
    return rc;
}

static int begin(struct cv_dialling *d, struct cv_outbound *outbound,
                 const struct cv_outbound_options *options)
{
    const char *proxy = options->proxy;
    int rc = 0;

    if (!proxy)
        proxy = cv_proxy_find(options->host, options->tls, getenv);
    if (options->tls && !(proxy && cv_proxied_is_hidden(proxy)))
        rc = make_ssl(d, outbound, options);
    if (rc == 0 && proxy)
        rc = load_curl(d, outbound);
    if (rc < 0)
        return rc;
    if (proxy)
        rc = cv_proxied_dial(&d->proxied, d->loop, &outbound->curl, options, proxy, on_proxied, d);
    else
        rc = cv_connect_start(&d->connecting, d->loop,
                              &(struct cv_connect_options){.host = options->host,
                                                           .port = options->port,
                                                           .timeout = options->timeout,
                                                           .done = on_connected,
                                                           .ctx = d});
    if (rc < 0)
        snprintf(d->why, sizeof(d->why), "%s", cv_strerror(rc));
    return rc;
}

/* "HOST:PORT", an IPv6 address in brackets. */
static void name_target(struct cv_dialling *d, const struct cv_outbound_options *options)
{
    snprintf(d->target, sizeof(d->target), strchr(options->host, ':') ? "[%s]:%u" : "%s:%u",
             options->host, (unsigned)options->port);
}

static int dialling_new(struct cv_dialling **out, struct cv_outbound *outbound,
                        const struct cv_outbound_options *options, cv_outbound_done *done,
                        void *ctx)
{
    struct cv_loop *loop = outbound->loop;
    struct cv_dialling *d;

    if (strlen(options->host) >= CV_OUTBOUND_HOST_SIZE ||
        (options->server_name && strlen(options->server_name) >= CV_OUTBOUND_HOST_SIZE))
        return -ENAMETOOLONG;
    d = cv_alloc_zero(&loop->alloc, sizeof(*d));
    if (!d)
        return -ENOMEM;
    *d = (struct cv_dialling){.loop = loop, .done = done, .ctx = ctx, .fd = -1, .pins = 2};
    name_target(d, options);
    cv_list_push_back(&outbound->dials, &d->link);
    cv_loop_hold(loop);
    uv_timer_init(loop->uv, &d->deadline);
    uv_timer_init(loop->uv, &d->begin);
    d->deadline.data = d->begin.data = d;
    uv_update_time(loop->uv); /* timers count from the loop's last wake, which may be long ago */
    uv_timer_start(&d->deadline, on_deadline, cv_loop_delay(0, options->timeout), 0);
    *out = d;
    return 0;
}

int cv_outbound_dial(struct cv_dialling **out, struct cv_outbound *outbound,
                     const struct cv_outbound_options *options, cv_outbound_done *done, void *ctx)
{
    struct cv_dialling *d;
    int rc = dialling_new(&d, outbound, options, done, ctx);

    if (rc < 0)
        return rc;
    d->error = begin(d, outbound, options);
    if (d->error)
        uv_timer_start(&d->begin, on_begin, 0, 0);
    *out = d;
    return 0;
}

int cv_outbound_over(struct cv_dialling **out, struct cv_outbound *outbound, int fd,
                     const struct cv_outbound_options *options, cv_outbound_done *done, void *ctx)
{
    struct cv_dialling *d;
    int rc = dialling_new(&d, outbound, options, done, ctx);

    if (rc < 0)
        return rc;
    d->fd = fd;
    d->error = make_ssl(d, outbound, options);
    uv_timer_start(&d->begin, on_begin, 0, 0);
    *out = d;
    return 0;
}

void cv_outbound_cancel(struct cv_dialling *dialling)
{
    stop(dialling);
}

int cv_outbound_new(struct cv_outbound **out, struct cv_loop *loop)
{
    struct cv_outbound *outbound = cv_alloc_zero(&loop->alloc, sizeof(*outbound));

    if (!outbound)
        return -ENOMEM;
    outbound->loop = loop;
    cv_list_init(&outbound->dials);
    cv_tls_sessions_init(&outbound->sessions, &loop->alloc);
    *out = outbound;
    return 0;
}

void cv_outbound_free(struct cv_outbound *outbound)
{
    if (!outbound)
        return;
    cv_list_each_safe (entry, &outbound->dials)
        cv_outbound_cancel(cv_container_of(entry, struct cv_dialling, link));
    cv_tls_sessions_deinit(&outbound->sessions);
    if (outbound->has_curl)
        cv_curl_lib_unload(&outbound->curl);
    cv_free(&outbound->loop->alloc, outbound);
}
