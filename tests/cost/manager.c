#include "manager/manager.h"

#include "base/error.h"
#include "cost/cost.h"
#include "cost/pair.h"

/* The table of sessions, with a thousand client keys in it, or ten thousand: a dial costs the same.
 */

#define KEYS      1000
#define MANY_KEYS 10000

struct crowd {
    unsigned keys;
    struct cost_pair *pair; /* its server's session stands for each member's */
    struct cv_session *session;
    struct cv_manager *manager;
    uint64_t ids[MANY_KEYS];
};

/* `agent-0042.example` */
static const char *key_of(char out[CV_KEY_MAX + 1], unsigned number)
{
    static const char form[] = "agent-0000.example";

    for (size_t i = 0; i < sizeof(form); i++)
        out[i] = form[i];
    for (int at = 9; at >= 6; at--, number /= 10)
        out[at] = (char)('0' + number % 10);
    return out;
}

static void join(struct crowd *c, unsigned number)
{
    char key[CV_KEY_MAX + 1];

    cost_check(cv_manager_join(c->manager, CV_MEMBER_AGENT, key_of(key, number), c->session, c,
                               c->pair->now, &c->ids[number]),
               "a session cannot join");
}

static void leave(struct crowd *c, unsigned number)
{
    cost_check(cv_manager_leave(c->manager, c->ids[number]), "a session cannot leave");
}

static void crowd_init(struct crowd *c, unsigned keys)
{
    const struct cv_manager_limits limits = {.max_sessions = MANY_KEYS + 1,
                                             .max_announced = CV_MAX_ANNOUNCED,
                                             .max_announced_key = CV_MAX_ANNOUNCED_KEY};

    c->keys = keys;
    c->pair = cost_pair_new(COST_CULVERT);
    c->session = cv_link_session(c->pair->server.link);
    cost_check(cv_manager_new(&c->manager, cost_alloc(), &limits), "out of memory");
    for (unsigned i = 0; i < c->keys; i++)
        join(c, i);
}

static uint64_t crowd_end(struct crowd *c)
{
    uint64_t joined = cv_manager_stats(c->manager)->joined;

    for (unsigned i = 0; i < c->keys; i++)
        leave(c, i);
    if (cv_manager_stats(c->manager)->sessions)
        cost_fail("a session stays a member");
    cv_manager_free(c->manager);
    cost_pair_free(c->pair);
    return joined;
}

static uint64_t manager_join(unsigned units)
{
    struct crowd c;

    crowd_init(&c, KEYS);
    for (unsigned i = 0; i < units; i++) {
        leave(&c, i % KEYS);
        join(&c, i % KEYS);
    }
    return crowd_end(&c);
}

static uint64_t dials(unsigned units, unsigned keys)
{
    uint64_t sum = 0;
    struct crowd c;

    crowd_init(&c, keys);
    for (unsigned i = 0; i < units; i++) {
        char key[CV_KEY_MAX + 1];
        struct cv_route route;

        cost_check(cv_manager_route(c.manager,
                                    &(struct cv_route_wish){key_of(key, i % keys), "tcp",
                                                            CV_BALANCE_NEWEST, CV_ROUTE_VISITOR, 0},
                                    c.pair->now, &route),
                   "there is no route");
        sum += route.id;
    }
    return sum + crowd_end(&c);
}

static uint64_t manager_route(unsigned units)
{
    return dials(units, KEYS);
}

static uint64_t manager_route_many(unsigned units)
{
    return dials(units, MANY_KEYS);
}

/* A peer tells what it has, is routed through, and takes it back. */
static uint64_t manager_announced(unsigned units)
{
    uint64_t sum = 0, peer;
    struct crowd c;

    crowd_init(&c, KEYS);
    cost_check(
        cv_manager_join(c.manager, CV_MEMBER_PEER, "peer", c.session, &c, c.pair->now, &peer),
        "a peer cannot join");
    for (unsigned i = 0; i < units; i++) {
        char key[CV_KEY_MAX + 1];
        struct cv_route route;
        unsigned number = KEYS + i % KEYS;

        key_of(key, number);
        cost_check(cv_manager_announced(c.manager, peer, true, key, 18, number), "not announced");
        cost_check(cv_manager_route(
                       c.manager,
                       &(struct cv_route_wish){key, "tcp", CV_BALANCE_NEWEST, CV_ROUTE_VISITOR, 0},
                       c.pair->now, &route),
                   "there is no route");
        cost_check(cv_manager_announced(c.manager, peer, false, key, 18, number), "not announced");
        sum += route.id;
    }
    cost_check(cv_manager_leave(c.manager, peer), "a peer cannot leave");
    return sum + crowd_end(&c);
}

const struct cost_scenario cost_manager[] = {
    {"manager.join", "session that leaves and joins", 100, 600, manager_join},
    {"manager.route", "dial to one of 1,000 keys", 100, 1100, manager_route},
    {"manager.route.many", "dial to one of 10,000 keys", 100, 10100, manager_route_many},
    {"manager.announced", "key that a peer tells, dialled, taken back", 100, 600,
     manager_announced},
    {0},
};
