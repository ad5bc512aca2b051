#include "sim/foreign.h"

#include <errno.h>
#include <string.h>

#include "sim/foreign_core.h"

#define PING_EVERY  (5 * CV_SEC)
#define SYNC_EVERY  (60 * CV_SEC)
#define DEAD_AFTER  (60 * CV_SEC)
#define FRAGMENT    ((size_t)4096)
#define READ_SIZE   ((size_t)32768)
#define MESSAGE_MAX (UINT64_C(1) << 24)

/* A serve loop that must write waits for the socket, and reads no more meanwhile. */
#define OUTPUT_MAX ((size_t)131072)

void sim_bytes_append(struct sim_world *w, struct sim_bytes *bytes, const void *data, size_t len)
{
    if (bytes->start + bytes->len + len > bytes->size) {
        size_t size = 2 * (bytes->len + len) + 1024;
        uint8_t *grown = bytes->data;

        if (size > bytes->size)
            grown = sim_new(w, size);
        else
            size = bytes->size;
        if (bytes->len)
            memmove(grown, bytes->data + bytes->start, bytes->len);
        bytes->data = grown;
        bytes->size = size;
        bytes->start = 0;
    }
    if (len)
        memcpy(bytes->data + bytes->start + bytes->len, data, len);
    bytes->len += len;
}

void sim_bytes_drop(struct sim_bytes *bytes, size_t len)
{
    bytes->start += len;
    bytes->len -= len;
    if (bytes->len == 0)
        bytes->start = 0;
}

void sim_foreign_ws(struct sim_foreign *f, enum cv_ws_opcode opcode, bool fin, const void *body,
                    size_t len)
{
    uint8_t head[CV_WS_HEAD_MAX], mask[4];
    uint64_t random = cv_prng_next(&f->w->prng);
    size_t n;

    memcpy(mask, &random, sizeof(mask));
    n = cv_ws_head_encode(head, opcode, fin, len, f->plan.dialler ? mask : NULL);
    sim_bytes_append(f->w, &f->output, head, n);
    sim_bytes_append(f->w, &f->output, body, len);
    if (f->plan.dialler)
        cv_ws_mask_plain(f->output.data + f->output.start + f->output.len - len, len, mask, 0);
}

void sim_foreign_send(struct sim_foreign *f, int64_t type, int64_t conn_id, const void *body,
                      size_t len)
{
    struct cv_frame frame = {
        .id = f->frame_id++, .conn_id = conn_id, .type = type, .deadline = CV_DEADLINE_MS};
    uint8_t message[CV_FRAME_HEAD_MAX + 65536];
    size_t total = cv_frame_encode(message, &frame), at = 0;

    if (len)
        memcpy(message + total, body, len);
    total += len;
    if (!f->plan.dialler) {
        sim_foreign_ws(f, CV_WS_BINARY, true, message, total);
        return;
    }
    do {
        size_t n = cv_min_size(total - at, FRAGMENT);

        sim_foreign_ws(f, at ? CV_WS_CONT : CV_WS_BINARY, at + n == total, message + at, n);
        at += n;
    } while (at < total);
}

static void lost(struct sim_foreign *f, const char *why)
{
    if (!f->alive)
        return;
    sim_trace(f->w, "foreign %s: the link is gone: %s", f->plan.key, why);
    f->alive = false;
    sim_wire_cut(f->wire, f->w->now, f->w->now);
    sim_reference_lost(f);
    f->ended(f->ctx, f);
}

static void take_message(struct sim_foreign *f)
{
    struct cv_frame frame;
    int n = cv_frame_decode(&frame, f->message.data + f->message.start, f->message.len);

    if (n < 0)
        sim_fail(f->w, "a Culvert end sent a frame that cannot be read");
    if (f->plan.kind == SIM_GARBAGE)
        sim_garbage_message(f, &frame);
    else
        sim_reference_message(f, &frame, f->message.data + f->message.start + n,
                              f->message.len - (size_t)n);
    sim_bytes_drop(&f->message, f->message.len);
}

static void take_event(struct sim_foreign *f, const struct cv_ws_event *event)
{
    switch (event->kind) {
    case CV_WS_EV_NONE:
        return;
    case CV_WS_EV_PIECE:
        sim_bytes_append(f->w, &f->message, event->data, event->len);
        if (event->fin)
            take_message(f);
        return;
    case CV_WS_EV_PING:
        f->heard_at = f->w->now;
        sim_foreign_ws(f, CV_WS_PONG, true, NULL, 0);
        return;
    case CV_WS_EV_PONG:
        f->heard_at = f->w->now;
        return;
    case CV_WS_EV_CLOSE:
        lost(f, "closed by the other end");
        return;
    }
}

