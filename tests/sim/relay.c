#include "sim/relay.h"

#include <errno.h>

#include "conn/conn.h"
#include "sim/stream.h"

#define MIDDLE (-1)

struct sim_relay {
    struct sim_actor actor; /* the target's dial */
    struct sim_tunnel *t;
    int64_t conn_id;
    struct sim_transfer *x;
    struct sim_stream *stream; /* NULL while the target is dialled */
    int side;                  /* an enum sim_side, or MIDDLE */
    bool told_ready, finished, closed;
    bool dropping;           /* nobody wants what the source says any more */
    struct sim_relay *waits; /* in the middle: the first leg, which is through when this one is */
};

static struct cv_session *session_of(struct sim_relay *r)
{
    return sim_tunnel_session(r->t);
}

/* Ends the connection because of the socket at this end. */
static void abort_relay(struct sim_relay *r, enum cv_reason reason)
{
    if (cv_session_abort(session_of(r), r->conn_id, reason, NULL) == 0)
        sim_tunnel_touch(r->t);
}

/* The sink takes what the session has stored for it. */
static void drain(struct sim_relay *r)
{
    const uint8_t *data;
    size_t len;

    while (cv_session_backlog(session_of(r), r->conn_id, &data, &len) == 0 && len > 0) {
        ssize_t n = r->stream->ops->write(r->stream, data, len);

        if (n == -EAGAIN)
            return;
        if (n < 0) {
            abort_relay(r, CV_REASON_LOCAL);
            return;
        }
        if (cv_session_consume(session_of(r), r->conn_id, (size_t)n) < 0)
            sim_fail(r->t->w, "a live connection is stale");
        sim_tunnel_touch(r->t);
    }
}

/* Reads and drops what the source still says, so that it goes on taking what is stored for it. */
static void drop(struct sim_relay *r)
{
    uint8_t bytes[4096];

    while (r->stream->ops->read(r->stream, bytes, sizeof(bytes)) > 0)
        sim_count(r->t->w, SIM_DROPPED, 1);
}

static void on_ready(void *ctx)
{
    struct sim_relay *r = ctx;

    /* a process that hangs serves nobody */
    if (r->closed || r->t->w->now < r->t->frozen_until) {
        if (!r->closed)
            sim_wake(&r->actor, r->t->frozen_until);
        return;
    }
    drain(r);
    if (r->dropping && !r->finished)
        drop(r);
    if (r->dropping || r->told_ready || !r->stream->ops->readable(r->stream))
        return;
    r->told_ready = true;
    if (cv_session_ready(session_of(r), r->conn_id, true) == 0)
        sim_tunnel_touch(r->t);
}

static void set_stream(struct sim_relay *r, struct sim_stream *stream)
{
    r->stream = stream;
    stream->ready = on_ready;
    stream->ctx = r;
    stream->ops->kick(stream);
}

static bool has_feature(struct sim_relay *r, enum cv_feature feature)
{
    return cv_session_config(session_of(r))->features & (unsigned)feature;
}

static void take_data(struct sim_relay *r, const struct cv_session_event *event)
{
    ssize_t n;

    if (r->side != MIDDLE)
        sim_transfer_data(r->x, (enum sim_side)r->side, has_feature(r, CV_FEATURE_ACK));
    if (!r->stream)
        sim_fail(r->t->w, "transfer %u: DATA before the target is there", r->x->number);
    n = r->stream->ops->write(r->stream, event->data, event->len);
    if (n < 0 && n != -EAGAIN) {
        abort_relay(r, CV_REASON_LOCAL);
        return;
    }
    if (n < (ssize_t)event->len)
        sim_count(r->t->w, SIM_DATA_REFUSED, 1);
    cv_session_taken(session_of(r), n < 0 ? 0 : (size_t)n);
}

size_t sim_relay_pass(struct sim_relay *r, const uint8_t *data, size_t len)
{
    ssize_t n;

    if (!r || r->closed || !r->stream)
        return 0;
    n = r->stream->ops->write(r->stream, data, len);
    if (n <= 0)
        return 0;
    if (r->side != MIDDLE)
        sim_transfer_data(r->x, (enum sim_side)r->side, has_feature(r, CV_FEATURE_ACK));
    sim_count(r->t->w, SIM_PASSED, 1);
    return (size_t)n;
}

