#include "sim/rooms.h"

#include <string.h>

#include "base/error.h"
#include "sim/rooms_lobby.h"

#define LATE       20             /* seconds that a tick may come after its time */
#define FIRST_NAME 3              /* the first of those that are short */
#define ERRORS     17000          /* as many as do not wait at an end */
#define ENOUGH     UINT32_C(1100) /* messages for a full queue */

/* By the source that the model takes it for: of IPv6 from one /64. */
static const struct {
    struct cv_peer from;
    int source;
} hosts[] = {
    {{.family = 4, .ip = {10, 0, 0, 1}}, 0}, {{.family = 4, .ip = {10, 0, 0, 2}}, 1},
    {{.family = 6, .ip = {0xfd, 1}}, 2},     {{.family = 6, .ip = {0xfd, 1, [15] = 9}}, 2},
    {{.family = 6, .ip = {10, 0, 0, 1}}, 3},
};

static int any_host(struct lobby *l)
{
    return (int)sim_below(&l->w, sizeof(hosts) / sizeof(hosts[0]));
}

static int any_name(struct lobby *l)
{
    return (int)(sim_chance(&l->w, 4) ? sim_below(&l->w, FIRST_NAME)
                                      : sim_between(&l->w, FIRST_NAME, MODEL_NAMES - 1));
}

static size_t any_len(struct lobby *l)
{
    uint64_t roll = sim_below(&l->w, 100);

    if (roll < 2)
        return roll ? CV_ROOMS_BODY_MAX + 1 : 0;
    if (roll < 15)
        return CV_ROOMS_BODY_MAX - (size_t)sim_below(&l->w, 2);
    return (size_t)sim_between(&l->w, 8, roll < 80 ? 64 : 8192);
}

static uint32_t new_words(struct lobby *l, int room, int id)
{
    if (l->word_count == LOBBY_MESSAGES)
        sim_fail(&l->w, "more messages than a world has");
    l->words[l->word_count] = (struct lobby_words){.room = room, .id = id};
    return l->word_count++;
}

static void come(struct lobby *l, int guest)
{
    struct lobby_guest *g = &l->guests[guest];
    int host = any_host(l), rc;

    *g = (struct lobby_guest){.room = MODEL_NONE, .id = MODEL_NONE};
    g->pace = sim_chance(&l->w, 60) ? LOBBY_QUICK : sim_chance(&l->w, 60) ? LOBBY_SLOW : LOBBY_DEAF;
    lobby_before(l);
    rc = cv_rooms_open(l->rooms, &g->end, &hosts[host].from, g);
    lobby_after(l);
    if (rc < 0 && !l->model.no_memory)
        sim_fail(&l->w, "end %d: open: %d", guest, rc);
    if (rc == 0)
        model_open(&l->model, guest, hosts[host].source);
    l->model.no_memory = l->model.no_memory && rc == 0;
    sim_trace(&l->w, "end %d comes from %d: %d", guest, hosts[host].source, rc);
    lobby_settle(l);
}

static void enroll(struct lobby *l, int guest)
{
    int room = any_name(l), id = any_name(l);
    struct cv_rooms_request request = {.cmd = {"register", 8},
                                       .roomid = lobby_name(room),
                                       .clientid = lobby_name(id),
                                       .msg = lobby_name(FIRST_NAME)};
    uint64_t before = l->model.total_ws;

    lobby_before(l);
    cv_rooms_recv(l->rooms, l->guests[guest].end, &request, l->w.now);
    lobby_after(l);
    model_register(&l->model, guest, room, id);
    if (l->model.total_ws > before) {
        l->guests[guest].room = room;
        l->guests[guest].id = id;
        sim_count(&l->w, SIM_ROOMS_REGISTERED, 1);
    }
    sim_trace(&l->w, "end %d registers as %d in room %d", guest, id, room);
    lobby_settle(l);
}

static void say(struct lobby *l, int guest, size_t len)
{
    struct lobby_guest *g = &l->guests[guest];
    uint32_t number = new_words(l, g->room, g->id);
    struct cv_rooms_request request = {
        .cmd = {"send", 4}, .roomid = lobby_name(FIRST_NAME), .msg = lobby_text(number, len)};

    lobby_before(l);
    cv_rooms_recv(l->rooms, g->end, &request, l->w.now);
    lobby_after(l);
    model_send(&l->model, guest, number, len);
    sim_trace(&l->w, "end %d sends message %u of %zu bytes", guest, number, len);
    lobby_settle(l);
}

/* One message, some, or more than a queue or an end holds. */
static void talk(struct lobby *l, int guest)
{
    uint32_t count = (uint32_t)sim_between(&l->w, 1, 4);
    size_t len = 0;

    if (sim_chance(&l->w, 2)) {
        count = ENOUGH;
        len = 16;
    } else if (sim_chance(&l->w, 5)) {
        count = 12;
        len = CV_ROOMS_BODY_MAX;
    }
    while (count--)
        say(l, guest, len ? len : any_len(l));
}

