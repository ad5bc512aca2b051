#ifndef CULVERTCTL_ROAD_H
#define CULVERTCTL_ROAD_H

#include "config/visit.h"
#include "http/uplink.h"
#include "net/relay.h"

/* A visitor's session with a server, over which `connect` and `forward` reach targets. */
struct road {
    struct cv_visit_config config;
    struct cv_alloc alloc; /* of the configuration */
    struct cv_loop loop;
    struct cv_outbound *outbound;
    char *authorization; /* secret; NULL: no token */
    struct cv_ws_header header;
    struct cv_uplink *uplink; /* NULL when it is not wanted any more */
    struct cv_tunnel *tunnel; /* while a session stands; borrowed */
    bool keeps;               /* dials again when a session is lost */
    bool was_up;
    int code;                      /* to exit with, of what went wrong first */
    void (*up)(struct road *road); /* a session stands */
};

/* Reads the words behind the command. Returns EXIT_OK, and *@over when there is nothing left to do;
 * or the code to exit with when it has complained. @road is to be given to road_deinit() in any
 * case. */
int road_init(struct road *road, const struct cv_program *program, int argc, char **argv,
              bool *over);

/* Dials the server and runs the loop until road_close() and the last connection's end, or until a
 * session is not to be had (of a road that keeps: the first one), which is said. Returns the code
 * to exit with. */
int road_run(struct road *road);

/* From within road_run(). Ends the session in order; twice is fine. */
void road_close(struct road *road);

/* Says what went wrong, and sets the code; the first one counts. */
void road_fail(struct road *road, int code, const char *what, const char *why);

/* Opens a connection to CLIENT/TARGET and relays @stream, which is taken, through it. Errors of
 * cv_session_dial() and cv_relay_new(). */
int road_dial(struct road *road, struct cv_stream *stream, const char *client, enum cv_proto proto,
              const char *address, cv_relay_ended *ended, void *ctx) CV_MUST_USE;

/* The same for a flow of datagrams, @fd one end of cv_connect_pair_messages(). */
int road_dial_datagrams(struct road *road, int fd, const char *client, const char *address,
                        cv_relay_ended *ended, void *ctx) CV_MUST_USE;

void road_deinit(struct road *road);

#endif
