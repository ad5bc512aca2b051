#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "manager/core.h"

/* Ours, to the peers. */

static void say(struct cv_manager *m, struct member *outgoing, bool add, const char *key,
                int64_t session_key)
{
    int rc = cv_session_announce(outgoing->info.session, add, key, session_key);

    cv_member_wake(m, outgoing, rc);
}

static void say_to_all(struct cv_manager *m, bool add, const char *key, int64_t session_key)
{
    cv_list_each (link, &m->outgoing)
        say(m, cv_container_of(link, struct member, outgoing), add, key, session_key);
}

void cv_announce_to_all(struct cv_manager *m, bool add, const struct member *member)
{
    say_to_all(m, add, member->info.key, cv_session_config(member->info.session)->key);
}

void cv_announce_everyone(struct cv_manager *m, struct member *outgoing)
{
    struct member *member, *next;
    struct elsewhere *other, *next_other;

    HASH_ITER (hh, m->members, member, next) {
        if (member->info.kind == CV_MEMBER_AGENT && !member->withdrawn)
            say(m, outgoing, true, member->info.key, cv_session_config(member->info.session)->key);
    }
    HASH_ITER (hh, m->elsewhere, other, next_other)
        say(m, outgoing, true, other->id.key, other->id.session_key);
}

/* Those of other managers. */

static void elsewhere_forget(struct cv_manager *m, struct elsewhere *other)
{
    const struct cv_alloc *table_alloc = m->alloc;

    HASH_DEL(m->elsewhere, other);
    cv_free(m->alloc, other);
}

void cv_elsewhere_clear(struct cv_manager *m)
{
    struct elsewhere *other, *next;

    HASH_ITER (hh, m->elsewhere, other, next)
        elsewhere_forget(m, other);
}

static int elsewhere_add(struct cv_manager *m, const struct announced_id *id)
{
    const struct cv_alloc *table_alloc = m->alloc;
    struct elsewhere *other = cv_alloc_zero(m->alloc, sizeof(*other));

    if (!other)
        return -ENOMEM;
    other->id = *id;
    HASH_ADD(hh, m->elsewhere, id, sizeof(other->id), other);
    if (cv_table_added(other))
        return 0;
    cv_free(m->alloc, other);
    return -ENOMEM;
}

static void make_id(struct announced_id *id, const char *key, size_t len, int64_t session_key)
{
    memset(id, 0, sizeof(*id));
    memcpy(id->key, key, len);
    id->session_key = session_key;
}

int cv_manager_elsewhere(struct cv_manager *m, bool add, const char *key, int64_t session_key)
{
    struct announced_id id;
    struct elsewhere *other;

    if (!cv_key_valid(key, strlen(key)))
        return CV_EBADKEY;
    make_id(&id, key, strlen(key), session_key);
    HASH_FIND(hh, m->elsewhere, &id, sizeof(id), other);
    if (add == (other != NULL))
        return 0;
    if (add) {
        int rc = elsewhere_add(m, &id);

        if (rc < 0)
            return rc;
    } else {
        elsewhere_forget(m, other);
    }
    say_to_all(m, add, key, session_key);
    return 0;
}

/* Theirs. */

/* Its group is to be settled. */
static void drop(struct cv_manager *m, struct announced *a)
{
    const struct cv_alloc *table_alloc = m->alloc;

    HASH_DEL(a->peer->announced, a);
    cv_list_remove(&a->in_group);
    cv_free(m->alloc, a);
    m->stats.announced--;
}

static void forget(struct cv_manager *m, struct announced *a)
{
    struct group *group = a->group;

    drop(m, a);
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

int cv_manager_take_back(struct cv_manager *m, uint64_t id, char key[CV_KEY_MAX + 1])
{
    const struct member *peer = cv_member_find(m, id);
    struct group *group;

    if (!peer || !peer->announced)
        return 0;
    group = peer->announced->group;
    memcpy(key, group->key, sizeof(group->key));
    cv_list_each_safe (link, &group->announced) {
        struct announced *a = cv_container_of(link, struct announced, in_group);

        if (a->peer == peer)
            drop(m, a);
    }
    cv_group_settle(m, group);
    return 1;
}

/* Whether the peer has announced as many sessions of the key as count. */
static bool has_enough(const struct cv_manager *m, const struct member *peer, const char *key)
{
    const struct group *group = cv_group_find(m, key);
    uint32_t count = 0;

    if (!group)
        return false;
    cv_list_each (link, &group->announced)
        count += cv_container_of(link, struct announced, in_group)->peer == peer;
    return count >= m->limits.max_announced_key;
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
    make_id(&what, key, key_len, session_key);
    HASH_FIND(hh, peer->announced, &what, sizeof(what), a);
    if (a && !add)
        forget(m, a);
    if (a || !add)
        return 0;
    if (HASH_COUNT(peer->announced) >= m->limits.max_announced || has_enough(m, peer, what.key)) {
        m->stats.announces_ignored++;
        return CV_EFULL;
    }
    return remember(m, peer, &what);
}

uint32_t cv_manager_announces(struct cv_manager *m, uint64_t id)
{
    const struct member *peer = cv_member_find(m, id);

    return peer ? HASH_COUNT(peer->announced) : 0;
}
