#ifndef TESTS_SIM_ROOMS_H
#define TESTS_SIM_ROOMS_H

#include "sim/world.h"

/* One world of rooms: clients that come, talk, post, leave and come back, some of them slow or
 * deaf, beside a model of what must become of it. Checked after every call. */
void sim_rooms(uint64_t seed, bool verbose, struct sim_counts *counts);

#endif
