#ifndef CV_MANAGER_DIRECTORY_H
#define CV_MANAGER_DIRECTORY_H

#include <stdbool.h>

#include "base/alloc.h"
#include "base/key.h"
#include "base/list.h"
#include "base/random.h"
#include "base/reply.h"

/* The directory: which servers there are, and which of them have a session of a client key, as many
 * servers tell each other through one Redis. docs/ARCHITECTURE.md, "Directory", has the keys.
 *
 *   member   a server; its record expires unless it is renewed
 *   claim    a member's word that it has a session of a key; trusted as long as its member is
 *   waiter   a dial that waits for an answer
 *   watched  a cached key whose changes reach us by publish/subscribe
 *
 * Nothing here does I/O. It is fed with sessions that join and leave, with the state of two
 * connections to Redis and with what came on them, and drained of commands and of waiters. */
struct cv_directory;

#define CV_DIRECTORY_CACHE    10000 /* keys of which something is known */
#define CV_DIRECTORY_WAITERS  10000
#define CV_DIRECTORY_MEMBERS  1000
#define CV_DIRECTORY_CLAIMS   16    /* of one key; more are not looked at */
#define CV_DIRECTORY_GONE     10000 /* keys that left and are yet to be taken back */
#define CV_DIRECTORY_PIPELINE 1024  /* commands without an answer, on each connection */
#define CV_DIRECTORY_URL_MAX  1024  /* bytes */

#define CV_DIRECTORY_INTERVAL     (5 * CV_SEC)   /* between renewals, less a jitter */
#define CV_DIRECTORY_MEMBER_LEASE (15 * CV_SEC)  /* of a member's record, in Redis */
#define CV_DIRECTORY_CLAIM_LEASE  (600 * CV_SEC) /* of a key with claims, in Redis */
#define CV_DIRECTORY_FRESH        (30 * CV_SEC)  /* a cached answer is asked for anew after that */
#define CV_DIRECTORY_UNWATCHED    (2 * CV_SEC)   /* the same of a key that is not watched */
#define CV_DIRECTORY_ABSENT       (1 * CV_SEC)   /* the same of "nobody has it" */
#define CV_DIRECTORY_LEASE        (300 * CV_SEC) /* and never trusted after that */
#define CV_DIRECTORY_SPREAD       (2 * CV_SEC)   /* in which all claims are published anew */
#define CV_DIRECTORY_RETRY        (1 * CV_SEC)   /* after a command that Redis refused */
#define CV_DIRECTORY_WAIT         (10 * CV_SEC)  /* of a dial for an answer */
#define CV_DIRECTORY_HEAL         (5 * CV_SEC) /* after an outage "nobody has it" is not believed */
#define CV_DIRECTORY_POLL         (500 * CV_MSEC) /* and asked again so often */

struct cv_directory_config {
    const char *id;       /* ours, a client key; copied, as the others */
    const char *url;      /* where other servers dial us, without blanks */
    const char *version;  /* without blanks */
    uint64_t incarnation; /* random: no other run of any server has it */
};

/* @alloc and @random are borrowed. Returns 0, -ENOMEM, or CV_ETOOLONG for the URL. */
int cv_directory_new(struct cv_directory **out, const struct cv_alloc *alloc,
                     const struct cv_random *random,
                     const struct cv_directory_config *config) CV_MUST_USE;

/* No waiter must be left. NULL is fine. */
void cv_directory_free(struct cv_directory *directory);

/* Sessions of agents here, by key and session key. @since is when it joined, milliseconds since
 * 1970: of several claims the one that is newest by it is preferred. Returns 0 or -ENOMEM: others
 * do not hear of it. */
int cv_directory_joined(struct cv_directory *directory, const char *key, int64_t session,
                        uint64_t since) CV_MUST_USE;
void cv_directory_left(struct cv_directory *directory, const char *key, int64_t session);

/* Another server dialled @key here, which we do not have: a claim of ours that Redis still has is
 * taken back. */
void cv_directory_denied(struct cv_directory *directory, const char *key);

/* This server goes: its record, and with it all that it claims, is taken back. */
void cv_directory_leave(struct cv_directory *directory);

/* What the member's record says beside it. */
void cv_directory_load(struct cv_directory *directory, uint64_t sessions);

/* Redis. */

#define CV_COMMAND_ARGS 66

struct cv_command {
    size_t argc;
    const char *argv[CV_COMMAND_ARGS]; /* borrowed until the next call */
};

/* The connection for commands stands, or is lost with all commands without an answer. */
void cv_directory_up(struct cv_directory *directory, uint64_t now);
void cv_directory_down(struct cv_directory *directory, uint64_t now);

/* The same of the connection that is subscribed to changes. */
void cv_directory_watch_up(struct cv_directory *directory);
void cv_directory_watch_down(struct cv_directory *directory);

