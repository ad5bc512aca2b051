#include "embed/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/chain.h"
#include "base/error.h"
#include "embed/options.h"
#include "net/log.h"

#define WRITABLE_BELOW (CV_CONNECTION_BUFFER / 2)
#define TEXT_MAX       120 /* bytes of what is said of an end */

struct cv_connection {
    struct cv_endpoint endpoint;
    struct cv_list link;      /* in the tenant's */
    struct cv_tenant *tenant; /* borrowed */
    struct cv_tunnel *tunnel; /* borrowed; NULL: it waits for one */
    int64_t conn_id;
    struct cv_turn_job job;
    struct cv_connection_callbacks callbacks;
    void *data; /* borrowed */
    char *target;
    struct cv_chain out; /* written, and not gone out */
    bool came_in;        /* it was offered to a handler */
    bool taken;          /* by that */
    bool accepted;       /* and the other end was told */
    bool paused;
    bool shut;     /* ours has ended for the program */
    bool tx_over;  /* nothing of ours crosses any more */
    bool ready;    /* the session knows that ours has something */
    bool full;     /* a write was cut short */
    bool closing;  /* the program has closed it: only on_close */
    bool aborting; /* so, and it ends at once, with abort_text */
    bool end_told; /* theirs has ended, and the program knows */
    bool over;     /* on_close was called */
    char abort_text[TEXT_MAX];
};

static struct cv_connection *of_endpoint(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct cv_connection, endpoint);
}

static const struct cv_alloc *alloc_of(const struct cv_connection *c)
{
    return &c->tenant->loop.alloc;
}

static void wake(struct cv_connection *c)
{
    if (!c->over)
        cv_turn_add(&c->tenant->loop.turn, &c->job);
}

static void free_connection(struct cv_connection *c)
{
    const struct cv_alloc *alloc = alloc_of(c);

    cv_list_remove(&c->link);
    cv_turn_cancel(&c->job);
    cv_chain_clear(&c->out, alloc, NULL);
    cv_free(alloc, c->target);
    cv_free(alloc, c);
}

static void end(struct cv_connection *c, int error, const char *text)
{
    c->over = true;
    if (c->callbacks.on_close)
        c->callbacks.on_close(c, error, text);
    free_connection(c);
}

static int error_of(const struct cv_connection *c, enum cv_reason reason)
{
    if (c->aborting)
        return -ECANCELED;
    switch (reason) {
    case CV_REASON_NONE:
    case CV_REASON_EOF:
        return 0;
    case CV_REASON_REMOTE:
        return CV_EREMOTE;
    case CV_REASON_REFUSED:
        return CV_EDENIED;
    case CV_REASON_CAP:
        return CV_EFLOW;
    case CV_REASON_BUDGET:
        return CV_EFULL;
    case CV_REASON_MEMORY:
        return -ENOMEM;
    case CV_REASON_SYNC:
        return CV_ESTALE;
    case CV_REASON_LOCAL:
    case CV_REASON_KILLED:
    case CV_REASON_DIAL:
    case CV_REASON_COUNT:
        return -ECANCELED;
    case CV_REASON_SESSION:
        return CV_ELOST;
    }
    return CV_EREMOTE;
}

/* What the tunnel calls. */

static void give(struct cv_connection *c, const uint8_t *data, size_t len)
{
    if (!c->closing && c->callbacks.on_read)
        c->callbacks.on_read(c, data, len);
}

static bool wants_bytes(const struct cv_connection *c)
{
    return c->closing || (!c->paused && (!c->came_in || c->accepted));
}

static ssize_t on_data(struct cv_endpoint *endpoint, const uint8_t *data, size_t len)
{
    struct cv_connection *c = of_endpoint(endpoint);

    if (!wants_bytes(c))
        return 0;
    give(c, data, len);
    return (ssize_t)len;
}

static ssize_t on_source(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    struct cv_connection *c = of_endpoint(endpoint);
    size_t n = cv_min_size(max, c->out.len);

    if (n > 0)
        cv_chain_read(&c->out, alloc_of(c), NULL, into, n);
    if (n < max)
        c->ready = false;
    if (n == 0 && c->shut) {
        c->tx_over = true;
        return 0;
    }
    if ((c->full && c->out.len <= WRITABLE_BELOW) || (c->shut && !c->ready))
        wake(c);
    return n ? (ssize_t)n : -EAGAIN;
}

