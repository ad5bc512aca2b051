#include "sim/rooms_lobby.h"

#include <string.h>

#include "base/error.h"

struct cv_rooms_text lobby_name(int name)
{
    static char text[512];
    size_t len = model_name_len(name);

    if (!text[0])
        memset(text, 'x', sizeof(text));
    return (struct cv_rooms_text){len ? text : NULL, len};
}

struct cv_rooms_text lobby_text(uint32_t number, size_t len)
{
    static char text[CV_ROOMS_BODY_MAX + 8];
    char head[9];

    if (len == 0)
        return (struct cv_rooms_text){NULL, 0};
    snprintf(head, sizeof(head), "%08x", (unsigned)number);
    for (size_t at = 0; at < len; at += 8)
        memcpy(text + at, head, 8);
    return (struct cv_rooms_text){text, len};
}

void lobby_before(struct lobby *l)
{
    l->calls_before = l->memory.calls;
    l->memory.fail_at = 0;
    if (l->fails && sim_chance(&l->w, 5))
        l->memory.fail_at = l->memory.calls + sim_between(&l->w, 1, 4);
}

void lobby_after(struct lobby *l)
{
    l->model.no_memory =
        l->memory.fail_at > l->calls_before && l->memory.calls >= l->memory.fail_at;
    l->memory.fail_at = 0;
    sim_count(&l->w, SIM_ROOMS_MEMORY, l->model.no_memory);
}

/* What arrives: from the other one in the room, once, and in the order of what was said. */
static void check_words(struct lobby *l, struct lobby_guest *g, uint32_t number)
{
    struct lobby_words *words = &l->words[number];

    if (words->room != g->room || words->id == g->id)
        sim_fail(&l->w, "message %u of %d in room %d is heard by %d in room %d", number, words->id,
                 words->room, g->id, g->room);
    if (words->heard)
        sim_fail(&l->w, "message %u is heard a second time", number);
    if (number <= g->last)
        sim_fail(&l->w, "message %u is heard after message %u", number, g->last);
    words->heard = true;
    g->last = number;
}

/* Whether there is something for @guest is as the model has it. Returns what cv_rooms_peek() does.
 */
static int check_state(struct lobby *l, int guest, struct cv_rooms_out *out)
{
    const struct model_end *end = &l->model.ends[guest];
    int rc = cv_rooms_peek(l->rooms, l->guests[guest].end, out);
    int want = model_next(&l->model, guest) ? 1 : end->closing ? CV_ECLOSED : 0;

    if (rc != want)
        sim_fail(&l->w, "end %d: peek says %d, not %d", guest, rc, want);
    return rc;
}

static void check_out(struct lobby *l, int guest, const struct cv_rooms_out *out)
{
    const struct model_message *next = model_next(&l->model, guest);
    struct cv_rooms_text text = next->error ? (struct cv_rooms_text){next->error, next->len}
                                            : lobby_text(next->number, next->len);

    if (out->error != (next->error != NULL) || out->text.len != text.len ||
        memcmp(out->text.at, text.at, text.len) != 0)
        sim_fail(&l->w, "end %d: hears %zu bytes '%.*s', not message %u", guest, out->text.len,
                 (int)cv_min_size(out->text.len, 60), out->text.at, next->number);
    if (next->error)
        return;
    check_words(l, &l->guests[guest], next->number);
    sim_count(&l->w, SIM_ROOMS_HEARD, 1);
}

bool lobby_write(struct lobby *l, int guest)
{
    struct lobby_guest *g = &l->guests[guest];
    struct cv_rooms_out out;

    if (!l->model.ends[guest].open || !g->told_to_write)
        return false;
    if (check_state(l, guest, &out) <= 0) {
        g->told_to_write = l->model.ends[guest].closing;
        return false;
    }
    check_out(l, guest, &out);
    cv_rooms_written(l->rooms, g->end);
    model_heard(&l->model, guest);
    return true;
}

static void check_end(struct lobby *l, int guest)
{
    const struct model_end *end = &l->model.ends[guest];
    const struct lobby_guest *g = &l->guests[guest];
    struct cv_rooms_out out;

    if (!end->open)
        return;
    if (end->out.count > CV_ROOMS_OUT_COUNT + (end->closing ? 1 : 0) ||
        end->out.bytes > CV_ROOMS_OUT_MAX + (end->closing ? 256 : 0))
        sim_fail(&l->w, "end %d: %zu bytes wait for it", guest, end->out.bytes);
    if (check_state(l, guest, &out) != 0 && !g->told_to_write && !g->told_to_drop)
        sim_fail(&l->w, "end %d was not told that there is something to write", guest);
    if (end->dropped != g->told_to_drop)
        sim_fail(&l->w, "end %d is %s", guest, end->dropped ? "not dropped" : "dropped");
}

