#ifndef TESTS_SIM_SCENARIO_H
#define TESTS_SIM_SCENARIO_H

#include "sim/world.h"

/* Draws a world from its seed, lets it run through its faults, heals it, and looks at what is left.
 * Does not return when an invariant is broken. */
void sim_scenario(uint64_t seed, bool verbose, struct sim_counts *counts);

#endif