static void tell_end(struct cv_connection *c)
{
    if (c->end_told)
        return;
    c->end_told = true;
    if (!c->closing && c->callbacks.on_end)
        c->callbacks.on_end(c);
}

static void on_fin(struct cv_endpoint *endpoint)
{
    struct cv_connection *c = of_endpoint(endpoint);

    tell_end(c);
    if (c->closing || !c->callbacks.on_end)
        cv_connection_shutdown(c);
}

static void on_connected(struct cv_endpoint *endpoint)
{
    struct cv_connection *c = of_endpoint(endpoint);

    if (!c->closing && c->callbacks.on_open)
        c->callbacks.on_open(c);
}

/* Nothing of ours is wanted any more. */
static void on_drain(struct cv_endpoint *endpoint)
{
    struct cv_connection *c = of_endpoint(endpoint);

    c->tx_over = true;
    cv_chain_clear(&c->out, alloc_of(c), NULL);
    wake(c); /* what is stored may be wanted now */
}

/* What the other end said, as one line. */
static void copy_text(char out[TEXT_MAX], const char *text, size_t len)
{
    size_t n = text ? cv_min_size(len, TEXT_MAX - 1) : 0;

    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    out[n] = '\0';
}

static void on_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                      size_t len)
{
    struct cv_connection *c = of_endpoint(endpoint);
    int error = error_of(c, reason);
    char line[TEXT_MAX];

    copy_text(line, text, len);
    if (error == 0) /* ours had ended before, so nobody has said so yet */
        tell_end(c);
    end(c, error, line[0] ? line : cv_reason_text(reason));
}

static const struct cv_endpoint_ops ops = {
    .data = on_data,
    .read = on_source,
    .fin = on_fin,
    .connected = on_connected,
    .drain = on_drain,
    .closed = on_closed,
};

/* What is done at the end of a turn. */

/* Gives the program what was stored while it did not want it. */
static void give_stored(struct cv_connection *c)
{
    struct cv_session *session = cv_tunnel_session(c->tunnel);
    const uint8_t *data;
    size_t len;

    while (wants_bytes(c) && cv_session_backlog(session, c->conn_id, &data, &len) == 0 && len > 0) {
        give(c, data, len);
        if (cv_session_consume(session, c->conn_id, len) < 0)
            return;
    }
}

static void accept_now(struct cv_connection *c)
{
    if (!c->came_in || c->accepted)
        return;
    c->accepted = true;
    (void)!cv_session_accept(cv_tunnel_session(c->tunnel), c->conn_id); /* else it ends by itself */
}

static void offer_ours(struct cv_connection *c)
{
    if (c->ready || c->tx_over || (c->out.len == 0 && !c->shut))
        return;
    c->ready = cv_session_ready(cv_tunnel_session(c->tunnel), c->conn_id, true) == 0;
}

static void tell_writable(struct cv_connection *c)
{
    if (!c->full || c->out.len > WRITABLE_BELOW)
        return;
    c->full = false;
    if (!c->closing && !c->shut && !c->tx_over && c->callbacks.on_writable)
        c->callbacks.on_writable(c);
}

/* Of one that waits for a tunnel; false when it goes on waiting, or is gone. */
static bool dial(struct cv_connection *c)
{
    int rc = -ECANCELED;

    if (!c->aborting && !c->tenant->closing)
        rc = c->tenant->ops->dial(c->tenant, c);
    if (rc == 1 && c->closing && c->out.len == 0)
        rc = -ECANCELED; /* nothing is to be said, and nobody listens */
    if (rc < 0)
        end(c, rc, cv_strerror(rc));
    return rc == 0;
}

static void work(struct cv_turn_job *job)
{
    struct cv_connection *c = cv_container_of(job, struct cv_connection, job);

    if (!c->tunnel && !dial(c))
        return;
    if (c->aborting) {
        (void)!cv_session_abort(cv_tunnel_session(c->tunnel), c->conn_id, CV_REASON_LOCAL,
                                c->abort_text[0] ? c->abort_text : NULL);
    } else {
        accept_now(c);
        give_stored(c);
        tell_writable(c);
        offer_ours(c);
    }
    cv_tunnel_touch(c->tunnel);
}

/* Making and ending. */

static int take_callbacks(struct cv_connection *c, const struct cv_connection_callbacks *callbacks)
{
    return cv_options_copy(&c->callbacks, sizeof(c->callbacks), callbacks,
                           CV_OPTIONS_LEAST(struct cv_connection_callbacks, on_close));
}

