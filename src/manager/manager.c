#include "manager/manager.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "manager/core.h"

int cv_manager_new(struct cv_manager **out, const struct cv_alloc *alloc,
                   const struct cv_manager_limits *limits)
{
    struct cv_manager *m = cv_alloc_zero(alloc, sizeof(*m));

    if (!m)
        return -ENOMEM;
    m->alloc = alloc;
    m->limits = *limits;
    m->next_id = m->id_step = 1;
    cv_list_init(&m->wakes);
    cv_list_init(&m->outgoing);
    *out = m;
    return 0;
}

void cv_manager_number(struct cv_manager *m, uint64_t first, uint64_t step)
{
    m->next_id = first;
    m->id_step = step;
}

uint64_t cv_manager_take_number(struct cv_manager *m)
{
    uint64_t id = m->next_id;

    m->next_id += m->id_step;
    return id;
}

void cv_manager_free(struct cv_manager *m)
{
    if (!m)
        return;
    cv_elsewhere_clear(m);
    cv_free(m->alloc, m);
}

struct member *cv_member_find(struct cv_manager *m, uint64_t id)
{
    struct member *member;

    HASH_FIND(hh, m->members, &id, sizeof(id), member);
    return member;
}

struct group *cv_group_find(const struct cv_manager *m, const char *key)
{
    struct group *group;

    HASH_FIND_STR(m->groups, key, group);
    return group;
}

int cv_group_get(struct cv_manager *m, const char *key, struct group **out)
{
    const struct cv_alloc *table_alloc = m->alloc;
    struct group *group = cv_group_find(m, key);

    *out = group;
    if (group)
        return 0;
    group = cv_alloc_zero(m->alloc, sizeof(*group));
    if (!group)
        return -ENOMEM;
    memcpy(group->key, key, strlen(key));
    cv_list_init(&group->members);
    cv_list_init(&group->announced);
    HASH_ADD_STR(m->groups, key, group);
    if (!cv_table_added(group)) {
        cv_free(m->alloc, group);
        return -ENOMEM;
    }
    *out = group;
    return 0;
}

void cv_group_settle(struct cv_manager *m, struct group *group)
{
    const struct cv_alloc *table_alloc = m->alloc;

    if (!cv_list_empty(&group->members) || !cv_list_empty(&group->announced))
        return;
    HASH_DEL(m->groups, group);
    cv_free(m->alloc, group);
}

void cv_member_wake(struct cv_manager *m, struct member *member, int error)
{
    if (error < 0)
        member->error = error;
    if (cv_list_empty(&member->wake))
        cv_list_push_back(&m->wakes, &member->wake);
}

int cv_manager_poll(struct cv_manager *m, struct cv_wake *wake)
{
    struct cv_list *link = cv_list_pop(&m->wakes);
    struct member *member;

    if (!link)
        return 0;
    member = cv_container_of(link, struct member, wake);
    *wake = (struct cv_wake){
        .id = member->info.id, .owner = member->info.owner, .error = member->error};
    return 1;
}

static void probe(struct cv_manager *m, enum cv_member_kind kind, struct group *group, uint64_t now)
{
    cv_list_each (link, &group->members) {
        struct member *member = cv_container_of(link, struct member, in_group);

        if (member->info.kind != kind)
            continue;
        cv_session_probe(member->info.session, now);
        cv_member_wake(m, member, 0);
    }
}

void cv_manager_probe(struct cv_manager *m, enum cv_member_kind kind, const char *key, uint64_t now)
{
    struct group *group = cv_group_find(m, key);

    if (group)
        probe(m, kind, group, now);
}

static int member_add(struct cv_manager *m, const struct cv_member_info *info, struct group *group,
                      struct member **out)
{
    const struct cv_alloc *table_alloc = m->alloc;
    struct member *member = cv_alloc_zero(m->alloc, sizeof(*member));

    if (!member)
        return -ENOMEM;
    member->info = *info;
    member->info.key = group->key;
    member->group = group;
    cv_list_init(&member->in_group);
    cv_list_init(&member->wake);
    cv_list_init(&member->outgoing);
    HASH_ADD(hh, m->members, info.id, sizeof(info->id), member);
    if (!cv_table_added(member)) {
        cv_free(m->alloc, member);
        return -ENOMEM;
    }
    *out = member;
    return 0;
}

int cv_manager_join(struct cv_manager *m, enum cv_member_kind kind, const char *key,
                    struct cv_session *session, void *owner, uint64_t now, uint64_t *id)
{
    struct cv_member_info info = {
        .id = m->next_id, .kind = kind, .session = session, .owner = owner, .joined_at = now};
    struct member *member;
    struct group *group;
    int rc;

    if (!cv_key_valid(key, strlen(key)))
        return CV_EBADKEY;
    if (m->stats.sessions >= m->limits.max_sessions)
        return CV_EFULL;
    rc = cv_group_get(m, key, &group);
    if (rc < 0)
        return rc;
    rc = member_add(m, &info, group, &member);
    if (rc < 0) {
        cv_group_settle(m, group);
        return rc;
    }
    *id = cv_manager_take_number(m);
    m->stats.joined++;
    m->stats.sessions++;
    m->stats.peers += kind != CV_MEMBER_AGENT;
    if (kind != CV_MEMBER_OUTGOING)
        probe(m, kind, group, now); /* the older ones: it has often lost them */
    if (kind == CV_MEMBER_AGENT)
        cv_announce_to_all(m, true, member);
    if (kind == CV_MEMBER_OUTGOING) {
        cv_list_push_back(&m->outgoing, &member->outgoing);
        cv_announce_everyone(m, member);
    }
    cv_list_push_front(&group->members, &member->in_group);
    return 0;
}

int cv_manager_leave(struct cv_manager *m, uint64_t id)
{
    const struct cv_alloc *table_alloc = m->alloc;
    struct member *member = cv_member_find(m, id);
    struct group *group;

    if (!member)
        return CV_ESTALE;
    group = member->group;
    m->stats.left++;
    m->stats.sessions--;
    m->stats.peers -= member->info.kind != CV_MEMBER_AGENT;
    cv_list_remove(&member->wake);
    cv_list_remove(&member->outgoing);
    if (member->info.kind == CV_MEMBER_AGENT && !member->withdrawn)
        cv_announce_to_all(m, false, member);
    cv_announced_clear(m, member); /* while the member still keeps its own group */
    cv_list_remove(&member->in_group);
    HASH_DEL(m->members, member);
    cv_free(m->alloc, member);
    cv_group_settle(m, group);
    return 0;
}

int cv_manager_withdraw(struct cv_manager *m, uint64_t id)
{
    struct member *member = cv_member_find(m, id);

    if (!member)
        return CV_ESTALE;
    if (member->info.kind == CV_MEMBER_AGENT && !member->withdrawn)
        cv_announce_to_all(m, false, member);
    member->withdrawn = true;
    return 0;
}

const struct cv_manager_stats *cv_manager_stats(const struct cv_manager *m)
{
    return &m->stats;
}

void cv_manager_each(struct cv_manager *m,
                     void (*each)(void *ctx, const struct cv_member_info *info), void *ctx)
{
    struct member *member, *next;

    HASH_ITER (hh, m->members, member, next)
        each(ctx, &member->info);
}
