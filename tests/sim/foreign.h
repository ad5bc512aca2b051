#ifndef TESTS_SIM_FOREIGN_H
#define TESTS_SIM_FOREIGN_H

#include "sim/pipe.h"
#include "sim/transfer.h"

/* Ends of a link that are not Culvert's.
 *
 *   reference  what the protocol page says of remotedialer: one `paused` flag for both directions,
 * a buffer without a bound, an echo of each Error, two Errors for a dial that failed, a blocked
 * writer that its own Resume does not wake flood      the same, but deaf to Pause and credit
 *   garbage    frames of all types with any content, and now and then bytes that are no WebSocket
 */
struct sim_foreign;

enum sim_foreign_kind { SIM_REFERENCE, SIM_FLOOD, SIM_GARBAGE };

struct sim_foreign_plan {
    enum sim_foreign_kind kind;
    bool dialler;    /* an agent; else a server */
    const char *key; /* of the agent at the dialler's end */
    size_t pause_mark, resume_mark;
};

/* @ended is called once, when its wire is gone. */
struct sim_foreign *sim_foreign_new(struct sim_world *w, struct sim_wire *wire,
                                    const struct sim_foreign_plan *plan,
                                    void (*ended)(void *ctx, struct sim_foreign *f), void *ctx);

bool sim_foreign_alive(const struct sim_foreign *f);

/* The visitor of @x comes to it as to a server. */
void sim_foreign_visit(struct sim_foreign *f, struct sim_transfer *x);

/* Entries in its table. */
size_t sim_foreign_conns(const struct sim_foreign *f);

/* Takes its wire down. */
void sim_foreign_stop(struct sim_foreign *f);

#endif
