#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cost/cost.h"

#if defined(__x86_64__)
#define MACHINE "x86_64"
#else
#define MACHINE "another"
#endif

/* Bit of AVX2 in libgcc's word of what the processor has, which __builtin_cpu_supports() reads. */
#define FEATURE_AVX2 10

static uint64_t allocations;

static void *take(void *ctx, size_t size)
{
    (void)ctx;
    allocations++;
    return malloc(size);
}

static void give(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

const struct cv_alloc *cost_alloc(void)
{
    static const struct cv_alloc alloc = {.alloc = take, .free = give};

    return &alloc;
}

void cost_fail(const char *what)
{
    fprintf(stderr, "cost: %s\n", what);
    exit(1);
}

int cost_check(int result, const char *what)
{
    if (result < 0)
        cost_fail(what);
    return result;
}

/* Masking takes the vectors that the machine has. What is counted must be the same on each, so it
 * is told whether to use them; false when there are none. */
static bool use_vectors(bool wanted)
{
#if defined(__x86_64__)
    extern struct {
        unsigned vendor, type, subtype, features;
    } __cpu_model;
    static unsigned found;

    found |= __cpu_model.features & (1u << FEATURE_AVX2);
    __cpu_model.features &= ~(1u << FEATURE_AVX2);
    if (__builtin_cpu_supports("avx2"))
        cost_fail("vectors cannot be turned off");
    if (wanted)
        __cpu_model.features |= found;
    return !wanted || found;
#else
    return !wanted;
#endif
}

/* callgrind writes down what it has counted, and starts anew, each time this is called
 * (--dump-before=cost_mark). */
void cost_mark(void);

__attribute__((noinline)) void cost_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

static bool wanted(const char *name, char *const names[], int count)
{
    bool found = count == 0;

    for (int i = 0; i < count; i++)
        found = found || strcmp(names[i], name) == 0;
    return found;
}

/* What was done stands between marks: few units, then many. */
static void measure(const struct cost_scenario *scenario)
{
    uint64_t before, few, many, result;

    cost_mark();
    before = allocations;
    result = scenario->run(scenario->few);
    few = allocations - before;
    cost_mark();
    before = allocations;
    result += scenario->run(scenario->many);
    many = allocations - before;
    cost_mark();
    printf("%s %u %u %llu %llu %016llx %s\n", scenario->name, scenario->few, scenario->many,
           (unsigned long long)few, (unsigned long long)many, (unsigned long long)result,
           scenario->unit);
}

/* usage: cost [SCENARIO...]. The first line says what the figures depend on; then each scenario's:
 * name, few and many units, allocations in both, what was done, unit; or `skipped` and its name. */
int main(int argc, char *argv[])
{
    const struct cost_scenario *const parts[] = {cost_codec, cost_vectors, cost_session,
                                                 cost_manager};
    int known = 0;

    printf("compiler %s %s\n", MACHINE, __VERSION__);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (const struct cost_scenario *s = parts[i]; s->name; s++) {
            if (!wanted(s->name, argv + 1, argc - 1))
                continue;
            known++;
            if (use_vectors(parts[i] == cost_vectors))
                measure(s);
            else
                printf("skipped %s\n", s->name);
        }
    }
    if (argc > 1 && known != argc - 1)
        cost_fail("no such scenario");
    return 0;
}
