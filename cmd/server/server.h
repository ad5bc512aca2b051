#ifndef CMD_SERVER_SERVER_H
#define CMD_SERVER_SERVER_H

#include "advertise.h"
#include "config/server.h"
#include "http/front.h"
#include "manager/manager.h"
#include "net/tunnel.h"
#include "process.h"

/* culvert-server: lets agents in at the front door, and visitors through to them. */
struct server {
    const struct cv_server_config *config; /* borrowed */
    struct cv_loop loop;
    struct cv_credentials *credentials; /* NULL: anyone may come in */
    struct cv_tls *tls;                 /* NULL: plain */
    struct cv_manager *manager;
    struct cv_budget budget; /* of all sessions */
    struct cv_front *front;
    struct cv_listener **listeners; /* of the front door */
    size_t listener_count;
    struct forward *forwards;
    size_t forward_count;
    struct advertise *advertise; /* NULL without --advertise, and when it stops */
    struct cv_list guests;
    uint64_t conns; /* visitors' connections open now */
    struct process_signals signals;
    uv_timer_t drain_timer;
    bool draining;
    bool gone; /* everyone was told to go */
};

/* One --forward at work. */
struct forward {
    struct server *server;         /* borrowed */
    const struct cv_forward *rule; /* borrowed */
    struct cv_listener *listener;
};

/* Opens and starts everything. @error gets a line without its end. Returns EXIT_OK or the code to
 * exit with; what was started is left to the end of the process. */
int server_start(struct server *server, const struct cv_server_config *config,
                 struct cv_config_error *error);

/* Runs until a signal ends it; returns the code to exit with. */
int server_run(struct server *server);

/* A visitor's connection ended, or an agent left: a drain may be over. */
void server_check_drained(struct server *server);

/* forward.c */
int forward_open(struct forward *forward, struct server *server,
                 const struct cv_forward *rule) CV_MUST_USE;

/* guest.c: agents that came in. */
void guest_welcome(void *ctx, const struct cv_front_guest *guest); /* @ctx is the server */
void guests_dismiss(struct server *server, uint16_t code, const char *reason);

/* Closes the sessions whose credential is no longer there: called after a reload. */
void guests_recheck(struct server *server);

/* Whether the credential that the guest came in with lets @rule's target be dialled through it now:
 * 0, CV_EDENIED, or CV_EFULL when it has as many connections as that allows. @owner as
 * cv_manager_route() gives it. */
int guest_may_dial(void *owner, const struct cv_forward *rule) CV_MUST_USE;
struct cv_tunnel *guest_tunnel(void *owner); /* @owner as cv_manager_route() gives it */

#endif
