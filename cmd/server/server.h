#ifndef CMD_SERVER_SERVER_H
#define CMD_SERVER_SERVER_H

#include <stdatomic.h>

#include "access/admission.h"
#include "access/quota.h"
#include "admin.h"
#include "advertise.h"
#include "config/server.h"
#include "directory.h"
#include "manager/homes.h"
#include "net/changes.h"
#include "peering.h"
#include "publish.h"
#include "rooms.h"
#include "rules.h"
#include "service.h"
#include "worker.h"

#define PROGRAM "culvert-server" /* as it calls itself */

/* culvert-server: lets agents in at the front door, and visitors through to them.
 *
 * This is what its workers share. Unless it says otherwise it is filled before they run and not
 * changed after; the main thread is the one of the first worker. */
struct server {
    const struct cv_server_config *config; /* borrowed */
    struct cv_log_out log_out;
    struct cv_tls *tls;      /* NULL: plain */
    struct cv_budget budget; /* of all sessions */
    struct worker *workers;
    unsigned worker_count;

    struct cv_homes *homes;         /* which worker has which client; under the lock */
    struct cv_admission *admission; /* connections of each address; under the lock */
    struct cv_quota *quota;         /* and by each visitor's token */
    uv_mutex_t lock;
    struct peering *peering;     /* NULL without --peer-id */
    struct directory *directory; /* NULL without --directory */
    struct publish *publish;
    struct rules *rules;    /* held; those in force, which workers follow. The main thread's own */
    struct cv_timer *again; /* the same: see follow_rules() in reload.c; NULL before a reload */
    unsigned tries;

    atomic_uint_fast64_t conns;    /* visitors' connections open now, or on their way to a worker */
    atomic_uint_fast64_t waiting;  /* visits that wait for their target's answer */
    atomic_uint_fast64_t sessions; /* open now */
    atomic_uint_fast64_t agents;   /* those of them that are not peers' */
    atomic_uint busy_doors;        /* workers whose doors are not closed and empty; of a drain */
    atomic_bool draining;
    atomic_bool gone; /* everyone was told to go */
    uint64_t
        parting_window; /* microseconds over which agents are told to go; set before the order */

    /* The main thread's own. */
    struct admin *admin;         /* NULL without --admin */
    struct advertise *advertise; /* NULL without --advertise, and when it stops */
    struct advertise_page page;
    struct rooms *rooms;     /* NULL without --rooms */
    struct service *service; /* NULL without a service manager */
    struct process_signals signals;
    struct cv_changes *changes; /* of the files that are reloaded; or NULL */
    uv_timer_t drain_timer;
    unsigned running; /* workers on threads of their own that have not ended */
};

/* Opens and starts everything. @error gets a line without its end. Returns EXIT_OK or the code to
 * exit with; what was started is left to the end of the process. */
int server_start(struct server *server, const struct cv_server_config *config,
                 struct cv_config_error *error) CV_MUST_USE;

/* Runs until a signal ends it; returns the code to exit with. */
int server_run(struct server *server);

/* drain.c: from @worker: a connection or a session ended, and a drain may be over. */
void server_check_drained(struct worker *worker);

/* Takes no more work, tells the agents to go one by one, and ends when what runs has ended or it
 * took too long; on the main thread. When it drains already: waits no longer if @urgent. */
void server_drain(struct server *server, bool urgent);

/* The thread of @worker has ended; on the main thread. */
void server_worker_ended(struct worker *worker);

/* From any worker: who should serve a dial to @key, of those without a bit in @but; CV_ENOSESSION
 * when none is left. With another policy than CV_BALANCE_NEWEST who is named then says
 * server_settled(). */
int server_find(struct server *server, const char *key, enum cv_balance balance,
                uint64_t but) CV_MUST_USE;

/* From @worker, which was named: what became of the dial shows in its sessions of @key. */
void server_settled(struct worker *worker, const char *key, enum cv_balance balance);

/* The same of a connection that ended. */
void server_lighter(struct worker *worker, const char *key, enum cv_balance balance);

/* From @worker: its sessions of @key changed, or what its peers announced of it. Those of other
 * workers are asked for a sign of life when an agent's joined. Returns 0 or -ENOMEM. */
int server_found(struct worker *worker, const char *key, bool joined) CV_MUST_USE;

/* From @worker: a session with the peer @key has joined: those of other workers are asked for a
 * sign of life. */
void server_found_peer(struct worker *worker, const char *key);

/* From any worker: a place for one more visitor's connection; false at the limit. Given back with
 * server_leave(). */
bool server_enter(struct server *server) CV_MUST_USE;
void server_leave(struct server *server);

/* reload.c: reads everything that can be anew, on the main thread. */
void reload_all(struct server *server);

/* Only the files that the configuration names. */
void reload_changed_files(struct server *server);

/* Reads the credentials for one worker. Errors of cv_credentials_load(). */
int reload_read_credentials(struct worker *worker, struct cv_credentials **out,
                            struct cv_config_error *error) CV_MUST_USE;

/* A line for what did not open. Returns @code. */
int server_fail(struct cv_config_error *error, int code, const char *what, int rc);

#endif