int cv_connection_new(struct cv_connection **out, struct cv_tenant *tenant, const char *target,
                      const struct cv_connection_callbacks *callbacks, void *data)
{
    const struct cv_alloc *alloc = &tenant->loop.alloc;
    struct cv_connection *c = cv_alloc_zero(alloc, sizeof(*c));
    size_t len = strlen(target) + 1;
    int rc = -ENOMEM;

    if (c)
        c->target = cv_alloc(alloc, len);
    if (c && c->target)
        rc = callbacks ? take_callbacks(c, callbacks) : 0;
    if (rc < 0) {
        if (c)
            cv_free(alloc, c->target);
        cv_free(alloc, c);
        return rc;
    }
    memcpy(c->target, target, len);
    c->endpoint.ops = &ops;
    c->tenant = tenant;
    c->data = data;
    c->came_in = callbacks == NULL;
    cv_turn_job_init(&c->job, work);
    cv_list_init(&c->link);
    cv_list_push_back(&tenant->connections, &c->link);
    if (callbacks)
        wake(c);
    *out = c;
    return 0;
}

int cv_connection_begin(struct cv_connection *c, struct cv_tunnel *tunnel, int64_t conn_id)
{
    int rc = cv_session_set_user(cv_tunnel_session(tunnel), conn_id, &c->endpoint);

    if (rc < 0)
        return rc;
    c->tunnel = tunnel;
    c->conn_id = conn_id;
    return 0;
}

bool cv_connection_taken(struct cv_connection *c)
{
    if (c->taken)
        return true;
    if (c->tunnel)
        (void)!cv_session_set_user(cv_tunnel_session(c->tunnel), c->conn_id, NULL);
    free_connection(c);
    return false;
}

void cv_connections_wake(struct cv_tenant *tenant)
{
    cv_list_each (link, &tenant->connections) {
        struct cv_connection *c = cv_container_of(link, struct cv_connection, link);

        if (!c->tunnel)
            wake(c);
    }
}

void cv_connections_fail(struct cv_tenant *tenant, int error, const char *text)
{
    struct cv_list waiting;

    cv_list_init(&waiting);
    cv_list_each_safe (link, &tenant->connections) {
        struct cv_connection *c = cv_container_of(link, struct cv_connection, link);

        if (c->tunnel)
            continue;
        cv_list_remove(link);
        cv_list_push_back(&waiting, link);
    }
    while (!cv_list_empty(&waiting))
        end(cv_container_of(waiting.next, struct cv_connection, link), error, text);
}

/* What the program calls. */

ssize_t cv_connection_write(struct cv_connection *c, const void *data, size_t len)
{
    size_t n = cv_min_size(len, cv_less_size(CV_CONNECTION_BUFFER, c->out.len));
    int rc = 0;

    if (c->shut || c->tx_over || c->aborting || c->over)
        return -EPIPE;
    c->full = c->full || n < len; /* by any writer of several */
    if (n > 0)
        rc = cv_chain_append(&c->out, alloc_of(c), NULL, data, n);
    if (rc < 0)
        return rc;
    wake(c);
    return (ssize_t)n;
}

void cv_connection_shutdown(struct cv_connection *c)
{
    c->shut = true;
    wake(c);
}

void cv_connection_pause(struct cv_connection *c)
{
    c->paused = true;
}

void cv_connection_resume(struct cv_connection *c)
{
    c->paused = false;
    wake(c);
}

void cv_connection_close(struct cv_connection *c)
{
    c->closing = true;
    cv_connection_shutdown(c);
}

void cv_connection_abort(struct cv_connection *c, const char *text)
{
    if (!c->aborting)
        snprintf(c->abort_text, sizeof(c->abort_text), "%s", text ? text : "");
    c->closing = c->aborting = true;
    wake(c);
}

int cv_connection_accept(struct cv_connection *c, const struct cv_connection_callbacks *callbacks,
                         void *data)
{
    int rc = -EINVAL;

    if (callbacks && c->came_in && !c->taken)
        rc = take_callbacks(c, callbacks);
    if (rc < 0)
        return rc;
    c->data = data;
    c->taken = true;
    wake(c);
    return 0;
}

void *cv_connection_data(const struct cv_connection *c)
{
    return c->data;
}

void cv_connection_set_data(struct cv_connection *c, void *data)
{
    c->data = data;
}

const char *cv_connection_target(const struct cv_connection *c)
{
    return c->target;
}
