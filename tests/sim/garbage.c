#include <string.h>

#include "sim/foreign_core.h"

/* An end that says anything. Whatever it does may cost its own session, and nothing else. */

void sim_garbage_message(struct sim_foreign *f, const struct cv_frame *frame)
{
    if (frame->type == CV_FRAME_CONNECT)
        f->seen_ids[sim_below(f->w, 8)] = frame->conn_id;
}

/* An id that means something, one that might, or none that does. */
static int64_t any_id(struct sim_foreign *f)
{
    switch (sim_below(f->w, 4)) {
    case 0:
        return (int64_t)cv_prng_next(&f->w->prng);
    case 1:
        return (int64_t)sim_below(f->w, 12);
    default:
        return f->seen_ids[sim_below(f->w, 8)];
    }
}

static int64_t any_type(struct sim_foreign *f)
{
    static const int64_t types[] = {1, 1, 1,  2,  2,  3, 4,  5,  6,
                                    7, 8, 16, 17, 18, 0, -1, 19, 1 << 20};

    return types[sim_below(f->w, sizeof(types) / sizeof(types[0]))];
}

/* A body that the type could have, or bytes. */
static size_t any_body(struct sim_foreign *f, int64_t type, uint8_t out[1024])
{
    struct cv_random random = cv_prng_random(&f->w->prng);
    size_t len = (size_t)sim_below(f->w, 300);

    random.fill(random.ctx, out, len);
    if (sim_chance(f->w, 20))
        return len;
    switch (type) {
    case CV_FRAME_CONNECT:
        return (size_t)snprintf((char *)out, 1024, "tcp/target:%u", (unsigned)sim_below(f->w, 40));
    case CV_FRAME_ADD_CLIENT:
    case CV_FRAME_REMOVE_CLIENT:
        return (size_t)snprintf((char *)out, 1024, "agent%u/%u", (unsigned)sim_below(f->w, 4),
                                (unsigned)sim_below(f->w, 40));
    case CV_FRAME_WINDOW:
        return cv_varint_encode(out,
                                sim_chance(f->w, 95) ? (int64_t)sim_below(f->w, 1 << 20) + 1 : -1);
    case CV_FRAME_SYNC:
        return len / CV_SYNC_ID_SIZE * CV_SYNC_ID_SIZE;
    default:
        return len;
    }
}

static void say_anything(struct sim_foreign *f)
{
    struct cv_random random = cv_prng_random(&f->w->prng);
    int64_t type = any_type(f);
    uint8_t body[1024];
    size_t len;

    if (sim_chance(f->w, 2)) {
        /* no frame, or no WebSocket */
        random.fill(random.ctx, body, 64);
        if (sim_chance(f->w, 50))
            sim_foreign_ws(f, CV_WS_BINARY, true, body, 64);
        else
            sim_bytes_append(f->w, &f->output, body, 64);
        return;
    }
    len = any_body(f, type, body);
    sim_foreign_send(f, type, any_id(f), body, len);
    if (sim_chance(f->w, 3))
        sim_foreign_ws(f, CV_WS_PING, true, body, cv_min_size(len, CV_WS_CONTROL_MAX));
}

void sim_garbage_act(struct sim_foreign *f)
{
    struct sim_world *w = f->w;

    if (w->healed)
        return;
    if (w->now >= f->act_at) {
        for (uint64_t n = sim_between(w, 1, 6); n; n--)
            say_anything(f);
        f->act_at = w->now + sim_between(w, CV_MSEC, 200 * CV_MSEC);
    }
    sim_wake(&f->actor, f->act_at);
}
