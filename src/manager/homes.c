#include "manager/homes.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/table.h"

/* A worker that has a key. */
struct seat {
    struct cv_list link; /* in its home */
    unsigned worker;
    uint32_t coming; /* dials on their way there */
    uint64_t pass;   /* when it is its turn, by the home's clock */
    struct cv_home has;
};

/* A key that is somewhere. */
struct home {
    char key[CV_KEY_MAX + 1];
    UT_hash_handle hh;
    struct cv_list seats;
    uint64_t clock; /* goes on by turns: see take_turn() */
};

struct cv_homes {
    const struct cv_alloc *alloc;
    struct home *table;
};

static uint64_t bit(unsigned worker)
{
    return UINT64_C(1) << worker;
}

static struct seat *seat_of(struct cv_list *link)
{
    return cv_container_of(link, struct seat, link);
}

int cv_homes_new(struct cv_homes **out, const struct cv_alloc *alloc)
{
    struct cv_homes *homes = cv_alloc_zero(alloc, sizeof(*homes));

    if (!homes)
        return -ENOMEM;
    homes->alloc = alloc;
    *out = homes;
    return 0;
}

static void forget(struct cv_homes *homes, struct home *home)
{
    const struct cv_alloc *table_alloc = homes->alloc;

    HASH_DEL(homes->table, home);
    cv_free(homes->alloc, home);
}

void cv_homes_free(struct cv_homes *homes)
{
    struct home *home, *next;

    if (!homes)
        return;
    HASH_ITER (hh, homes->table, home, next) {
        while (!cv_list_empty(&home->seats))
            cv_free(homes->alloc, seat_of(cv_list_pop(&home->seats)));
        forget(homes, home);
    }
    cv_free(homes->alloc, homes);
}

static struct home *find(const struct cv_homes *homes, const char *key)
{
    struct home *home;

    HASH_FIND_STR(homes->table, key, home);
    return home;
}

static struct seat *find_seat(struct home *home, unsigned worker)
{
    if (home)
        cv_list_each (link, &home->seats)
            if (seat_of(link)->worker == worker)
                return seat_of(link);
    return NULL;
}

static struct home *add(struct cv_homes *homes, const char *key)
{
    const struct cv_alloc *table_alloc = homes->alloc;
    struct home *home = cv_alloc_zero(homes->alloc, sizeof(*home));

    if (!home)
        return NULL;
    memcpy(home->key, key, strlen(key));
    cv_list_init(&home->seats);
    HASH_ADD_STR(homes->table, key, home);
    if (!cv_table_added(home)) {
        cv_free(homes->alloc, home);
        return NULL;
    }
    return home;
}

/* A seat for @worker in the home of @key, which is @home or is made; NULL without memory. */
static struct seat *add_seat(struct cv_homes *homes, struct home *home, const char *key,
                             unsigned worker)
{
    struct seat *seat = cv_alloc_zero(homes->alloc, sizeof(*seat));

    if (seat && !home)
        home = add(homes, key);
    if (!home || !seat) {
        cv_free(homes->alloc, seat);
        return NULL;
    }
    seat->worker = worker;
    cv_list_push_back(&home->seats, &seat->link);
    return seat;
}

static uint64_t others_than(const struct home *home, unsigned worker)
{
    uint64_t bits = 0;

    if (home)
        cv_list_each (link, &home->seats)
            if (seat_of(link)->has.own.newest)
                bits |= bit(seat_of(link)->worker);
    return bits & ~bit(worker);
}

static void leave(struct cv_homes *homes, struct home *home, struct seat *seat)
{
    cv_list_remove(&seat->link);
    cv_free(homes->alloc, seat);
    if (cv_list_empty(&home->seats))
        forget(homes, home);
}

int cv_homes_put(struct cv_homes *homes, const char *key, unsigned worker,
                 const struct cv_home *has, uint64_t *others)
{
    struct home *home = find(homes, key);
    struct seat *seat = find_seat(home, worker);
    bool any = has->own.newest || has->peers.newest;

    *others = others_than(home, worker);
    if (!seat && any)
        seat = add_seat(homes, home, key, worker);
    if (!seat)
        return any ? -ENOMEM : 0;
    seat->has = *has;
    if (!any)
        leave(homes, home, seat);
    return 0;
}

static const struct cv_home_load *load_of(const struct seat *seat, bool peers)
{
    return peers ? &seat->has.peers : &seat->has.own;
}

static uint32_t weight(const struct cv_home_load *load)
{
    return load->healthy ? load->healthy : 1;
}

/* Turns. Each seat is due at a moment of the home's clock, which stands at the moment of the last
 * one who was; who was not there meanwhile, or was passed over, is not behind for that. */

#define TURN 720720 /* between two of a seat of weight 1; 1 to 16 divide it */

static uint64_t due(const struct home *home, const struct seat *seat)
{
    return seat->pass > home->clock ? seat->pass : home->clock;
}

static void take_turn(struct home *home, struct seat *seat, const struct cv_home_load *load)
{
    home->clock = due(home, seat);
    seat->pass = home->clock + TURN / weight(load);
}

/* Connections of the least busy one, when all that is coming has come. */
static uint64_t busy(const struct seat *seat, const struct cv_home_load *load)
{
    return (uint64_t)load->least + seat->coming / (load->so_few ? load->so_few : 1);
}

/* Whether @a is to be asked before @b, by their sessions or those of their peers. */
static bool ahead(const struct home *home, const struct seat *a, const struct seat *b, bool peers,
                  enum cv_balance balance)
{
    const struct cv_home_load *mine = load_of(a, peers), *other = load_of(b, peers);
    uint64_t left = 0, right = 0;

    switch (balance) {
    case CV_BALANCE_ROUND_ROBIN:
        left = due(home, a);
        right = due(home, b);
        break;
    case CV_BALANCE_LEAST_CONNS:
        left = busy(a, mine);
        right = busy(b, other);
        break;
    case CV_BALANCE_NEWEST:
    case CV_BALANCE_COUNT:
        break;
    }
    return left == right ? mine->newest > other->newest : left < right;
}

static struct seat *best_of(const struct home *home, bool peers, enum cv_balance balance,
                            uint64_t but)
{
    struct seat *best = NULL;

    cv_list_each (link, &home->seats) {
        struct seat *seat = seat_of(link);

        if (!(but & bit(seat->worker)) && load_of(seat, peers)->newest &&
            (!best || ahead(home, seat, best, peers, balance)))
            best = seat;
    }
    return best;
}

int cv_homes_find(struct cv_homes *homes, const char *key, enum cv_balance balance, uint64_t but)
{
    struct home *home = find(homes, key);
    struct seat *best = home ? best_of(home, false, balance, but) : NULL;
    bool peers = home && !best;

    if (peers)
        best = best_of(home, true, balance, but);
    if (!best)
        return CV_ENOSESSION;
    if (balance != CV_BALANCE_NEWEST) {
        best->coming++;
        take_turn(home, best, load_of(best, peers));
    }
    return (int)best->worker;
}

void cv_homes_arrived(struct cv_homes *homes, const char *key, unsigned worker)
{
    struct seat *seat = find_seat(find(homes, key), worker);

    if (seat && seat->coming)
        seat->coming--;
}
