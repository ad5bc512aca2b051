#include "cost/pair.h"

#include <stdlib.h>
#include <string.h>

#include "conn/conn.h"
#include "cost/cost.h"

/* As net/loop.h: what one read takes. */
#define READ_SIZE ((size_t)4 * 65483)

/* Microseconds from one end to the other and back. */
#define ROUND_TRIP UINT64_C(100)

static struct cv_session *session_of(struct cost_end *end)
{
    return cv_link_session(end->link);
}

static void tell_ready(struct cost_conn *conn)
{
    if (conn->told || conn->closed || conn->finished)
        return;
    conn->told = true;
    cost_check(cv_session_ready(session_of(conn->end), conn->id, true), "a connection is stale");
}

void cost_conn_give(struct cost_conn *conn, uint64_t more)
{
    conn->give += more;
    tell_ready(conn);
}

void cost_conn_leave(struct cost_conn *conn)
{
    conn->leaves = true;
    tell_ready(conn);
}

static struct cost_conn *conn_new(struct cost_end *end)
{
    struct cost_conn *conn;

    if (end->used == COST_CONNS_MAX)
        cost_fail("too many connections");
    conn = &end->conns[end->used++];
    *conn = (struct cost_conn){.end = end};
    end->open++;
    return conn;
}

struct cost_conn *cost_pair_dial(struct cost_pair *pair, uint64_t give)
{
    struct cost_conn *conn = conn_new(&pair->server);

    cost_check(cv_session_dial(session_of(&pair->server), "tcp", "127.0.0.1:8080", conn, pair->now,
                               &conn->id),
               "a dial fails");
    if (give)
        cost_conn_give(conn, give);
    return conn;
}

/* Events. */

static void on_connect(struct cost_end *end, const struct cv_session_event *event)
{
    struct cost_conn *conn = conn_new(end);

    conn->id = event->conn_id;
    conn->ask = end->pair->ask;
    conn->answer = end->pair->answer;
    cost_check(cv_session_set_user(session_of(end), conn->id, conn), "a connection is stale");
    cost_check(cv_session_accept(session_of(end), conn->id), "a connection is stale");
}

/* The target has the question: it answers, and may leave. */
static void on_taken(struct cost_conn *conn, size_t len)
{
    conn->got += len;
    if (conn->ask == 0 || conn->got < conn->ask)
        return;
    conn->got -= conn->ask;
    conn->leaves = conn->end->pair->leaves;
    cost_conn_give(conn, conn->answer);
}

static void on_event(struct cost_end *end, const struct cv_session_event *event)
{
    struct cost_conn *conn = event->user;
    size_t sip = cv_min_size(event->len, end->sip);

    switch (event->kind) {
    case CV_EVENT_CONNECT:
        on_connect(end, event);
        return;
    case CV_EVENT_DATA:
        cv_session_taken(session_of(end), sip);
        on_taken(conn, sip);
        return;
    case CV_EVENT_FIN:
        cost_conn_leave(conn);
        return;
    case CV_EVENT_CLOSED:
        if (cv_reason_is_error(event->reason))
            cost_fail("a connection ends by an error");
        conn->closed = true;
        end->open--;
        return;
    case CV_EVENT_CONNECTED:
    case CV_EVENT_SILENT:
    case CV_EVENT_DRAIN:
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
    case CV_EVENT_PUBLISHED:
    case CV_EVENT_NOTICE:
        return;
    }
}

static void take_events(struct cost_end *end)
{
    struct cv_session_event event;

    while (cv_session_poll(session_of(end), &event))
        on_event(end, &event);
}

/* Traffic. */

/* A turn of a source: its bytes are where they are to be, as after a read. */
static void read_source(struct cost_end *end, const struct cv_link_turn *turn)
{
    struct cost_conn *conn = turn->user;
    size_t n = conn->give < turn->max ? (size_t)conn->give : turn->max;
    int rc = 0;

    conn->give -= n;
    if (n > 0) {
        turn->into[0] = turn->into[n - 1] = (uint8_t)n;
        cv_link_laid(end->link, n, end->pair->now);
    }
    if (n == turn->max)
        return;
    conn->told = false;
    if (n > 0 || !conn->leaves) {
        rc = cv_session_ready(session_of(end), conn->id, false);
        if (conn->leaves)
            tell_ready(conn); /* its end is to be read */
    } else {
        conn->finished = true;
        rc = cv_session_finish(session_of(end), conn->id);
    }
    cost_check(rc, "a connection whose turn it is is stale");
}

