#include "manager/homes.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/table.h"

struct home {
    char key[CV_KEY_MAX + 1];
    UT_hash_handle hh;
    uint64_t newest[]; /* by worker; 0: none */
};

struct cv_homes {
    const struct cv_alloc *alloc;
    unsigned workers;
    struct home *table; /* those with a session somewhere */
    uint64_t peers;     /* a bit for each worker that has some */
};

static uint64_t bit(unsigned worker)
{
    return UINT64_C(1) << worker;
}

int cv_homes_new(struct cv_homes **out, const struct cv_alloc *alloc, unsigned workers)
{
    struct cv_homes *homes = cv_alloc_zero(alloc, sizeof(*homes));

    if (!homes)
        return -ENOMEM;
    homes->alloc = alloc;
    homes->workers = workers;
    *out = homes;
    return 0;
}

void cv_homes_free(struct cv_homes *homes)
{
    const struct cv_alloc *table_alloc;
    struct home *home, *next;

    if (!homes)
        return;
    table_alloc = homes->alloc;
    HASH_ITER (hh, homes->table, home, next) {
        HASH_DEL(homes->table, home);
        cv_free(table_alloc, home);
    }
    cv_free(table_alloc, homes);
}

static struct home *find(const struct cv_homes *homes, const char *key)
{
    struct home *home;

    HASH_FIND_STR(homes->table, key, home);
    return home;
}

static struct home *add(struct cv_homes *homes, const char *key)
{
    const struct cv_alloc *table_alloc = homes->alloc;
    struct home *home =
        cv_alloc_zero(homes->alloc, sizeof(*home) + homes->workers * sizeof(home->newest[0]));

    if (!home)
        return NULL;
    memcpy(home->key, key, strlen(key));
    HASH_ADD_STR(homes->table, key, home);
    if (!cv_table_added(home)) {
        cv_free(homes->alloc, home);
        return NULL;
    }
    return home;
}

static uint64_t everywhere(const struct cv_homes *homes, const struct home *home)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < homes->workers; i++)
        if (home->newest[i])
            bits |= bit(i);
    return bits;
}

int cv_homes_put(struct cv_homes *homes, const char *key, unsigned worker, uint64_t newest,
                 uint64_t *others)
{
    const struct cv_alloc *table_alloc = homes->alloc;
    struct home *home = find(homes, key);

    *others = 0;
    if (!home && newest == 0)
        return 0;
    if (!home)
        home = add(homes, key);
    if (!home)
        return -ENOMEM;
    home->newest[worker] = newest;
    *others = everywhere(homes, home) & ~bit(worker);
    if (newest == 0 && *others == 0) {
        HASH_DEL(homes->table, home);
        cv_free(homes->alloc, home);
    }
    return 0;
}

void cv_homes_put_peers(struct cv_homes *homes, unsigned worker, bool any)
{
    homes->peers = any ? homes->peers | bit(worker) : homes->peers & ~bit(worker);
}

int cv_homes_find(const struct cv_homes *homes, const char *key, uint64_t but)
{
    const struct home *home = find(homes, key);
    uint64_t newest = 0;
    int best = CV_ENOSESSION;

    for (unsigned i = 0; home && i < homes->workers; i++) {
        if (!(but & bit(i)) && home->newest[i] > newest) {
            newest = home->newest[i];
            best = (int)i;
        }
    }
    for (unsigned i = 0; best < 0 && i < homes->workers; i++)
        if (homes->peers & ~but & bit(i))
            best = (int)i;
    return best;
}
