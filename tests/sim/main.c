#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/scenario.h"

/* sim --seeds N [--from SEED]   runs N worlds; prints what they exercised
 * sim --seed SEED               runs one, and prints everything that happens in it
 *
 * 0: every invariant held. 1: one did not, and its seed is printed. 2: usage. */

static const char *const count_texts[] = {
#define X(name, text) text,
    SIM_COUNT_MAP(X)
#undef X
};

static int usage(void)
{
    fprintf(stderr, "usage: sim --seeds N [--from SEED] | sim --seed SEED\n");
    return 2;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static void print_counts(const struct sim_counts *counts, uint64_t seeds, double seconds)
{
    for (int i = 0; i < SIM_COUNT_COUNT; i++)
        printf("%14llu  %s\n", (unsigned long long)counts->n[i], count_texts[i]);
    printf("%14llu  steps\n", (unsigned long long)counts->steps);
    printf("%14.0f  seconds of virtual time\n", (double)counts->virtual_us / 1e6);
    printf("%llu seeds in %.1f s: %.0f a second; every invariant held\n", (unsigned long long)seeds,
           seconds, (double)seeds / (seconds > 0.001 ? seconds : 0.001));
}

/* A row that nothing exercised proves nothing; with many seeds it is an error. */
static int check_coverage(const struct sim_counts *counts, uint64_t seeds)
{
    int rc = 0;

    if (seeds < 2000)
        return 0;
    for (int i = 0; i < SIM_COUNT_COUNT; i++) {
        if (counts->n[i])
            continue;
        fprintf(stderr, "nothing exercised: %s\n", count_texts[i]);
        rc = 1;
    }
    return rc;
}

static double clock_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    uint64_t seeds = 1, from = 1;
    struct sim_counts counts = {0};
    double start = clock_seconds();
    bool one;

    if (argc != 3 && argc != 5)
        return usage();
    one = strcmp(argv[1], "--seed") == 0;
    if (argc == 5 && (one || strcmp(argv[3], "--from") != 0 || !read_number(argv[4], &from)))
        return usage();
    if ((!one && strcmp(argv[1], "--seeds") != 0) || !read_number(argv[2], one ? &from : &seeds))
        return usage();
    for (uint64_t seed = from; seed < from + seeds; seed++)
        sim_scenario(seed, one, &counts);
    print_counts(&counts, seeds, clock_seconds() - start);
    return check_coverage(&counts, seeds);
}
