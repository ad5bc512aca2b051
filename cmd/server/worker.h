#ifndef CMD_SERVER_WORKER_H
#define CMD_SERVER_WORKER_H

#include "access/credential.h"
#include "access/pace.h"
#include "config/server.h"
#include "counts.h"
#include "door.h"
#include "http/front.h"
#include "http/usher.h"
#include "manager/manager.h"
#include "net/flows.h"
#include "net/log.h"
#include "net/mailbox.h"
#include "net/tunnel.h"
#include "rules.h"

struct server;

/* One event loop of the server, with listeners of its own. A session belongs to the worker that
 * took it in for life, and so do the connections through it: a visitor that came in elsewhere is
 * handed over before the first byte is read. The first worker runs on the main thread. */
struct worker {
    struct server *server; /* borrowed */
    unsigned index;
    struct cv_loop loop;
    struct cv_mailbox mailbox;
    struct cv_credentials *credentials; /* its own copy; NULL: anyone may come in */
    struct cv_manager *manager;         /* of its sessions */
    struct cv_gateway *gateway;         /* the HTTP door, behind the front door */
    struct cv_front *front;
    struct cv_listener **listeners; /* of the front door; a unix socket's at the first alone */
    struct cv_usher **ushers;       /* one for each; NULL where nobody comes by a proxy */
    size_t listener_count;
    struct rules *rules;     /* held */
    struct cv_list forwards; /* in the order of the rules */
    struct doors doors;
    enum { DOORS_OPEN, DOORS_CLOSING, DOORS_CLOSED, DOORS_EMPTY } doors_are; /* the front's, too */
    struct cv_list guests, visits, visitors;
    uint64_t next_visit;          /* its id: workers deal them out in turn */
    struct cv_session_stats past; /* of sessions that have ended */
    struct counts counts;
    struct cv_timer *pulse; /* once a second, with --admin: see worker_pulse() */
    uint64_t pulse_at;      /* when it is due, microseconds */
    struct counts_lag lag;
    struct cv_mail orders[3];   /* see worker_order() */
    unsigned ordered;           /* those that were posted, by bit; the first one's */
    struct cv_mail idle, ended; /* what it tells the first one */
    struct cv_mail roll;        /* that it lives: asked, and answered, for the watchdog */
    bool over;                  /* its thread has ended; the main thread's own */
    atomic_bool told_idle;      /* its word is on the way */
    struct cv_timer *parting;   /* owned; while agents are told to go one by one */
    struct cv_pace pace;        /* of those who come to the front door */
    uint64_t held_said;         /* when the log said last that they wait */
    unsigned next;              /* at the first: who takes the next that came by a unix socket */
    uv_thread_t thread;
};

/* Makes the loop and what is on it, without doors. @log is copied. Returns EXIT_OK, or the code to
 * exit with and a line in @error. */
int worker_init(struct worker *worker, struct server *server, unsigned index,
                const struct cv_log *log, struct cv_config_error *error) CV_MUST_USE;

/* Opens its front door and forwards: the first worker's as they are configured, the others' beside
 * those of the first. */
int worker_open(struct worker *worker, struct cv_config_error *error) CV_MUST_USE;

/* Starts a thread that runs the loop until it ends by itself; not for the first worker. Returns 0
 * or libuv's code. */
int worker_start(struct worker *worker) CV_MUST_USE;

/* When its loop has ended and nobody posts any more. Returns 0 or why the loop does not close. */
int worker_deinit(struct worker *worker) CV_MUST_USE;

/* Listens at @address for @worker: beside @first, the listener of the first worker, or, at that
 * one, by itself (NULL). *@out stays NULL where the first worker listens for all. Errors of
 * cv_listener_new(). */
int worker_listen(struct worker *worker, struct cv_listener **out, const char *address,
                  const struct cv_listener *first, cv_listener_accepted *accepted,
                  void *ctx) CV_MUST_USE;

/* Measures from now on how late the loop comes to things. Returns 0 or -ENOMEM. */
int worker_pulse(struct worker *worker) CV_MUST_USE;

/* As `emptied` of struct cv_front_config and struct cv_gateway_config. @ctx is the worker. */
void worker_door_emptied(void *ctx);

enum worker_order {
    WORKER_CLOSE,   /* close the doors, and tell agents to go by and by */
    WORKER_DISMISS, /* tell all to go, and end when they are gone */
    WORKER_END,     /* wait for nobody */
};

/* From the main thread; a second time does nothing. */
void worker_order(struct worker *worker, enum worker_order order);