static void babble(struct lobby *l, int guest)
{
    static const struct cv_rooms_request request = {.cmd = {"sends", 5}};
    int count = sim_chance(&l->w, l->guests[guest].pace == LOBBY_DEAF ? 15 : 1) ? ERRORS : 1;

    for (int i = 0; i < count; i++) {
        lobby_before(l);
        cv_rooms_recv(l->rooms, l->guests[guest].end, &request, l->w.now);
        lobby_after(l);
        model_nonsense(&l->model, guest);
        if (i == 0 || i == count - 1)
            lobby_settle(l);
    }
    sim_trace(&l->w, "end %d says nonsense, %d times", guest, count);
}

static void garble(struct lobby *l, int guest)
{
    static const char why[] = "websocket.JSON.Receive error: '{' expected";

    lobby_before(l);
    cv_rooms_unreadable(l->rooms, l->guests[guest].end, why, l->w.now);
    lobby_after(l);
    model_unreadable(&l->model, guest, why);
    sim_trace(&l->w, "end %d cannot be read", guest);
    lobby_settle(l);
}

static void leave(struct lobby *l, int guest)
{
    l->stale = l->guests[guest].end;
    cv_rooms_closed(l->rooms, l->stale, l->w.now);
    model_closed(&l->model, guest);
    sim_trace(&l->w, "end %d is closed", guest);
    lobby_settle(l);
}

static void post(struct lobby *l)
{
    int room = any_name(l), id = any_name(l), host = any_host(l);
    size_t len = any_len(l);
    uint32_t number = new_words(l, room, id);
    const char *got, *want;

    lobby_before(l);
    got =
        cv_rooms_refusal_text(cv_rooms_post(l->rooms, lobby_name(room), lobby_name(id),
                                            &hosts[host].from, lobby_text(number, len), l->w.now));
    lobby_after(l);
    want = model_post(&l->model, room, id, hosts[host].source, number, len, got);
    sim_trace(&l->w, "%d in room %d posts message %u of %zu bytes: %s", id, room, number, len, got);
    if (strcmp(got, want) != 0)
        sim_fail(&l->w, "%d in room %d posts, and is told '%s', not '%s'", id, room, got, want);
    lobby_settle(l);
}

static void delete_one(struct lobby *l)
{
    int room = any_name(l), id = any_name(l);
    const char *got, *want;

    sim_count(&l->w, SIM_ROOMS_DELETED, l->model.clients[room][id].there);
    lobby_before(l);
    got = cv_rooms_refusal_text(cv_rooms_delete(l->rooms, lobby_name(room), lobby_name(id)));
    lobby_after(l);
    want = model_delete(&l->model, room, id);
    sim_trace(&l->w, "%d in room %d is deleted: %s", id, room, got);
    if (strcmp(got, want) != 0)
        sim_fail(&l->w, "deleting %d in room %d says '%s', not '%s'", id, room, got, want);
    lobby_settle(l);
}

static void tick(struct lobby *l)
{
    lobby_before(l);
    cv_rooms_tick(l->rooms, l->w.now);
    lobby_after(l);
    model_tick(&l->model);
    lobby_settle(l);
}

/* What comes late, of an end that is not known any more. */
static void disturb(struct lobby *l)
{
    const struct cv_rooms_request request = {.cmd = {"send", 4}, .msg = lobby_text(0, 8)};
    struct cv_rooms_out out;

    cv_rooms_recv(l->rooms, l->stale, &request, l->w.now);
    cv_rooms_unreadable(l->rooms, l->stale, "late", l->w.now);
    cv_rooms_written(l->rooms, l->stale);
    cv_rooms_closed(l->rooms, l->stale, l->w.now);
    if (cv_rooms_peek(l->rooms, l->stale, &out) != CV_ESTALE)
        sim_fail(&l->w, "an end that was closed is known");
    cv_rooms_http_error(l->rooms);
    l->model.http_errors++;
    lobby_settle(l);
}

/* Time goes on: not at all, a bit, to a moment before the deadline, to it, or beyond. */
static void pass_time(struct lobby *l)
{
    uint64_t roll = sim_below(&l->w, 100), deadline = model_deadline(&l->model);

    if (roll < 70)
        return;
    if (roll < 85 || deadline == CV_NEVER || deadline <= l->w.now)
        l->w.now += sim_below(&l->w, CV_SEC);
    else if (roll < 91)
        l->w.now = deadline - 1;
    else if (roll < 97)
        l->w.now = deadline;
    else
        l->w.now = deadline + sim_below(&l->w, LATE * CV_SEC);
    if (!sim_chance(&l->w, 20))
        tick(l);
}

/* What transports do meanwhile: they write, and close what is to be closed, not always at once. */
static void run_transports(struct lobby *l)
{
    for (int guest = 0; guest < MODEL_ENDS; guest++) {
        const struct model_end *end = &l->model.ends[guest];
        const struct lobby_guest *g = &l->guests[guest];
        uint32_t patience = g->pace == LOBBY_QUICK ? 100 : g->pace == LOBBY_SLOW ? 30 : 0;

        while (sim_chance(&l->w, patience) && lobby_write(l, guest))
            ;
        if (end->open && end->closing && (!model_next(&l->model, guest) || sim_chance(&l->w, 5)) &&
            sim_chance(&l->w, 50))
            leave(l, guest);
    }
    lobby_settle(l);
}