/* Bytes as they lie in a read's buffer. */
static void deliver(struct cost_end *end, const uint8_t *data, size_t len)
{
    static uint8_t buf[READ_SIZE];
    size_t at = 0;

    if (len > sizeof(buf))
        cost_fail("a send is longer than a read");
    memcpy(buf, data, len);
    while (at < len) {
        at += (size_t)cost_check(cv_link_recv(end->link, buf + at, len - at, end->pair->now),
                                 "the link breaks");
        take_events(end);
    }
}

/* One send; false when there was nothing to send. */
static bool send_once(struct cost_end *end)
{
    struct cv_link_turn turn;
    const uint8_t *data;
    size_t len;

    while (cost_check(cv_link_fill(end->link, end->pair->now, &turn), "out of memory") > 0)
        read_source(end, &turn);
    take_events(end);
    len = cv_link_output(end->link, &data);
    if (len)
        deliver(end->other, data, len);
    cv_link_sent(end->link, len);
    return len > 0;
}

void cost_pair_run(struct cost_pair *pair)
{
    bool going = true;

    while (going) {
        going = send_once(&pair->server);
        pair->now += ROUND_TRIP / 2;
        going |= send_once(&pair->agent);
        pair->now += ROUND_TRIP / 2;
    }
}

uint64_t cost_end_drink(struct cost_end *end)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < end->used; i++) {
        struct cost_conn *conn = &end->conns[i];
        const uint8_t *data;
        size_t len = 0;

        while (!conn->closed && cv_session_backlog(session_of(end), conn->id, &data, &len) == 0 &&
               len > 0) {
            cost_check(cv_session_consume(session_of(end), conn->id, len), "stored bytes are lost");
            conn->got += len;
            sum += len;
        }
    }
    return sum;
}

void cost_pair_wait(struct cost_pair *pair, uint64_t time)
{
    struct cost_end *ends[] = {&pair->server, &pair->agent};

    pair->now += time;
    for (int i = 0; i < 2; i++) {
        if (cv_link_deadline(ends[i]->link) <= pair->now)
            cost_check(cv_link_tick(ends[i]->link, pair->now), "silence for too long");
    }
    cost_pair_run(pair);
}

void cost_pair_reset(struct cost_pair *pair)
{
    if (pair->server.open || pair->agent.open || pair->server.used != pair->agent.used)
        cost_fail("connections stay open");
    pair->server.used = pair->agent.used = 0;
}

/* Birth and death. */

static void end_init(struct cost_end *end, enum cv_session_role role, enum cost_peer peer)
{
    struct cv_session_config config = cv_session_defaults(role);
    struct cost_pair *pair = end->pair;
    struct cv_session *session;

    config.culvert = peer == COST_CULVERT;
    config.features =
        peer == COST_CULVERT ? CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE | CV_FEATURE_CREDIT : 0;
    config.name[0] = 'a';
    config.key = 1;
    cost_check(cv_session_new(&session, &config, cost_alloc(), &pair->random, pair->now),
               "out of memory");
    cost_check(cv_link_new(&end->link, session, cost_alloc(), cost_alloc(), &pair->random),
               "out of memory");
    end->sip = SIZE_MAX;
}

struct cost_pair *cost_pair_new(enum cost_peer peer)
{
    struct cost_pair *pair = calloc(1, sizeof(*pair));

    if (!pair)
        cost_fail("out of memory");
    pair->now = CV_SEC;
    cv_prng_init(&pair->prng, 1);
    pair->random = cv_prng_random(&pair->prng);
    pair->server = (struct cost_end){.pair = pair, .other = &pair->agent};
    pair->agent = (struct cost_end){.pair = pair, .other = &pair->server};
    end_init(&pair->server, CV_SESSION_ACCEPTOR, peer);
    end_init(&pair->agent, CV_SESSION_DIALLER, peer);
    cost_pair_wait(pair, 0); /* the first pings, which give a round trip */
    return pair;
}

void cost_pair_free(struct cost_pair *pair)
{
    cv_link_free(pair->server.link);
    cv_link_free(pair->agent.link);
    free(pair);
}
