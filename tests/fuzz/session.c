/* A session behind a link: an acceptor and a dialler that talk to each other while the input
 * decides who dials, accepts, reads, writes, waits, and which strange frames come between.
 *
 * Whatever comes, each connection is told CLOSED once and nothing after it, what is buffered stays
 * within the budget, an allocation may fail anywhere, and in the end nothing is left. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/link.h"
#include "support/test_alloc.h"
#include "wire/frame.h"

#define BUDGET ((size_t)96 * 1024)
#define CONNS  16 /* that are told apart; all are closed in the end, but these are watched */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct end {
    struct cv_link *link;
    uint64_t opened, closed; /* counted from what was told and done */
    int64_t live[CONNS];     /* 0: none */
    bool cut;
};

struct world {
    struct test_alloc ta;
    struct cv_prng prng;
    struct cv_random random;
    struct cv_budget process;
    struct end ends[2];
    const uint8_t *input;
    size_t left;
    uint64_t now;
};

static void require(bool fine)
{
    if (!fine)
        abort();
}

static uint8_t next(struct world *w)
{
    if (w->left == 0)
        return 0;
    w->left--;
    return *w->input++;
}

static struct cv_session *session_of(const struct end *end)
{
    return cv_link_session(end->link);
}

static void opened(struct end *end, int64_t id)
{
    end->opened++;
    for (size_t i = 0; i < CONNS; i++) {
        require(end->live[i] != id || id == 0);
        if (end->live[i] == 0) {
            end->live[i] = id;
            return;
        }
    }
}

static void closed(struct end *end, int64_t id)
{
    end->closed++;
    require(end->closed <= end->opened);
    for (size_t i = 0; i < CONNS; i++)
        if (end->live[i] == id)
            end->live[i] = 0;
    require(cv_session_set_user(session_of(end), id, NULL) == CV_ESTALE);
}

static void poll(struct world *w, struct end *end)
{
    struct cv_session *session = session_of(end);
    struct cv_session_event event;

    while (cv_session_poll(session, &event)) {
        if (event.kind == CV_EVENT_CONNECT)
            opened(end, event.conn_id);
        else if (event.kind == CV_EVENT_CLOSED)
            closed(end, event.conn_id);
        else if (event.kind == CV_EVENT_DATA)
            cv_session_taken(session, cv_min_size(event.len, (size_t)64 * next(w)));
    }
    require(cv_session_buffered(session) <= BUDGET);
    require(w->process.used <= 2 * BUDGET);
}

/* The link is gone: what is stored may still be taken, nothing else happens. */
static void cut(struct world *w, struct end *end)
{
    if (end->cut)
        return;
    end->cut = true;
    cv_session_cut(session_of(end));
    poll(w, end);
}

static void feed(struct world *w, struct end *end, const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    size_t at = 0;

    require(copy != NULL);
    memcpy(copy, bytes, len);
    while (at < len && !end->cut) {
        int n = cv_link_recv(end->link, copy + at, len - at, w->now);

        poll(w, end);
        if (n < 0) {
            require(n == CV_EPROTO || n == CV_ECLOSED || n == CV_EUTF8 || n == CV_ETOOLONG ||
                    n == -ENOMEM);
            cut(w, end);
            break;
        }
        require(n > 0 && (size_t)n <= len - at);
        at += (size_t)n;
    }
    free(copy);
}

/* What one end has to say goes to the other, in pieces of @piece. */
static void carry(struct world *w, struct end *from, struct end *to, size_t piece)
{
    struct cv_link_turn turn;
    const uint8_t *bytes;
    size_t len;

    if (from->cut)
        return;
    while (cv_link_fill(from->link, w->now, &turn) == 1) {
        size_t reads = cv_min_size((size_t)64 * next(w), turn.max);

        if (reads == 0) {
            require(cv_session_ready(session_of(from), turn.conn_id, false) == 0);
            continue;
        }
        memset(turn.into, 'x', reads);
        cv_link_laid(from->link, reads, w->now);
    }
    len = cv_min_size(cv_link_output(from->link, &bytes), piece);
    feed(w, to, len ? bytes : (const uint8_t *)"", len);
    cv_link_sent(from->link, len);
}

/* A message of the input's own making, as if the other end had sent it. */
static void strange(struct world *w, struct end *to, bool masked)
{
    static const uint8_t mask[4];
    uint8_t message[CV_FRAME_HEAD_MAX + 255], bytes[CV_WS_HEAD_MAX + sizeof(message)];
    struct cv_frame frame = {.id = 1};
    size_t head, body, n;

    frame.type = next(w) % 20;
    frame.conn_id = next(w) % CONNS;
    body = next(w);
    head = cv_frame_encode(message, &frame);
    for (size_t i = 0; i < body; i++)
        message[head + i] = next(w);
    n = cv_ws_head_encode(bytes, CV_WS_BINARY, true, head + body, masked ? mask : NULL);
    memcpy(bytes + n, message, head + body);
    feed(w, to, bytes, n + head + body);
}

