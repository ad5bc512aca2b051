#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/directory.h"
#include "sim/mesh.h"
#include "sim/rooms.h"
#include "sim/scenario.h"

/* sim [--mesh|--rooms|--directory] --seeds N [--from SEED]   runs N worlds; prints what they
 * exercised sim [--mesh|--rooms|--directory] --seed SEED               runs one, and prints
 * everything that happens in it
 *
 * Worlds of tunnels and what passes through them, of several servers that are peers, of rooms, or
 * of servers that share a directory.
 *
 * 0: every invariant held. 1: one did not, and its seed is printed. 2: usage. */

static const char *const count_texts[] = {
#define X(name, text) text,
    SIM_COUNT_MAP(X)
#undef X
};

/* A kind of world, its option, its rows of the counts, and how many seeds meet every row. */
struct kind {
    const char *option;
    void (*run)(uint64_t seed, bool verbose, struct sim_counts *counts);
    int first, end;
    uint64_t enough;
};

static const struct kind kinds[] = {
    {"", sim_scenario, 0, SIM_MESH_FULL, 2000},
    {"--mesh", sim_mesh, SIM_MESH_FULL, SIM_ROOMS_REGISTERED, 200},
    {"--rooms", sim_rooms, SIM_ROOMS_REGISTERED, SIM_DIR_FROZEN, 400},
    {"--directory", sim_directory, SIM_DIR_FROZEN, SIM_COUNT_COUNT, 100},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int usage(void)
{
    fprintf(stderr, "usage: sim [--mesh|--rooms|--directory] --seeds N [--from SEED]\n"
                    "       sim [--mesh|--rooms|--directory] --seed SEED\n");
    return 2;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static void print_counts(const struct kind *kind, const struct sim_counts *counts, uint64_t seeds,
                         double seconds)
{
    for (int i = kind->first; i < kind->end; i++)
        printf("%14llu  %s\n", (unsigned long long)counts->n[i], count_texts[i]);
    printf("%14llu  steps\n", (unsigned long long)counts->steps);
    printf("%14.0f  seconds of virtual time\n", (double)counts->virtual_us / 1e6);
    printf("%llu seeds in %.1f s: %.0f a second; every invariant held\n", (unsigned long long)seeds,
           seconds, (double)seeds / (seconds > 0.001 ? seconds : 0.001));
}

/* A row that nothing exercised proves nothing; with many seeds it is an error. */
static int check_coverage(const struct kind *kind, const struct sim_counts *counts, uint64_t seeds)
{
    int rc = 0;

    if (seeds < kind->enough)
        return 0;
    for (int i = kind->first; i < kind->end; i++) {
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
    const struct kind *kind = &kinds[0];
    double start = clock_seconds();
    bool one;

    for (size_t i = 1; argc > 1 && i < KINDS; i++)
        if (strcmp(argv[1], kinds[i].option) == 0)
            kind = &kinds[i];
    if (kind != &kinds[0]) {
        argv++;
        argc--;
    }
    if (argc != 3 && argc != 5)
        return usage();
    one = strcmp(argv[1], "--seed") == 0;
    if (argc == 5 && (one || strcmp(argv[3], "--from") != 0 || !read_number(argv[4], &from)))
        return usage();
    if ((!one && strcmp(argv[1], "--seeds") != 0) || !read_number(argv[2], one ? &from : &seeds))
        return usage();
    for (uint64_t seed = from; seed < from + seeds; seed++)
        kind->run(seed, one, &counts);
    print_counts(kind, &counts, seeds, clock_seconds() - start);
    return check_coverage(kind, &counts, seeds);
}
