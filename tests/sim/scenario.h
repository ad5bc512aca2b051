#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "sim/world.h"

/* Draws a world from its seed, lets it run through its faults, heals it, and looks at what is left.
 * Does not return when an invariant is broken. */
void sim_scenario(uint64_t seed, bool verbose, struct sim_counts *counts);

/* What every kind of world of tunnels needs. */

/* Times that things may take once everything works again. */
#define SIM_SETTLE_FOR (75 * CV_SEC) /* silence of a reference end is noticed after 60 s */
#define SIM_STRICT_FOR \
    (90 * CV_SEC) /* an echo through a reference end goes by questions, up to 5 s apart */

/* An allocation of every node fails now and then, until the world is healed. */
void sim_fail_memory(struct sim_world *w);

/* No more faults; wires, tunnels and sockets are quick again. */
void sim_heal(struct sim_world *w);

/* Every open transfer ends within @bound once nothing is in its way. */
void sim_run_until_over(struct sim_world *w, bool strict_only, uint64_t bound);

/* What must hold after every step; when all transfers are over; and after everything was shut down:
 * links, then memory. */
void sim_check_step(struct sim_world *w);
void sim_check_conns(struct sim_world *w);
void sim_check_ended(struct sim_world *w);
void sim_check_memory(struct sim_world *w);

#endif