static void dial(struct world *w, struct end *end)
{
    int64_t id;

    if (cv_session_dial(session_of(end), "tcp", "a:1", NULL, w->now, &id) == 0)
        opened(end, id);
}

static void consume(struct world *w, struct end *end, int64_t id)
{
    const uint8_t *bytes;
    size_t len;

    if (cv_session_backlog(session_of(end), id, &bytes, &len) < 0 || len == 0)
        return;
    require(cv_session_consume(session_of(end), id, 1 + next(w) % len) == 0);
}

/* Something that a caller may do to a connection that it knows, or does not. */
static void act(struct world *w, struct end *end)
{
    int64_t id = next(w) % CONNS;
    int rc = 0;

    switch (next(w) % 7) {
    case 0:
        rc = cv_session_accept(session_of(end), id);
        break;
    case 1:
    case 2:
        rc = cv_session_ready(session_of(end), id, true);
        break;
    case 3:
        rc = cv_session_finish(session_of(end), id);
        break;
    case 4:
        rc = cv_session_abort(session_of(end), id, CV_REASON_DIAL, "refused");
        break;
    case 5:
        consume(w, end, id);
        break;
    case 6:
        rc = cv_session_announce(session_of(end), true, "key", id);
        break;
    }
    require(rc == 0 || rc == CV_ESTALE || rc == CV_ECLOSED || rc == -ENOMEM);
    poll(w, end);
}

static void pass_time(struct world *w, struct end *end)
{
    uint64_t before = cv_link_deadline(end->link);
    int rc;

    w->now += (uint64_t)next(w) * 50 * CV_MSEC;
    if (w->now < before)
        return;
    rc = cv_link_tick(end->link, w->now);
    require(rc == 0 || rc == CV_EDEAD);
    if (rc == 0)
        require(cv_link_deadline(end->link) > w->now);
    poll(w, end);
    if (rc < 0)
        cut(w, end);
}

static void step(struct world *w)
{
    uint8_t what = next(w);
    struct end *end = &w->ends[what & 1], *other = &w->ends[!(what & 1)];

    switch ((what >> 1) % 8) {
    case 0:
        dial(w, end);
        break;
    case 1:
    case 2:
        act(w, end);
        break;
    case 3:
    case 4:
        carry(w, end, other, SIZE_MAX);
        break;
    case 5:
        carry(w, end, other, 1 + next(w));
        break;
    case 6:
        pass_time(w, end);
        break;
    case 7:
        if (what & 0x80)
            strange(w, end, end == &w->ends[0]);
        else
            w->ta.fail_at = w->ta.calls + 1 + next(w) % 8;
        break;
    }
}

static bool end_make(struct world *w, struct end *end, enum cv_session_role role, unsigned kind)
{
    struct cv_session_config config = cv_session_defaults(role);
    struct cv_session *session;

    memcpy(config.name, "name", 5);
    config.culvert = kind & 1;
    config.features = config.culvert ? kind >> 1 & 7 : 0;
    config.budget = BUDGET;
    config.rx_cap = BUDGET / 2;
    config.max_conns = CONNS - 2;
    config.parent = &w->process;
    require(cv_session_new(&session, &config, &w->ta.alloc, &w->random, w->now) == 0);
    return cv_link_new(&end->link, session, &w->ta.alloc, &w->ta.alloc, &w->random) == 0;
}

/* Everything is told, and each connection that was opened was closed once. */
static void finish(struct world *w, struct end *end)
{
    struct cv_session *session = session_of(end);

    poll(w, end);
    cut(w, end);
    for (int i = 0; i < CONNS; i++) {
        int64_t id = end->live[i];

        /* 0 may be an id that the input chose */
        if (cv_session_abort(session, id, CV_REASON_LOCAL, NULL) < 0)
            require(id == 0);
    }
    poll(w, end);
    require(end->closed == end->opened);
    require(cv_session_stats(session)->opened == end->opened);
    require(cv_session_stats(session)->closed[CV_REASON_NONE] == 0);
    require(cv_session_conns(session) == 0);
    require(cv_session_buffered(session) == 0);
    cv_link_free(end->link);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct world w = {.input = data, .left = len, .now = 1000 * CV_SEC};
    unsigned kind = next(&w);

    test_alloc_init(&w.ta);
    cv_prng_init(&w.prng, 1);
    w.random = cv_prng_random(&w.prng);
    w.process = (struct cv_budget){.limit = 2 * BUDGET};
    require(end_make(&w, &w.ends[0], CV_SESSION_ACCEPTOR, kind));
    require(end_make(&w, &w.ends[1], CV_SESSION_DIALLER, kind));
    while (w.left > 0)
        step(&w);
    w.ta.fail_at = 0;
    finish(&w, &w.ends[0]);
    finish(&w, &w.ends[1]);
    require(w.process.used == 0);
    require(w.ta.live == 0);
    return 0;
}
