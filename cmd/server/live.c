#include "live.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "listed.h"
#include "live_part.h"
#include "net/timer.h"
#include "server.h"

#define TICK (1 * CV_SEC)

struct watcher {
    uint64_t id;               /* 0: a free place */
    uint64_t seen;             /* the last event that it was told */
    bool busy;                 /* something is on its way to it */
    bool met;                  /* it was told a first document */
    bool synced;               /* it knows what we know of sessions and visits */
    struct cv_site_text *next; /* owned; what it is told then; NULL: nothing */
};

struct live {
    struct admin *admin; /* borrowed, as all of these */
    struct server *server;
    struct cv_admin *http;
    struct cv_timer *timer; /* owned */
    struct watcher watchers[CV_ADMIN_WATCHERS_MAX];
    uint64_t asked_at;
    bool asking, closed;

    /* What those who are in step were told. */
    struct live_rows rows;
    struct live_ids visits;
    uint64_t last_session[CV_LIMIT_THREADS_MAX], last_visit[CV_LIMIT_THREADS_MAX];
    uint64_t last_measured[CV_LIMIT_THREADS_MAX];

    atomic_uint watching;
    atomic_bool rung; /* the bell is on its way */
    struct cv_mail bell;
};

/* A snapshot in the making. */
struct snapshot {
    struct ask ask;
    struct live *live; /* borrowed */
    bool whole;        /* somebody is not in step */
    struct totals totals;
    struct live_rows rows;
    struct live_ids visits;
    struct live_part parts[];
};

/* Telling. */

static struct watcher *find(struct live *live, uint64_t id)
{
    for (size_t i = 0; i < CV_ADMIN_WATCHERS_MAX; i++)
        if (live->watchers[i].id == id)
            return &live->watchers[i];
    return NULL;
}

/* @text is taken; NULL: there was no memory for it, and nothing is told. */
static void tell(struct live *live, struct watcher *watcher, struct cv_site_text *text)
{
    if (text && cv_admin_tell(live->http, watcher->id, text) == 0)
        watcher->busy = true;
    cv_site_text_unref(text);
}

static struct cv_site_text *text_of(json_t *document)
{
    char *dump = document ? json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    struct cv_site_text *text = dump ? cv_site_text_new(dump, strlen(dump)) : NULL;

    free(dump);
    json_decref(document);
    return text;
}

/* Behind the first document, from which it knows whose events they are. */
static void tell_events(struct live *live, struct watcher *watcher)
{
    json_t *events;

    if (watcher->busy || !watcher->met)
        return;
    events = admin_events(live->admin, &watcher->seen);
    if (json_array_size(events) > 0)
        tell(live, watcher, text_of(json_pack("{s:s, s:o}", "type", "events", "events", events)));
    else
        json_decref(events);
}

void live_told(struct live *live, uint64_t id)
{
    struct watcher *watcher = find(live, id);
    struct cv_site_text *next;

    if (!watcher || live->closed)
        return;
    watcher->busy = false;
    next = watcher->next;
    watcher->next = NULL;
    if (next)
        tell(live, watcher, next);
    else
        tell_events(live, watcher);
}

static void on_bell(struct cv_mail *mail, void *ctx, bool lost)
{
    struct live *live = cv_container_of(mail, struct live, bell);

    (void)ctx;
    atomic_store(&live->rung, false);
    for (size_t i = 0; i < CV_ADMIN_WATCHERS_MAX && !lost && !live->closed; i++)
        if (live->watchers[i].id)
            tell_events(live, &live->watchers[i]);
}

void live_ring(struct live *live)
{
    if (!live || atomic_load(&live->watching) == 0 || atomic_exchange(&live->rung, true))
        return;
    live->bell.deliver = on_bell;
    cv_mailbox_post(&live->server->workers[0].mailbox, &live->bell);
}

/* Documents. */

/* Of all parts the sessions, or with @conns the visits: all with @whole, else those that are new
 * since the last snapshot. */
static json_t *objects(const struct snapshot *snapshot, bool whole, bool conns)
{
    json_t *all = json_array(), *object;
    size_t at;

    for (unsigned i = 0; i < snapshot->ask.server->worker_count; i++) {
        const struct live_part *part = &snapshot->parts[i];
        uint64_t after = conns ? part->after_visit : part->after_session;

        json_array_foreach(conns ? part->conns : part->clients, at, object)
        {
            json_t *id = json_object_get(object, conns ? "id" : "session");

            if (whole || (uint64_t)json_integer_value(id) > after)
                listed_append(all, json_incref(object));
        }
    }
    return all;
}

static json_t *peers(const struct snapshot *snapshot)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < snapshot->ask.server->worker_count; i++)
        json_array_extend(all, snapshot->parts[i].peers);
    return all;
}

static struct cv_site_text *document(const struct snapshot *snapshot, bool whole)
{
    static const struct live_rows no_rows;
    static const struct live_ids no_ids;
    const struct live *live = snapshot->live;
    const struct live_rows *rows = whole ? &no_rows : &live->rows;
    const struct live_ids *visits = whole ? &no_ids : &live->visits;

    return text_of(json_pack(
        "{s:s, s:I, s:o, s:o, s:{s:o, s:o, s:o}, s:{s:o, s:o}}", "type", whole ? "full" : "delta",
        "at_ms", (json_int_t)(cv_loop_now(&live->server->workers[0].loop) / CV_MSEC), "status",
        admin_status(live->admin, &snapshot->totals), "peers", peers(snapshot), "clients", "new",
        objects(snapshot, whole, false), "now", live_rows_changed(rows, &snapshot->rows), "gone",
        live_rows_gone(rows, &snapshot->rows), "conns", "new", objects(snapshot, whole, true),
        "gone", live_ids_gone(visits, &snapshot->visits)));
}

