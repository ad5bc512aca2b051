#ifndef TESTS_UNIT_MANAGER_MESH_H
#define TESTS_UNIT_MANAGER_MESH_H

#include "base/random.h"
#include "manager/manager.h"
#include "support/test_alloc.h"

/* A manager and sessions for it, without links: what a session would say is asked for with
 * mesh_says(). */

#define MESH_START    (1000 * CV_SEC)
#define MESH_SESSIONS 64

struct mesh {
    struct test_alloc ta;
    struct cv_prng prng;
    struct cv_random random;
    struct cv_manager *manager;
    struct cv_session *sessions[MESH_SESSIONS];
    uint64_t ids[MESH_SESSIONS]; /* 0: is not a member */
    size_t count;
    uint64_t now;
    enum cv_balance balance; /* of its routes */
    char words[4096];
};

/* Limits of 40 sessions and 4 announcements a peer, 3 of one key. */
void mesh_init(struct mesh *mesh);

/* Everybody leaves; checks that nothing is left. */
void mesh_deinit(struct mesh *mesh);

/* A session of @kind joins; returns its number, or the error. The owner is a pointer to its place
 * in `ids`. */
int mesh_join(struct mesh *mesh, enum cv_member_kind kind, const char *key);
void mesh_leave(struct mesh *mesh, int number);

/* A route's session by number, or the error; what Connect would say goes to `words`. */
int mesh_route(struct mesh *mesh, const char *key, enum cv_route_from from, uint64_t not );

/* The session says what is queued, as in `AddClient a/1; ping`. */
const char *mesh_says(struct mesh *mesh, int number);

/* The numbers of the sessions that are to be woken, as in `0 2`; a failed one has a `!`. */
const char *mesh_wakes(struct mesh *mesh);

#endif
