#include "cost/cost.h"
#include "cost/pair.h"

/* Sessions on their links, both ends: what a connection, a request and a MiB cost. Payload goes
 * down, from the agent to the server, masked, or up, where what is left is the way of the frames.
 */

#define REQUEST  100
#define RESPONSE 1024
#define MIB      ((uint64_t)1024 * 1024)
#define MINUTE   12 /* pings of the dialler */
#define IDLE     20 /* sessions */
#define MANY     1000

/* Connections that come, ask, are answered and go, eight at a time. */
static uint64_t short_conns(unsigned units, enum cost_peer peer)
{
    struct cost_pair *pair = cost_pair_new(peer);
    uint64_t sum = 0;

    pair->ask = REQUEST;
    pair->answer = RESPONSE;
    pair->leaves = true;
    for (unsigned i = 0; i < units; i++) {
        struct cost_conn *conn = cost_pair_dial(pair, REQUEST);

        if (i % 8 != 7)
            continue;
        cost_pair_run(pair);
        for (unsigned k = 0; k < 8; k++)
            sum += pair->server.conns[k].got;
        if (conn->got != RESPONSE)
            cost_fail("an answer is cut");
        cost_pair_reset(pair);
    }
    cost_pair_free(pair);
    return sum;
}

static uint64_t session_short(unsigned units)
{
    return short_conns(units, COST_CULVERT);
}

static uint64_t session_short_reference(unsigned units)
{
    return short_conns(units, COST_REFERENCE);
}

/* @count open connections. */
static struct cost_pair *opened(enum cost_peer peer, unsigned count)
{
    struct cost_pair *pair = cost_pair_new(peer);

    for (unsigned i = 0; i < count; i++)
        cost_pair_dial(pair, 0);
    cost_pair_run(pair);
    return pair;
}

/* Ends all connections in order. */
static uint64_t finished(struct cost_pair *pair)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < pair->server.used; i++) {
        sum += pair->server.conns[i].got + pair->agent.conns[i].got;
        cost_conn_leave(&pair->server.conns[i]);
    }
    cost_pair_run(pair);
    cost_pair_reset(pair);
    cost_pair_free(pair);
    return sum;
}

/* Small requests, in turn on many connections that stay open: each has slept meanwhile. */
static uint64_t requests(unsigned units, unsigned conns)
{
    struct cost_pair *pair = cost_pair_new(COST_CULVERT);

    pair->ask = REQUEST;
    pair->answer = RESPONSE;
    for (unsigned i = 0; i < conns; i++)
        cost_pair_dial(pair, 0);
    cost_pair_run(pair);
    for (unsigned i = 0; i < units; i++) {
        cost_conn_give(&pair->server.conns[i % conns], REQUEST);
        cost_pair_run(pair);
    }
    return finished(pair);
}

static uint64_t session_request(unsigned units)
{
    return requests(units, 64);
}

static uint64_t session_request_many(unsigned units)
{
    return requests(units, MANY);
}

/* @units MiB over @streams connections, from the server's visitors, or with @down from the agent's
 * targets. */
static uint64_t bulk(unsigned units, unsigned streams, enum cost_peer peer, bool down)
{
    struct cost_pair *pair = opened(peer, streams);
    struct cost_end *from = down ? &pair->agent : &pair->server;

    for (unsigned i = 0; i < streams; i++)
        cost_conn_give(&from->conns[i], units * MIB / streams);
    cost_pair_run(pair);
    for (unsigned i = 0; i < streams; i++) {
        if (from->other->conns[i].got != units * MIB / streams)
            cost_fail("bytes are lost");
    }
    return finished(pair);
}

static uint64_t session_bulk_1(unsigned units)
{
    return bulk(units, 1, COST_CULVERT, false);
}

static uint64_t session_bulk_8(unsigned units)
{
    return bulk(units, 8, COST_CULVERT, false);
}

static uint64_t session_bulk_masked(unsigned units)
{
    return bulk(units, 1, COST_CULVERT, true);
}

static uint64_t session_bulk_1_reference(unsigned units)
{
    return bulk(units, 1, COST_REFERENCE, false);
}

static uint64_t session_bulk_8_reference(unsigned units)
{
    return bulk(units, 8, COST_REFERENCE, false);
}

/* A sink that takes 8 KiB of each offer, and the rest when everything has come to a stop. */
static uint64_t slow(unsigned units, enum cost_peer peer)
{
    struct cost_pair *pair = opened(peer, 1);
    uint64_t stored = 0, more;

    pair->agent.sip = (size_t)8 * 1024;
    cost_conn_give(&pair->server.conns[0], units * MIB);
    do {
        cost_pair_run(pair);
        more = cost_end_drink(&pair->agent);
        stored += more;
    } while (more);
    if (pair->agent.conns[0].got != units * MIB)
        cost_fail("bytes are lost");
    return stored + finished(pair);
}

static uint64_t session_slow(unsigned units)
{
    return slow(units, COST_CULVERT);
}

static uint64_t session_slow_reference(unsigned units)
{
    return slow(units, COST_REFERENCE);
}

/* Sessions without connections: pings, pongs, and each minute an empty list. */
static uint64_t session_idle(unsigned units)
{
    static struct cost_pair *pairs[IDLE];
    uint64_t sum = 0;

    for (unsigned i = 0; i < IDLE; i++)
        pairs[i] = cost_pair_new(COST_CULVERT);
    for (unsigned i = 0; i < units; i++)
        cost_pair_wait(pairs[i % IDLE], CV_PING_EVERY_IDLE);
    for (unsigned i = 0; i < IDLE; i++) {
        sum += pairs[i]->now;
        sum += cv_session_stats(cv_link_session(pairs[i]->server.link))->frames_in;
        cost_pair_free(pairs[i]);
    }
    return sum;
}

/* A list of a thousand connections, which the other end goes through, and the pings of that
 * minute. */
static uint64_t session_sync(unsigned units)
{
    struct cost_pair *pair = opened(COST_CULVERT, MANY);

    for (unsigned i = 0; i < units * MINUTE; i++)
        cost_pair_wait(pair, CV_PING_EVERY);
    if (cv_session_stats(cv_link_session(pair->agent.link))->frames_out < units)
        cost_fail("a list was not sent");
    return finished(pair);
}

const struct cost_scenario cost_session[] = {
    {"session.short", "connection: open, ask, answer, close", 16, 96, session_short},
    {"session.short.reference", "the same with a reference end", 16, 96, session_short_reference},
    {"session.request", "request of 100 bytes, answer of 1 KiB", 64, 320, session_request},
    {"session.request.many", "the same on 1,000 connections", 100, 1100, session_request_many},
    {"session.bulk.1", "MiB over 1 connection", 16, 48, session_bulk_1},
    {"session.bulk.8", "MiB over 8 connections", 16, 48, session_bulk_8},
    {"session.bulk.masked", "MiB over 1 connection, masked", 16, 24, session_bulk_masked},
    {"session.bulk.1.reference", "MiB to a reference end", 16, 48, session_bulk_1_reference},
    {"session.bulk.8.reference", "MiB over 8 to it", 16, 48, session_bulk_8_reference},
    {"session.slow", "MiB to a sink that stores most", 16, 32, session_slow},
    {"session.slow.reference", "the same, which pauses", 16, 32, session_slow_reference},
    {"session.idle", "ping and pong of an idle session", 12 * IDLE, 48 * IDLE, session_idle},
    {"session.sync", "list of 1,000 connections", 1, 5, session_sync},
    {0},
};