/* The next command for either connection; false when there is none now, or as many as are allowed
 * wait for their answers. The latter's are SUBSCRIBE and UNSUBSCRIBE. */
bool cv_directory_next(struct cv_directory *directory, uint64_t now,
                       struct cv_command *command) CV_MUST_USE;
bool cv_directory_watch_next(struct cv_directory *directory,
                             struct cv_command *command) CV_MUST_USE;

/* The answer to the oldest command without one; and what came on the other connection. Returns 0,
 * or CV_EPROTO for what cannot be: the connection is of no use any more. */
int cv_directory_reply(struct cv_directory *directory, const struct cv_reply *reply,
                       uint64_t now) CV_MUST_USE;
int cv_directory_heard(struct cv_directory *directory, const struct cv_reply *reply) CV_MUST_USE;

/* When cv_directory_tick() is due, after which there may be commands and waiters. */
uint64_t cv_directory_deadline(const struct cv_directory *directory, uint64_t now);
void cv_directory_tick(struct cv_directory *directory, uint64_t now);

/* Dials. */

struct cv_claim {
    char server[CV_KEY_MAX + 1];
    uint64_t incarnation;
    int64_t session;
    uint64_t since;
};

struct cv_directory_waiter {
    struct cv_list link, by_time; /* the directory's */
    uint64_t deadline;
    uint64_t but_incarnation; /* set by the caller: a claim of that run for that session was */
    int64_t but_session;      /* tried, and is left out; 0 and 0: none */
    bool turns;               /* the same: of several claims each has its turn, not the newest */
    int result;               /* when it is woken: 0, or why there is no claim */
    struct cv_claim claim;    /* of a result of 0 */
};

/* Who has @key, ourselves left out: waiter->claim says it at once, or when the waiter is woken.
 *
 * 1             at once
 * 0             later: the waiter is borrowed until cv_directory_woken() or cv_directory_unwait()
 * CV_ENOSESSION nobody
 * CV_EFULL      too many dials wait
 * -ENOMEM */
int cv_directory_ask(struct cv_directory *directory, const char *key,
                     struct cv_directory_waiter *waiter, uint64_t now) CV_MUST_USE;

/* The next waiter with a result, which is the caller's again; NULL when there is none. Its result
 * may be CV_ENOSESSION, or CV_EAWAY: Redis did not answer in time. */
struct cv_directory_waiter *cv_directory_woken(struct cv_directory *directory);
void cv_directory_unwait(struct cv_directory *directory, struct cv_directory_waiter *waiter);

/* A dial by @claim came to nothing: it is not used again before Redis says it anew. */
void cv_directory_failed(struct cv_directory *directory, const char *key,
                         const struct cv_claim *claim);

/* Whether the cache has another claim of @key than that of @incarnation for @session. */
bool cv_directory_has_other(const struct cv_directory *directory, const char *key,
                            uint64_t incarnation, int64_t session, uint64_t now);

/* Where to dial the member @id of @incarnation; NULL when it is not there (any more). Borrowed
 * until the next answer. */
const char *cv_directory_url(const struct cv_directory *directory, const char *id,
                             uint64_t incarnation);

/* For people. */

struct cv_member_record {
    const char *id, *url, *version;
    uint64_t incarnation, sessions;
    uint64_t seen_at; /* its record was asked for then */
    bool is_self;
};

void cv_directory_each(const struct cv_directory *directory,
                       void (*each)(void *ctx, const struct cv_member_record *member), void *ctx);

struct cv_directory_stats {
    uint64_t lookups, hits, misses; /* commands for a key; dials answered from the cache: with a
                                       claim, with none */
    uint64_t coalesced;             /* dials that waited for a lookup of another's */
    uint64_t timeouts;              /* dials that were not answered in time */
    uint64_t changes;               /* of watched keys, heard */
    uint64_t published, renewed, withdrawn; /* claims */
    uint64_t refused;                       /* commands that Redis answered with an error */
    uint64_t lost;                          /* times that our record was gone from Redis */
    uint64_t failed;                        /* claims that led to nothing */
    uint64_t denied;                        /* dials of others for what we do not have */
    uint64_t commands;
    uint64_t lag;                      /* of the last answer, microseconds */
    uint32_t cached, watched, waiting; /* now: keys, keys, dials */
    uint32_t claims, unpublished;      /* ours now; those that Redis does not have yet */
    uint32_t members;                  /* with ourselves */
};

const struct cv_directory_stats *cv_directory_stats(const struct cv_directory *directory);

/* An error that Redis answered; "" when what it refused has gone through since. */
const char *cv_directory_trouble(const struct cv_directory *directory);

bool cv_directory_is_up(const struct cv_directory *directory);

#endif
