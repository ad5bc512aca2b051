#ifndef CV_MANAGER_MANAGER_H
#define CV_MANAGER_MANAGER_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/key.h"
#include "manager/homes.h"
#include "session/session.h"

/* Which session a dial takes. Sessions are registered by client key when they join and taken out
 * when their link goes; peers' sessions besides bring what they announce. Nothing here owns a
 * session or does I/O.
 *
 *   local session  an agent's, by its client key
 *   peer session   an authenticated peer server opened it: we may dial through it what it announced
 *   outgoing       we opened it to a peer, and announce on it what we have
 *
 * A session is named by an id that is never used twice. */
struct cv_manager;

enum cv_member_kind {
    CV_MEMBER_AGENT,
    CV_MEMBER_PEER,     /* it dialled us */
    CV_MEMBER_OUTGOING, /* we dialled it */
};

struct cv_manager_limits {
    uint32_t max_sessions;
    uint32_t max_announced;     /* sessions that one peer session may announce */
    uint32_t max_announced_key; /* of them of one key */
};

#define CV_MAX_ANNOUNCED     100000
#define CV_MAX_ANNOUNCED_KEY 1000

/* A session that was heard from in that time is healthy: the dialler's pings come every 5 s, those
 * of an idle Culvert end every 10 s. */
#define CV_HEALTHY_FOR (12 * CV_SEC)

/* Returns 0 or -ENOMEM. @alloc is borrowed. */
int cv_manager_new(struct cv_manager **out, const struct cv_alloc *alloc,
                   const struct cv_manager_limits *limits) CV_MUST_USE;

/* Before the first session joins: ids are @first, @first + @step, … so that several managers of one
 * process give no id twice. */
void cv_manager_number(struct cv_manager *manager, uint64_t first, uint64_t step);

/* One of them for a session that does not join. */
uint64_t cv_manager_take_number(struct cv_manager *manager);

/* Every session must have left. NULL is fine. */
void cv_manager_free(struct cv_manager *manager);

/* A session joins. It is preferred for its key from now on; the older ones of the key that came in
 * as it did, as an agent's or as a peer's, are probed. @session and @owner are borrowed until it
 * leaves; @owner is what cv_manager_route() hands back. It is announced to the peers. Sessions that
 * have something to send now are told by cv_manager_poll().
 *
 * CV_EBADKEY  not a client key
 * CV_EFULL    max_sessions
 * -ENOMEM */
int cv_manager_join(struct cv_manager *manager, enum cv_member_kind kind, const char *key,
                    struct cv_session *session, void *owner, uint64_t now,
                    uint64_t *id) CV_MUST_USE;

/* It left, and what it had announced is gone with it. CV_ESTALE for an unknown id. */
int cv_manager_leave(struct cv_manager *manager, uint64_t id) CV_MUST_USE;

/* An agent's session is about to go: peers hear so now, and not again when it leaves. Dials from
 * here, and those of peers that are on their way, still find it. CV_ESTALE for an unknown id. */
int cv_manager_withdraw(struct cv_manager *manager, uint64_t id) CV_MUST_USE;

/* A session announced a client, or took that back (CV_EVENT_ADD_CLIENT, CV_EVENT_REMOVE_CLIENT).
 *
 * CV_EDENIED  it is not an authenticated peer's: ignored and counted
 * CV_EFULL    it has announced too many: ignored and counted
 * CV_ESTALE, -ENOMEM */
int cv_manager_announced(struct cv_manager *manager, uint64_t id, bool add, const char *key,
                         size_t key_len, int64_t session_key) CV_MUST_USE;

/* A server with several managers makes its outgoing peer sessions members of one of them. An
 * agent's session that another one has joined, or left: it is announced here like those of this
 * one, and routes do not lead to it.
 *
 * CV_EBADKEY  not a client key
 * -ENOMEM     peers do not hear of it */