/* One of an end's; most of them register once, and then talk. */
static void act_as(struct lobby *l, int guest)
{
    bool registered = l->model.ends[guest].room != MODEL_NONE;
    uint64_t roll = sim_below(&l->w, 100);

    if (roll < 3)
        babble(l, guest);
    else if (roll < 5)
        garble(l, guest);
    else if (roll < 14)
        leave(l, guest);
    else if (registered != (roll < 16))
        talk(l, guest);
    else
        enroll(l, guest);
}

static void act(struct lobby *l)
{
    uint64_t roll = sim_below(&l->w, 100);
    int guest = (int)sim_below(&l->w, MODEL_ENDS);

    if (roll < 12)
        post(l);
    else if (roll < 15)
        delete_one(l);
    else if (roll < 17)
        disturb(l);
    else if (l->model.ends[guest].open)
        act_as(l, guest);
    else
        come(l, guest);
}

/* What is let in is told by the length of the client's id. */
static bool admit(void *ctx, struct cv_rooms_text room, struct cv_rooms_text client)
{
    const struct lobby *l = ctx;

    (void)room;
    for (int id = l->model.limits.admitted; id < MODEL_NAMES; id++)
        if (client.len == model_name_len(id))
            return false;
    return true;
}

static void open_rooms(struct lobby *l)
{
    struct sim_world *w = &l->w;
    struct model_limits limits = {
        .max_rooms = (uint32_t)sim_between(w, 1, 6),
        .max_bytes = (size_t)(sim_chance(w, 30) ? sim_between(w, 1000, 300000) : 8 << 20),
        .tell_gone = sim_chance(w, 50),
        .admitted = sim_chance(w, 20) ? MODEL_NAMES - 1 : MODEL_NAMES};
    struct cv_rooms_config config;

    limits.max_rooms_per_source = (uint32_t)sim_between(w, 1, limits.max_rooms);
    config = (struct cv_rooms_config){.max_rooms = limits.max_rooms,
                                      .max_rooms_per_source = limits.max_rooms_per_source,
                                      .max_bytes = limits.max_bytes,
                                      .tell_gone = limits.tell_gone,
                                      .admit = limits.admitted < MODEL_NAMES ? admit : NULL,
                                      .ctx = l};
    test_alloc_init(&l->memory);
    if (cv_rooms_new(&l->rooms, &l->memory.alloc, &config) < 0)
        sim_fail(w, "no rooms");
    l->resting = l->memory.live;
    l->fails = sim_chance(w, 40);
    l->words = sim_new(w, LOBBY_MESSAGES * sizeof(*l->words));
    l->stale = UINT64_MAX;
    model_init(&l->model, w, &limits);
}

/* What a message costs besides its bytes is told by the first one. */
static void weigh_a_message(struct lobby *l)
{
    struct cv_rooms_event event;
    struct cv_rooms_counters counters;
    struct cv_rooms_text name = lobby_name(FIRST_NAME);

    if (cv_rooms_post(l->rooms, name, name, &hosts[0].from, name, l->w.now) != CV_ROOMS_FINE)
        sim_fail(&l->w, "the first message is refused");
    cv_rooms_count(l->rooms, &counters);
    l->model.overhead = counters.bytes - name.len;
    if (cv_rooms_delete(l->rooms, name, name) != CV_ROOMS_FINE)
        sim_fail(&l->w, "the first client is not deleted");
    while (cv_rooms_poll(l->rooms, &event))
        ;
    lobby_settle(l);
}

/* All write what waits for them, and go; those who do not come back are forgotten. */
static void go_home(struct lobby *l)
{
    l->fails = false;
    for (int guest = 0; guest < MODEL_ENDS; guest++) {
        while (lobby_write(l, guest))
            ;
        if (l->model.ends[guest].open)
            leave(l, guest);
    }
    l->w.now += 10 * CV_SEC;
    tick(l);
    if (model_clients(&l->model) != 0 || l->model.held != 0)
        sim_fail(&l->w, "somebody is left");
    if (l->memory.live != l->resting)
        sim_fail(&l->w, "%zu blocks are left", l->memory.live - l->resting);
}

void sim_rooms(uint64_t seed, bool verbose, struct sim_counts *counts)
{
    struct lobby l = {.word_count = 1}; /* 0 is no message */

    sim_world_init(&l.w, seed, verbose, counts);
    l.w.options = "--rooms ";
    open_rooms(&l);
    weigh_a_message(&l);
    for (uint64_t steps = sim_between(&l.w, 100, 600); steps; steps--) {
        act(&l);
        run_transports(&l);
        pass_time(&l);
    }
    if (sim_chance(&l.w, 80))
        go_home(&l);
    cv_rooms_free(l.rooms);
    if (l.memory.live != 0)
        sim_fail(&l.w, "%zu blocks are left at the end", l.memory.live);
    sim_world_deinit(&l.w);
}