static int name_of(struct cv_rooms_text text)
{
    for (int name = 0; name < MODEL_NAMES; name++)
        if (model_name_len(name) == text.len)
            return name;
    return 0;
}

struct view {
    struct lobby *l;
    uint64_t clients;
};

static void check_entry(void *ctx, const struct cv_rooms_entry *entry)
{
    struct view *view = ctx;
    struct sim_world *w = &view->l->w;
    int room = name_of(entry->room), id = name_of(entry->client);
    const struct model_client *client = &view->l->model.clients[room][id];

    view->clients++;
    if (!client->there)
        sim_fail(w, "%d is in room %d", id, room);
    if (entry->present != (client->end != MODEL_NONE))
        sim_fail(w, "%d in room %d is %s", id, room, entry->present ? "there" : "absent");
    if (entry->queued > CV_ROOMS_QUEUE_MAX || entry->bytes > CV_ROOMS_QUEUE_BYTES)
        sim_fail(w, "%d in room %d has %zu messages of %zu bytes", id, room, entry->queued,
                 entry->bytes);
    if (entry->queued != client->queue.count || entry->bytes != client->queue.bytes)
        sim_fail(w, "%d in room %d has %zu messages of %zu bytes, not %zu of %zu", id, room,
                 entry->queued, entry->bytes, client->queue.count, client->queue.bytes);
}

static void check_number(struct lobby *l, const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        sim_fail(&l->w, "%s: %llu, not %llu", what, (unsigned long long)got,
                 (unsigned long long)want);
}

static void check_counters(struct lobby *l)
{
    const struct model *m = &l->model;
    struct cv_rooms_counters now;

    cv_rooms_count(l->rooms, &now);
    check_number(l, "registered ends", now.open_ws, model_registered(m));
    check_number(l, "ends that ever were", now.total_ws, m->total_ws);
    check_number(l, "errors on WebSockets", now.ws_errors, m->ws_errors);
    check_number(l, "errors of HTTP", now.http_errors, m->http_errors);
    check_number(l, "dropped ends", now.dropped, m->dropped);
    check_number(l, "hoards", now.hoards, m->hoards);
    check_number(l, "rooms", now.rooms, model_rooms(m));
    check_number(l, "clients", now.clients, model_clients(m));
    check_number(l, "relayed messages", now.relayed, m->relayed);
    check_number(l, "bytes that wait", now.bytes, m->held);
    check_number(l, "deadline", cv_rooms_deadline(l->rooms), model_deadline(m));
    if (now.bytes > m->limits.max_bytes)
        sim_fail(&l->w, "%zu bytes wait", now.bytes);
}

static void check_gone(struct lobby *l, const struct cv_rooms_event *event)
{
    int room = name_of(event->room), id = name_of(event->client);

    for (size_t i = 0; i < l->model.gone_count; i++) {
        struct model_gone *gone = &l->model.gone[i];

        if (!gone->may || gone->room != room || gone->id != id)
            continue;
        gone->may = gone->must = false;
        sim_count(&l->w, SIM_ROOMS_GONE, 1);
        return;
    }
    sim_fail(&l->w, "%d is said to be gone from room %d", id, room);
}

static void poll_all(struct lobby *l)
{
    struct cv_rooms_event event;

    while (cv_rooms_poll(l->rooms, &event)) {
        struct lobby_guest *g = event.user;

        switch (event.kind) {
        case CV_ROOMS_WRITE:
            g->told_to_write = true;
            break;
        case CV_ROOMS_DROP:
            g->told_to_drop = true;
            break;
        case CV_ROOMS_GONE:
            check_gone(l, &event);
            break;
        }
    }
    for (size_t i = 0; i < l->model.gone_count; i++)
        if (l->model.gone[i].must)
            sim_fail(&l->w, "nobody hears that %d is gone from room %d", l->model.gone[i].id,
                     l->model.gone[i].room);
    model_polled(&l->model);
}

void lobby_settle(struct lobby *l)
{
    struct view view = {.l = l};

    if (l->model.no_memory)
        sim_fail(&l->w, "an allocation failed, and nothing came of it");
    poll_all(l);
    cv_rooms_each(l->rooms, check_entry, &view);
    check_number(l, "clients that are shown", view.clients, model_clients(&l->model));
    check_counters(l);
    for (int guest = 0; guest < MODEL_ENDS; guest++)
        check_end(l, guest);
    l->w.steps++;
}
