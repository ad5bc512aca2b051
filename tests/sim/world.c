#include "sim/world.h"

#include <stdarg.h>
#include <stdlib.h>

/* A world that takes more steps than that turns in a circle. */
#define STEPS_MAX UINT64_C(3000000)

union owned {
    union owned *next;
    max_align_t align;
};

void sim_world_init(struct sim_world *w, uint64_t seed, bool verbose, struct sim_counts *counts)
{
    *w = (struct sim_world){
        .seed = seed, .options = "", .verbose = verbose, .counts = counts, .now = CV_SEC};
    cv_prng_init(&w->prng, seed);
    cv_list_init(&w->actors);
    cv_list_init(&w->tunnels);
    cv_list_init(&w->transfers);
    cv_list_init(&w->nodes);
}

void sim_world_deinit(struct sim_world *w)
{
    w->counts->virtual_us += w->now;
    w->counts->steps += w->steps;
    for (union owned *o = w->owned, *next; o; o = next) {
        next = o->next;
        free(o);
    }
}

void *sim_new(struct sim_world *w, size_t size)
{
    union owned *o = calloc(1, sizeof(*o) + size);

    if (!o)
        abort();
    o->next = w->owned;
    w->owned = o;
    return o + 1;
}

void sim_actor_init(struct sim_world *w, struct sim_actor *actor,
                    void (*run)(struct sim_actor *actor))
{
    actor->run = run;
    actor->wake_at = CV_NEVER;
    cv_list_push_back(&w->actors, &actor->link);
}

void sim_wake(struct sim_actor *actor, uint64_t at)
{
    actor->wake_at = cv_min_time(actor->wake_at, at);
}

/* The actor to act next; of several that are due at once, any. */
static struct sim_actor *next_actor(struct sim_world *w)
{
    struct sim_actor *best = NULL;
    uint64_t ties = 1;

    cv_list_each (link, &w->actors) {
        struct sim_actor *actor = cv_container_of(link, struct sim_actor, link);
        uint64_t at = actor->wake_at < w->now ? w->now : actor->wake_at;
        uint64_t best_at = best && best->wake_at < w->now ? w->now
                           : best                         ? best->wake_at
                                                          : CV_NEVER;

        if (at == CV_NEVER || at > best_at)
            continue;
        ties = best && at == best_at ? ties + 1 : 1;
        if (ties == 1 || sim_below(w, ties) == 0)
            best = actor;
    }
    return best;
}

void sim_run(struct sim_world *w, uint64_t until)
{
    for (;;) {
        struct sim_actor *actor = next_actor(w);

        if (!actor || actor->wake_at > until)
            break;
        if (actor->wake_at > w->now)
            w->now = actor->wake_at;
        actor->wake_at = CV_NEVER;
        actor->run(actor);
        w->check(w);
        if (++w->steps > STEPS_MAX)
            sim_fail(w, "the world turns in a circle: %llu steps", (unsigned long long)w->steps);
    }
    if (until > w->now)
        w->now = until;
}

uint64_t sim_below(struct sim_world *w, uint64_t bound)
{
    struct cv_random random = cv_prng_random(&w->prng);

    return cv_random_below(&random, bound);
}

uint64_t sim_between(struct sim_world *w, uint64_t low, uint64_t high)
{
    return low + sim_below(w, high - low + 1);
}

bool sim_chance(struct sim_world *w, uint32_t percent)
{
    return sim_below(w, 100) < percent;
}

void sim_count(struct sim_world *w, enum sim_count what, uint64_t by)
{
    w->counts->n[what] += by;
}

void sim_trace(struct sim_world *w, const char *format, ...)
{
    va_list args;

    if (!w->verbose)
        return;
    printf("%12.6f  ", (double)w->now / 1e6);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void sim_fail(struct sim_world *w, const char *format, ...)
{
    va_list args;

    fflush(stdout);
    fprintf(stderr, "\nseed %llu, at %.6f s: ", (unsigned long long)w->seed, (double)w->now / 1e6);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nreplay with: sim %s--seed %llu\n", w->options, (unsigned long long)w->seed);
    fflush(stderr);
    _Exit(1);
}
