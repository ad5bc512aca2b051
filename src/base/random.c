#include "base/random.h"

#include <string.h>

uint64_t cv_random_u64(const struct cv_random *random)
{
    uint64_t value;

    random->fill(random->ctx, &value, sizeof(value));
    return value;
}

uint64_t cv_random_below(const struct cv_random *random, uint64_t bound)
{
    uint64_t excess, value;

    if (bound == 0)
        return 0;
    /* values under 2^64 mod bound would make the low results likelier */
    excess = (0 - bound) % bound;
    do
        value = cv_random_u64(random);
    while (value < excess);
    return value % bound;
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void cv_prng_init(struct cv_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        prng->state[i] = z ^ (z >> 31);
    }
}

uint64_t cv_prng_next(struct cv_prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void prng_fill(void *ctx, void *buf, size_t len)
{
    uint8_t *out = buf;

    while (len) {
        uint64_t value = cv_prng_next(ctx);
        size_t n = cv_min_size(len, sizeof(value));

        memcpy(out, &value, n);
        out += n;
        len -= n;
    }
}

struct cv_random cv_prng_random(struct cv_prng *prng)
{
    return (struct cv_random){.fill = prng_fill, .ctx = prng};
}
