#ifndef CV_EMBED_SERVER_CORE_H
#define CV_EMBED_SERVER_CORE_H

#include <culvert/server.h>

#include "access/admission.h"
#include "access/pace.h"
#include "embed/target.h"
#include "embed/tenant.h"
#include "http/crossing.h"
#include "http/front.h"
#include "manager/manager.h"
#include "net/log.h"
#include "net/timer.h"

/* Private to the embedded server's files. */

struct cv_server {
    struct cv_tenant tenant;
    struct cv_server_options options; /* its limits filled in; no string of it is kept */
    struct cv_tls *tls;               /* owned; NULL: plain */
    struct cv_manager *manager;       /* owned; of the agents' sessions */
    struct cv_admission *admission;   /* owned */
    struct cv_pace pace;
    struct cv_front *front;         /* owned; NULL when it takes in no more */
    struct cv_listener **listeners; /* in the arena */
    size_t listener_count;
    struct cv_list forwards; /* in the arena */
    struct cv_list guests;   /* all sessions, in the order in which they came in */
    uint32_t guest_count;
    struct cv_timer *drain; /* owned */
    uint64_t drain_by;
    bool draining;
    void (*closed)(struct cv_server *server);
};

/* Reads what is to be dialled. CV_ESYNTAX, CV_EBADKEY, CV_ETOOLONG; CV_ECLOSED when it closes. */
int cv_server_target(struct cv_dial_target *out, const struct cv_server *server,
                     const char *text) CV_MUST_USE;

/* server_forward.c: stops listening for all of them. */
void cv_server_close_forwards(struct cv_server *server);

/* server_door.c: who comes in. */

/* Opens everything that the options name; what was opened before a failure is left to
 * cv_server_close_door(). */
int cv_server_open_door(struct cv_server *server) CV_MUST_USE;

/* Takes in no more; twice is fine. */
void cv_server_close_door(struct cv_server *server);

/* Gives the place of @peer in the limits back. */
void cv_server_leave(struct cv_server *server, const char *peer);

/* server_guest.c: who is in. */

/* Takes somebody in: a session of an agent or of a visitor. */
void cv_server_welcome(struct cv_server *server, const struct cv_front_guest *from);

/* Tells them all to go; or only those without connections. */
void cv_server_dismiss(struct cv_server *server, bool idle_only);

/* Dials `proto` and @address through a session of @client. CV_ENOSESSION, CV_EFULL, CV_ETOOLONG,
 * -ENOMEM. */
int cv_server_route(struct cv_server *server, struct cv_crossing_end *out, const char *client,
                    enum cv_proto proto, const char *address) CV_MUST_USE;

#endif
