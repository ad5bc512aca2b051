#ifndef TESTS_SIM_TRANSFER_H
#define TESTS_SIM_TRANSFER_H

#include "base/key.h"
#include "base/reason.h"
#include "sim/sock.h"

/* One visitor's connection to one target, through whatever lies between: both its flows, and what
 * each of the two ends was told. */

enum sim_side { SIM_VISITOR, SIM_TARGET };

/* What a Culvert session told its end of the transfer. */
struct sim_told {
    bool opened; /* a connection was dialled, or asked for */
    bool connected;
    bool finished; /* this end said its orderly end */
    bool closed;
    bool halfclose; /* the session has the feature */
    enum cv_reason reason;
    uint64_t closed_at;
};

struct sim_transfer {
    struct cv_list link; /* in world.transfers */
    struct sim_world *w;
    uint32_t number;          /* is the target's address */
    char key[CV_KEY_MAX + 1]; /* of the agent that shall be reached */
    struct sim_flow flow[2];  /* by the side of the source */
    struct sim_sock_plan plan[2];
    struct sim_sock *sock[2];
    struct sim_told told[2];
    uint64_t dial_at, dial_for; /* when the visitor comes, how long the target's dial takes */
    uint32_t spliced;           /* by servers that did so for a peer */
    bool refuse;                /* the target cannot be dialled */
    bool strict;                /* no fault can touch it: it must come through whole, in time */
    bool hostile;               /* one end is: nothing holds for the bytes of that direction */
    bool unrouted;              /* no session of that client, or the dial failed at once */
};

struct sim_transfer *sim_transfer_new(struct sim_world *w, const char *key);

/* The transfer that a target's address names, or NULL. */
struct sim_transfer *sim_transfer_by_address(struct sim_world *w, const char *address, size_t len);

#define SIM_ADDRESS_MAX 32

/* The target's address. */
void sim_transfer_address(const struct sim_transfer *x, char out[SIM_ADDRESS_MAX]);

/* Makes the socket of one side; once each. */
struct sim_sock *sim_transfer_sock(struct sim_transfer *x, enum sim_side side);

/* The events of one end, with the rules that hold at that moment. */
void sim_transfer_opened(struct sim_transfer *x, enum sim_side side, bool halfclose);
void sim_transfer_silent(struct sim_transfer *x, enum sim_side side);
void sim_transfer_connected(struct sim_transfer *x, enum sim_side side);
void sim_transfer_data(struct sim_transfer *x, enum sim_side side, bool ack);
void sim_transfer_fin(struct sim_transfer *x, enum sim_side side);
void sim_transfer_closed(struct sim_transfer *x, enum sim_side side, enum cv_reason reason);

/* What must hold of every transfer when the world is at rest. */
void sim_transfer_check_end(struct sim_transfer *x);

#endif