/* One read: whether there may be more. */
static bool read_once(struct sim_foreign *f)
{
    uint8_t buf[READ_SIZE];
    ssize_t got = sim_pipe_read(f->in, buf, sizeof(buf));

    if (got == -EAGAIN)
        return false;
    if (got <= 0) {
        lost(f, "the wire");
        return false;
    }
    for (ssize_t at = 0; at < got && f->alive;) {
        struct cv_ws_event event;
        int n = cv_ws_read(&f->ws, buf + at, (size_t)(got - at), &event);

        if (n < 0)
            sim_fail(f->w, "a Culvert end sent what is no WebSocket: %d", n);
        at += n;
        take_event(f, &event);
    }
    return f->alive;
}

static void flush(struct sim_foreign *f)
{
    while (f->alive && f->output.len) {
        ssize_t n = sim_pipe_write(f->out, f->output.data + f->output.start, f->output.len);

        if (n == -EAGAIN)
            return;
        if (n < 0)
            lost(f, "the wire");
        else
            sim_bytes_drop(&f->output, (size_t)n);
    }
}

static void keep_alive(struct sim_foreign *f)
{
    uint64_t now = f->w->now;

    if (now >= f->heard_at + DEAD_AFTER) {
        lost(f, "silence");
        return;
    }
    if (f->plan.dialler && now >= f->ping_at) {
        f->ping_at = now + PING_EVERY;
        sim_foreign_ws(f, CV_WS_PING, true, NULL, 0);
    }
    if (f->plan.dialler && now >= f->sync_at) {
        f->sync_at = now + SYNC_EVERY;
        sim_reference_sync(f);
    }
    sim_wake(&f->actor, f->heard_at + DEAD_AFTER);
    if (f->plan.dialler)
        sim_wake(&f->actor, cv_min_time(f->ping_at, f->sync_at));
}

static void foreign_run(struct sim_actor *actor)
{
    struct sim_foreign *f = cv_container_of(actor, struct sim_foreign, actor);

    if (f->alive)
        flush(f);
    for (int i = 0; f->alive && i < 8 && f->output.len < OUTPUT_MAX && read_once(f); i++)
        ;
    if (f->alive)
        keep_alive(f);
    if (f->alive && f->plan.kind == SIM_GARBAGE)
        sim_garbage_act(f);
    if (f->output.len < OUTPUT_MAX)
        sim_reference_pump(f);
    if (f->alive)
        flush(f);
}

struct sim_foreign *sim_foreign_new(struct sim_world *w, struct sim_wire *wire,
                                    const struct sim_foreign_plan *plan,
                                    void (*ended)(void *ctx, struct sim_foreign *f), void *ctx)
{
    struct cv_ws_limits limits = {.max_message = MESSAGE_MAX};
    struct sim_foreign *f = sim_new(w, sizeof(*f));

    f->w = w;
    f->plan = *plan;
    f->wire = wire;
    f->out = &wire->pipe[plan->dialler ? 0 : 1];
    f->in = &wire->pipe[plan->dialler ? 1 : 0];
    f->out->writer = f->in->reader = &f->actor;
    f->alive = true;
    f->ended = ended;
    f->ctx = ctx;
    f->next_id = plan->dialler ? 0 : 1;
    f->frame_id = (int64_t)(cv_prng_next(&w->prng) >> 2);
    f->heard_at = w->now;
    f->ping_at = w->now + PING_EVERY;
    f->sync_at = w->now + SYNC_EVERY;
    cv_list_init(&f->conns);
    cv_ws_init(&f->ws, plan->dialler ? CV_WS_CLIENT : CV_WS_SERVER, &limits);
    sim_actor_init(w, &f->actor, foreign_run);
    sim_wake(&f->actor, w->now);
    return f;
}

bool sim_foreign_alive(const struct sim_foreign *f)
{
    return f->alive;
}

void sim_foreign_visit(struct sim_foreign *f, struct sim_transfer *x)
{
    if (!f->alive) {
        x->unrouted = true;
        return;
    }
    sim_reference_visit(f, x);
    sim_wake(&f->actor, f->w->now);
}

void sim_foreign_stop(struct sim_foreign *f)
{
    lost(f, "stopped");
}

size_t sim_foreign_conns(const struct sim_foreign *f)
{
    return sim_reference_conns(f);
}