/* From the main thread: puts @credentials, which become the worker's, in the place of what it has.
 * Returns 0, or -ENOMEM, and they are the caller's still. */
int worker_replace_credentials(struct worker *worker,
                               struct cv_credentials *credentials) CV_MUST_USE;

/* From the main thread, after peers went: sessions of those that are none any more are closed. */
void worker_recheck(struct worker *worker);

/* From the main thread: it takes new visitors as @rules say from now on, which it holds in the
 * place of those that it had: listeners of forwards that are gone close, those that stay are not
 * touched, new ones open. Returns how many did not, which is logged when @last says that it is not
 * tried again. @fds: NULL at the first worker; else a socket for each forward as forwards_beside()
 * gave it, taken, or -1. */
size_t worker_follow(struct worker *worker, struct rules *rules, const int *fds, bool last);

/* The policy of @key by the rules that it follows. */
enum cv_balance worker_balance(const struct worker *worker, const char *key);

/* forward.c: one --forward at work. */
struct forward {
    struct cv_list link;
    struct worker *worker;         /* borrowed */
    const struct cv_forward *rule; /* borrowed; of the worker's rules */
    char *listen;                  /* owned: its text, for as long as it is open */
    bool fresh;                    /* it came when the rules were followed last */
    struct cv_listener *listener;  /* NULL where the first worker listens for all */
    struct cv_flows *flows;        /* of a udp target, in its place */
    struct cv_usher *usher;        /* NULL where nobody comes by a proxy */
};

/* Opens all of the worker's rules: the first worker's as they are configured, the others' beside
 * those of the first. Returns EXIT_OK, or the code to exit with and a line in @error. */
int forwards_open(struct worker *worker, struct cv_config_error *error) CV_MUST_USE;

/* Part of worker_follow(), when the worker has the new rules. */
size_t forwards_follow(struct worker *worker, const int *fds, bool last);

/* Of the first worker: a socket for another one beside each listener that is fresh, in the order of
 * the rules; -1 where there is none to be had. */
void forwards_beside(const struct worker *first, int *fds);

void forwards_close(struct worker *worker);
const char *forward_address(const struct forward *forward);

/* What the manager's members are here: guests, and the peers that we dial. It is their first
 * field. */
struct resident {
    struct cv_tunnel *tunnel;
};

/* guest.c: agents that came in, and peers. */
void guest_welcome(struct worker *worker, const struct cv_front_guest *guest);
void guests_dismiss(struct worker *worker, enum cv_ending ending);

/* Tells the agents to go, each at a moment of its own within @window microseconds: peers hear that
 * it is gone, and then, as soon as none of its connections runs, it does. Peers stay. */
void guests_part(struct worker *worker, uint64_t window);

/* Closes the sessions whose credential is no longer there: called after a reload. */
void guests_recheck(struct worker *worker);

/* Sends what joining or leaving queued on other sessions. */
void guests_wake(struct worker *worker);

/* Asks the sessions of @key for a sign of life: it came back at another worker. */
void guests_probe(struct worker *worker, enum cv_member_kind kind, const char *key);

/* A session as operators see it. Everything is borrowed for the call. */
struct guest_info {
    uint64_t id;
    const char *key, *peer;
    const char *version; /* of the agent; NULL when it did not say */
    const struct cv_session *session;
    struct cv_tunnel *tunnel;
    uint64_t since; /* microseconds of the loop's clock */
    bool is_peer;
    uint32_t announced; /* clients, by a peer */
};

/* Calls @each for every session that @worker took in. */
void guests_each(struct worker *worker, void (*each)(void *ctx, const struct guest_info *info),
                 void *ctx);

/* Ends all sessions of @key; returns how many. */
unsigned guests_kick(struct worker *worker, const char *key);

/* Whether the credential that the guest came in with lets @target be dialled through it now: 0
 * or CV_EDENIED. @owner as cv_manager_route() gives it. */
int guest_may_dial(void *owner, const struct cv_target *target) CV_MUST_USE;

/* Sets @timer for when a credential that @expires then (seconds since 1970) is to be looked at
 * again; it does not keep the loop running. */
void guest_await_expiry(struct cv_timer *timer, int64_t expires);

/* Tells the session @id, if it is still there, what became of something that it wants published. */
void guest_published(struct worker *worker, uint64_t id, uint32_t number, bool granted,
                     const char *text);

struct cv_tunnel *guest_tunnel(void *owner); /* @owner as cv_manager_route() gives it */

#endif
