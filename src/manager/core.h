#ifndef CV_MANAGER_CORE_H
#define CV_MANAGER_CORE_H

/* What the files of this layer share; nobody else includes it. */

#include "base/list.h"
#include "base/table.h"
#include "manager/manager.h"

/* Everything under one client key; it lives as long as one of its lists has an entry. */
struct group {
    char key[CV_KEY_MAX + 1];
    UT_hash_handle hh;
    struct cv_list members;   /* that joined under the key, newest first */
    struct cv_list announced; /* by peers, newest first */
};

struct member {
    struct cv_member_info info; /* its key is the group's */
    UT_hash_handle hh;          /* by id */
    struct group *group;
    struct cv_list in_group;
    struct cv_list wake;     /* in the manager's, when it is to be woken */
    struct cv_list outgoing; /* in the manager's, when we announce on it */
    int error;
    uint64_t turn;               /* by cv_manager::turns, when a dial took it last; 0: never */
    bool withdrawn;              /* peers were told that it is gone */
    struct announced *announced; /* by what; of a PEER only */
};

/* One session somewhere else, as a peer announced it. */
struct announced_id {
    char key[CV_KEY_MAX + 1]; /* padded with zeros: it is hashed whole */
    int64_t session_key;
};

struct announced {
    struct announced_id id;
    UT_hash_handle hh; /* in its member */
    struct member *peer;
    struct group *group;
    struct cv_list in_group;
    uint64_t turn; /* as a member's */
};

/* A session that another manager of this process has. */
struct elsewhere {
    struct announced_id id;
    UT_hash_handle hh;
};

struct cv_manager {
    const struct cv_alloc *alloc;
    struct cv_manager_limits limits;
    struct cv_manager_stats stats;
    struct group *groups;        /* by key */
    struct member *members;      /* by id, in order of joining */
    struct elsewhere *elsewhere; /* by id */
    struct cv_list wakes, outgoing;
    uint64_t next_id, id_step;
    uint64_t turns; /* dials that took one, see cv_manager_take_turn() */
};

/* manager.c */
struct member *cv_member_find(struct cv_manager *m, uint64_t id);
struct group *cv_group_find(const struct cv_manager *m, const char *key);
/* The same, made when it is not there. Returns 0 or -ENOMEM. */
int cv_group_get(struct cv_manager *m, const char *key, struct group **out) CV_MUST_USE;

/* Lets a group go when nothing is left in it. */
void cv_group_settle(struct cv_manager *m, struct group *group);
void cv_member_wake(struct cv_manager *m, struct member *member, int error);

/* announce.c */
void cv_announce_to_all(struct cv_manager *m, bool add, const struct member *member);
void cv_announce_everyone(struct cv_manager *m, struct member *outgoing);
void cv_elsewhere_clear(struct cv_manager *m);
void cv_announced_clear(struct cv_manager *m, struct member *peer);

#endif