int cv_manager_elsewhere(struct cv_manager *manager, bool add, const char *key,
                         int64_t session_key) CV_MUST_USE;

/* Takes back, as if the peer had said so, all that the peer's session @id has announced of one key,
 * and says which: 1, or 0 when nothing is left. Before a peer leaves, where others want to know
 * what is gone with it. */
int cv_manager_take_back(struct cv_manager *manager, uint64_t id, char key[CV_KEY_MAX + 1]);

/* How many sessions a peer's has announced; 0 for one of an agent and for an unknown id. */
uint32_t cv_manager_announces(struct cv_manager *manager, uint64_t id);

#define CV_PROTO_MAX (CV_KEY_MAX + 2 + 16)

/* Where a dial goes. */
struct cv_route {
    uint64_t id;
    struct cv_session *session; /* borrowed; valid until the session leaves */
    void *owner;
    bool healthy; /* else it is silent or being probed, and so are all others that it could be */
    char proto[CV_PROTO_MAX]; /* what Connect says: the proto, or through a peer `key::proto` */
};

enum cv_route_from {
    CV_ROUTE_VISITOR,
    CV_ROUTE_PEER, /* the dial came from a peer: it is never sent on to another */
};

/* What is dialled. */
struct cv_route_wish {
    const char *key, *proto;
    enum cv_balance balance;
    enum cv_route_from from;
    uint64_t but; /* a session that is left out; 0: none */
};

/* Picks the session for a dial: a healthy local one, of several the one that `balance` prefers,
 * else in the same way a healthy peer that announced the key, else the newest local one, else such
 * a peer. `but` is how a dial fails over. Nothing is changed.
 *
 * CV_ENOSESSION  none
 * CV_EFULL       all of them have as many connections as they may
 * CV_ETOOLONG    the proto does not fit */
int cv_manager_route(struct cv_manager *manager, const struct cv_route_wish *wish, uint64_t now,
                     struct cv_route *route) CV_MUST_USE;

/* A dial to @key takes the session @id: with CV_BALANCE_ROUND_ROBIN it is the others' turn now. A
 * peer has a turn for each session that it announced. */
void cv_manager_take_turn(struct cv_manager *manager, const char *key, uint64_t id);

/* What there is of @key. */
struct cv_home cv_manager_home(const struct cv_manager *manager, const char *key, uint64_t now);

/* Asks the key's sessions of @kind, AGENT or PEER, for a sign of life: their other end came back
 * somewhere else, and has often lost them. Sessions are told by cv_manager_poll(). */
void cv_manager_probe(struct cv_manager *manager, enum cv_member_kind kind, const char *key,
                      uint64_t now);

/* Splits a Connect's proto of `key::proto`, as a peer sends it; false when it is a plain one.
 * Borrows from @text. */
bool cv_manager_split(const char *text, size_t len, size_t *key_len, const char **proto,
                      size_t *proto_len);

/* A session that was used because of what was done to another. */
struct cv_wake {
    uint64_t id;
    void *owner;
    int error; /* 0: it has something to send. Else its link must be closed: it missed an
                  announcement */
};

/* The next one: 1, or 0 when there is none. */
int cv_manager_poll(struct cv_manager *manager, struct cv_wake *wake);

struct cv_manager_stats {
    uint64_t joined, left;
    uint64_t announces_ignored;          /* from ends that are no peers, or over the cap */
    uint32_t sessions, peers, announced; /* now */
};

const struct cv_manager_stats *cv_manager_stats(const struct cv_manager *manager);

/* Calls @each for every member, in order of joining, for people and drains. */
struct cv_member_info {
    uint64_t id;
    enum cv_member_kind kind;
    const char *key;
    struct cv_session *session;
    void *owner;
    uint64_t joined_at;
};
void cv_manager_each(struct cv_manager *manager,
                     void (*each)(void *ctx, const struct cv_member_info *info), void *ctx);

#endif
