#ifndef CV_BASE_RANDOM_H
#define CV_BASE_RANDOM_H

#include "base/attr.h"

/* Where the pure layers get randomness from: the shell hands in the kernel's, a test one with a
 * seed. */
struct cv_random {
    void (*fill)(void *ctx, void *buf, size_t len);
    void *ctx; /* borrowed */
};

uint64_t cv_random_u64(const struct cv_random *random);

/* Uniform in [0, @bound); 0 when @bound is 0. */
uint64_t cv_random_below(const struct cv_random *random, uint64_t bound);

/* A seeded source, for tests and for mask keys of links that TLS protects. Not for secrets.
 * (xoshiro256**, seeded by splitmix64; Blackman and Vigna, 2018) */
struct cv_prng {
    uint64_t state[4];
};

void cv_prng_init(struct cv_prng *prng, uint64_t seed);
uint64_t cv_prng_next(struct cv_prng *prng);

/* The same as a cv_random; @prng is borrowed. */
struct cv_random cv_prng_random(struct cv_prng *prng);

#endif