static void take_closed(struct sim_relay *r, const struct cv_session_event *event)
{
    if (r->closed)
        sim_fail(r->t->w, "transfer %u: CLOSED twice", r->x->number);
    r->closed = true;
    if (r->side != MIDDLE)
        sim_transfer_closed(r->x, (enum sim_side)r->side, event->reason);
    if (r->waits && !r->waits->closed)
        abort_relay(r->waits, CV_REASON_DIAL);
    if (r->stream)
        r->stream->ops->close(r->stream, cv_reason_is_error(event->reason));
}

/* The second leg is through, and so the first one is. */
static void first_leg_is_through(struct sim_relay *r)
{
    struct sim_relay *first = r->waits;

    r->waits = NULL;
    if (first->closed)
        return;
    if (cv_session_accept(session_of(first), first->conn_id) < 0)
        sim_fail(r->t->w, "a live connection is stale");
    first->stream->ops->kick(first->stream); /* for what came before it was through */
    sim_tunnel_touch(first->t);
}

void sim_relay_event(struct sim_relay *r, const struct cv_session_event *event)
{
    if (r->closed)
        sim_fail(r->t->w, "transfer %u: event %d after CLOSED", r->x->number, event->kind);
    if (event->conn_id != r->conn_id)
        sim_fail(r->t->w, "transfer %u: an event of another connection", r->x->number);
    switch (event->kind) {
    case CV_EVENT_DATA:
        take_data(r, event);
        return;
    case CV_EVENT_FIN:
        if (r->side != MIDDLE)
            sim_transfer_fin(r->x, (enum sim_side)r->side);
        if (r->stream)
            r->stream->ops->shutdown(r->stream);
        return;
    case CV_EVENT_CONNECTED:
        if (r->side != MIDDLE)
            sim_transfer_connected(r->x, (enum sim_side)r->side);
        if (r->waits)
            first_leg_is_through(r);
        return;
    case CV_EVENT_SILENT:
        if (r->side != MIDDLE)
            sim_transfer_silent(r->x, (enum sim_side)r->side);
        return;
    case CV_EVENT_DRAIN:
        r->dropping = true;
        if (r->stream)
            r->stream->ops->kick(r->stream);
        return;
    case CV_EVENT_CLOSED:
        take_closed(r, event);
        return;
    case CV_EVENT_CONNECT:
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
    case CV_EVENT_PUBLISHED:
    case CV_EVENT_NOTICE:
        return;
    }
}

static void finish(struct sim_relay *r)
{
    r->finished = true;
    if (r->side != MIDDLE)
        r->x->told[r->side].finished = true;
    if (cv_session_finish(session_of(r), r->conn_id) < 0)
        sim_fail(r->t->w, "a connection whose turn it is is stale");
}

void sim_relay_turn(struct sim_relay *r, const struct cv_link_turn *turn)
{
    ssize_t n;

    if (r->closed || !r->stream || r->finished || turn->conn_id != r->conn_id)
        sim_fail(r->t->w, "transfer %u: a turn that it cannot use", r->x->number);
    n = r->stream->ops->read(r->stream, turn->into, turn->max);
    if (n > 0) {
        /* no random number, so that a seed's world stays as it is */
        if (turn->may_aside && n % 2 == 0)
            sim_tunnel_aside(r->t, turn, (size_t)n);
        else
            cv_link_laid(r->t->link, (size_t)n, r->t->w->now);
        if (r->side != MIDDLE && r->x->flow[r->side].sent > CV_WINDOW_INITIAL)
            sim_count(r->t->w, SIM_WINDOWS, 1);
    }
    if (n == (ssize_t)turn->max)
        return;
    r->told_ready = false;
    if (n == 0)
        finish(r);
    else if (n < 0 && n != -EAGAIN)
        abort_relay(r, CV_REASON_LOCAL);
    else if (cv_session_ready(session_of(r), r->conn_id, false) < 0)
        sim_fail(r->t->w, "a connection whose turn it is is stale");
    else if (r->stream->ops->readable(r->stream))
        r->stream->ops->kick(r->stream);
}

