#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "manager/core.h"

/* Ours, to the peers. */

static void announce(struct cv_manager *m, struct member *outgoing, bool add,
                     const struct member *member)
{
    int64_t session_key = cv_session_config(member->info.session)->key;
    int rc = cv_session_announce(outgoing->info.session, add, member->info.key, session_key);

    cv_member_wake(m, outgoing, rc);
}

void cv_announce_to_all(struct cv_manager *m, bool add, const struct member *member)
{
    cv_list_each (link, &m->outgoing)
        announce(m, cv_container_of(link, struct member, outgoing), add, member);
}

void cv_announce_everyone(struct cv_manager *m, struct member *outgoing)
{
    struct member *member, *next;

    HASH_ITER (hh, m->members, member, next) {
        if (member->info.kind == CV_MEMBER_AGENT)
            announce(m, outgoing, true, member);
    }
}

/* Theirs. */

static void forget(struct cv_manager *m, struct announced *a)
{
    const struct cv_alloc *table_alloc = m->alloc;
    struct group *group = a->group;

    HASH_DEL(a->peer->announced, a);
    cv_list_remove(&a->in_group);
    cv_free(m->alloc, a);
    m->stats.announced--;
    cv_group_settle(m, group);
}

static int remember(struct cv_manager *m, struct member *peer, const struct announced_id *id)
{
    const struct cv_alloc *table_alloc = m->alloc;
    struct announced *a = cv_alloc_zero(m->alloc, sizeof(*a));
    int rc;

    if (!a)
        return -ENOMEM;
    rc = cv_group_get(m, id->key, &a->group);
    if (rc < 0) {
        cv_free(m->alloc, a);
        return rc;
    }
    a->id = *id;
    a->peer = peer;
    HASH_ADD(hh, peer->announced, id, sizeof(a->id), a);
    if (!cv_table_added(a)) {
        struct group *group = a->group;

        cv_free(m->alloc, a);
        cv_group_settle(m, group);
        return -ENOMEM;
    }
    cv_list_push_front(&a->group->announced, &a->in_group);
    m->stats.announced++;
    return 0;
}

void cv_announced_clear(struct cv_manager *m, struct member *peer)
{
    struct announced *a, *next;

    HASH_ITER (hh, peer->announced, a, next)
        forget(m, a);
}

int cv_manager_announced(struct cv_manager *m, uint64_t id, bool add, const char *key,
                         size_t key_len, int64_t session_key)
{
    struct member *peer = cv_member_find(m, id);
    struct announced_id what;
    struct announced *a;

    if (!peer)
        return CV_ESTALE;
    if (peer->info.kind != CV_MEMBER_PEER || !cv_key_valid(key, key_len)) {
        m->stats.announces_ignored++;
        return CV_EDENIED;
    }
    memset(&what, 0, sizeof(what));
    memcpy(what.key, key, key_len);
    what.session_key = session_key;
    HASH_FIND(hh, peer->announced, &what, sizeof(what), a);
    if (a && !add)
        forget(m, a);
    if (a || !add)
        return 0;
    if (HASH_COUNT(peer->announced) >= m->limits.max_announced) {
        m->stats.announces_ignored++;
        return CV_EFULL;
    }
    return remember(m, peer, &what);
}