/* A document for each who has room for it; who has none is out of step. */
static void hand_out(struct live *live, const struct snapshot *snapshot)
{
    struct cv_site_text *documents[2] = {NULL, NULL};

    for (size_t i = 0; i < CV_ADMIN_WATCHERS_MAX; i++) {
        struct watcher *watcher = &live->watchers[i];
        bool whole = !watcher->synced;

        if (watcher->id == 0)
            continue;
        watcher->synced = false;
        if (watcher->next || (whole && !snapshot->whole))
            continue;
        if (!documents[whole])
            documents[whole] = document(snapshot, whole);
        if (!documents[whole])
            continue;
        watcher->synced = watcher->met = true;
        if (watcher->busy)
            watcher->next = cv_site_text_ref(documents[whole]);
        else
            tell(live, watcher, cv_site_text_ref(documents[whole]));
    }
    cv_site_text_unref(documents[0]);
    cv_site_text_unref(documents[1]);
}

/* Snapshots. */

static void on_part(struct ask *ask, struct worker *worker)
{
    struct snapshot *snapshot = cv_container_of(ask, struct snapshot, ask);

    live_part_fill(&snapshot->parts[worker->index], worker);
}

/* Puts the parts together; false without memory. */
static bool gather(struct snapshot *snapshot)
{
    for (unsigned i = 0; i < snapshot->ask.server->worker_count; i++) {
        const struct live_part *part = &snapshot->parts[i];

        totals_merge(&snapshot->totals, &part->totals);
        if (part->failed || !part->peers || !live_rows_add(&snapshot->rows, &part->rows) ||
            !live_ids_add(&snapshot->visits, &part->visits))
            return false;
    }
    return true;
}

/* What was told is what is known from now on. */
static void keep(struct live *live, struct snapshot *snapshot)
{
    for (unsigned i = 0; i < live->server->worker_count; i++) {
        const struct live_part *part = &snapshot->parts[i];

        if (part->rows.count)
            live->last_session[i] = part->rows.at[part->rows.count - 1].id;
        if (part->visits.count)
            live->last_visit[i] = part->visits.at[part->visits.count - 1];
        live->last_measured[i] = part->measured;
    }
    free(live->rows.at);
    free(live->visits.at);
    live->rows = snapshot->rows;
    live->visits = snapshot->visits;
    snapshot->rows = (struct live_rows){.at = NULL};
    snapshot->visits = (struct live_ids){.at = NULL};
}

static void on_snapshot(struct ask *ask)
{
    struct snapshot *snapshot = cv_container_of(ask, struct snapshot, ask);
    struct live *live = snapshot->live;

    live->asking = false;
    if (!live->closed && gather(snapshot)) {
        hand_out(live, snapshot);
        keep(live, snapshot);
    }
    for (unsigned i = 0; i < live->server->worker_count; i++)
        live_part_deinit(&snapshot->parts[i]);
    free(snapshot->rows.at);
    free(snapshot->visits.at);
    free(snapshot);
}

static void ask(struct live *live, bool whole)
{
    unsigned workers = live->server->worker_count;
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot) + workers * sizeof(snapshot->parts[0]));

    if (!snapshot)
        return;
    snapshot->live = live;
    snapshot->whole = whole;
    snapshot->ask.part = on_part;
    snapshot->ask.done = on_snapshot;
    for (unsigned i = 0; i < workers; i++) {
        struct live_part *part = &snapshot->parts[i];

        part->whole = whole;
        part->after_session = live->last_session[i];
        part->after_visit = live->last_visit[i];
        part->after_measured = live->last_measured[i];
        part->most = LIVE_ROWS_MAX / workers;
    }
    live->asking = true;
    live->asked_at = cv_loop_now(&live->server->workers[0].loop);
    ask_all(&snapshot->ask, live->server);
}

static void on_tick(void *ctx)
{
    struct live *live = ctx;
    bool any = false, whole = false;

    cv_admin_recheck(live->http);
    for (size_t i = 0; i < CV_ADMIN_WATCHERS_MAX; i++) {
        const struct watcher *watcher = &live->watchers[i];

        if (watcher->id == 0 || watcher->next)
            continue;
        any = true;
        whole = whole || !watcher->synced;
    }
    if (any && !live->asking)
        ask(live, whole);
    if (atomic_load(&live->watching) > 0)
        cv_timer_set(live->timer, TICK);
}

void live_watched(struct live *live, uint64_t id)
{
    struct watcher *watcher = find(live, 0);

    if (!watcher || live->closed)
        return;
    watcher->id = id;
    atomic_fetch_add(&live->watching, 1);
    cv_timer_at(live->timer, live->asked_at + TICK);
}

void live_unwatched(struct live *live, uint64_t id)
{
    struct watcher *watcher = find(live, id);

    if (!watcher)
        return;
    cv_site_text_unref(watcher->next);
    *watcher = (struct watcher){.id = 0};
    atomic_fetch_sub(&live->watching, 1);
}

int live_new(struct live **out, struct admin *admin, struct server *server, struct cv_admin *http)
{
    struct live *live = calloc(1, sizeof(*live));
    int rc;

    if (!live)
        return -ENOMEM;
    live->admin = admin;
    live->server = server;
    live->http = http;
    rc = cv_timer_new(&live->timer, &server->workers[0].loop, on_tick, live);
    if (rc < 0) {
        free(live);
        return rc;
    }
    *out = live;
    return 0;
}

void live_close(struct live *live)
{
    if (!live || live->closed)
        return;
    live->closed = true;
    cv_timer_free(live->timer);
}

void live_free(struct live *live)
{
    if (!live)
        return;
    free(live->rows.at);
    free(live->visits.at);
    free(live);
}