/* The dial of a target has ended. */
static void dial_ended(struct sim_relay *r)
{
    struct sim_world *w = r->t->w;

    if (r->x->refuse) {
        sim_trace(w, "transfer %u: refused by the target", r->x->number);
        sim_count(w, SIM_DIALS_REFUSED, 1);
        abort_relay(r, CV_REASON_DIAL);
        return;
    }
    if (cv_session_accept(session_of(r), r->conn_id) < 0)
        sim_fail(w, "a live connection is stale");
    set_stream(r, sim_stream_of_sock(w, sim_transfer_sock(r->x, SIM_TARGET)));
    sim_tunnel_touch(r->t);
}

static void relay_run(struct sim_actor *actor)
{
    struct sim_relay *r = cv_container_of(actor, struct sim_relay, actor);

    if (r->closed)
        return;
    if (r->stream)
        on_ready(r);
    else if (r->t->w->now < r->t->frozen_until)
        sim_wake(actor, r->t->frozen_until);
    else
        dial_ended(r);
}

static struct sim_relay *relay_new(struct sim_tunnel *t, struct sim_transfer *x, int side)
{
    struct sim_relay *r = sim_new(t->w, sizeof(*r));

    r->t = t;
    r->x = x;
    r->side = side;
    sim_actor_init(t->w, &r->actor, relay_run);
    return r;
}

static int dial(struct sim_relay *r, const char *proto)
{
    char address[SIM_ADDRESS_MAX];

    sim_transfer_address(r->x, address);
    return cv_session_dial(session_of(r), proto, address, r, r->t->w->now, &r->conn_id);
}

int sim_relay_dial(struct sim_tunnel *t, struct sim_transfer *x, const char *proto)
{
    struct sim_relay *r = relay_new(t, x, SIM_VISITOR);
    int rc = dial(r, proto);

    if (rc < 0)
        return rc;
    sim_transfer_opened(x, SIM_VISITOR, has_feature(r, CV_FEATURE_HALFCLOSE));
    set_stream(r, sim_stream_of_sock(t->w, sim_transfer_sock(x, SIM_VISITOR)));
    sim_tunnel_touch(t);
    return 0;
}

void sim_relay_accept(struct sim_tunnel *t, int64_t conn_id, struct sim_transfer *x)
{
    struct sim_relay *r = relay_new(t, x, SIM_TARGET);

    r->conn_id = conn_id;
    if (cv_session_set_user(session_of(r), conn_id, r) < 0)
        sim_fail(t->w, "a connection that was just asked for is stale");
    sim_transfer_opened(x, SIM_TARGET, has_feature(r, CV_FEATURE_HALFCLOSE));
    sim_wake(&r->actor, t->w->now + x->dial_for);
}

int sim_relay_splice(struct sim_tunnel *from, int64_t conn_id, struct sim_tunnel *to,
                     struct sim_transfer *x, const char *proto)
{
    struct sim_relay *in = relay_new(from, x, MIDDLE), *out = relay_new(to, x, MIDDLE);
    struct sim_stream *pair[2];
    int rc = dial(out, proto);

    if (rc < 0)
        return rc;
    if (++x->spliced > 1)
        sim_fail(from->w, "transfer %u goes from a peer to a peer", x->number);
    in->conn_id = conn_id;
    if (cv_session_set_user(session_of(in), conn_id, in) < 0)
        sim_fail(from->w, "a connection that was just asked for is stale");
    sim_stream_pair(from->w, pair);
    set_stream(in, pair[0]);
    set_stream(out, pair[1]);
    out->waits = in;
    if (!has_feature(out, CV_FEATURE_ACK))
        first_leg_is_through(out);
    sim_tunnel_touch(from);
    sim_tunnel_touch(to);
    return 0;
}
