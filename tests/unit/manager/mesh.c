#include "mesh.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* The last byte of an announcement's head is its type, AddClient's 4 as a signed varint. */
#define ADD_CLIENT (2 * 4)

void mesh_init(struct mesh *mesh)
{
    static const struct cv_manager_limits limits = {
        .max_sessions = 40, .max_announced = 4, .max_announced_key = 3};

    *mesh = (struct mesh){.now = MESH_START};
    test_alloc_init(&mesh->ta);
    cv_prng_init(&mesh->prng, 1);
    mesh->random = cv_prng_random(&mesh->prng);
    cr_assert_eq(cv_manager_new(&mesh->manager, &mesh->ta.alloc, &limits), 0);
}

void mesh_deinit(struct mesh *mesh)
{
    for (size_t i = 0; i < mesh->count; i++) {
        if (mesh->ids[i])
            mesh_leave(mesh, (int)i);
        cv_session_free(mesh->sessions[i]);
    }
    cr_assert_eq(cv_manager_stats(mesh->manager)->sessions, 0);
    cr_assert_eq(cv_manager_stats(mesh->manager)->peers, 0);
    cr_assert_eq(cv_manager_stats(mesh->manager)->announced, 0);
    cv_manager_free(mesh->manager);
    cr_assert_eq(mesh->ta.live, 0);
}

int mesh_join(struct mesh *mesh, enum cv_member_kind kind, const char *key)
{
    struct cv_session_config config =
        cv_session_defaults(kind == CV_MEMBER_OUTGOING ? CV_SESSION_DIALLER : CV_SESSION_ACCEPTOR);
    size_t n = mesh->count;
    int rc;

    cr_assert_lt(n, MESH_SESSIONS);
    config.key = (int64_t)n;
    rc = cv_session_new(&mesh->sessions[n], &config, &mesh->ta.alloc, &mesh->random, mesh->now);
    if (rc < 0)
        return rc;
    mesh->count++;
    rc = cv_manager_join(mesh->manager, kind, key, mesh->sessions[n], &mesh->ids[n], mesh->now,
                         &mesh->ids[n]);
    return rc < 0 ? rc : (int)n;
}

void mesh_leave(struct mesh *mesh, int number)
{
    cr_assert_eq(cv_manager_leave(mesh->manager, mesh->ids[number]), 0);
    mesh->ids[number] = 0;
}

static int number_of(const struct mesh *mesh, const void *owner)
{
    for (size_t i = 0; i < mesh->count; i++)
        if (owner == &mesh->ids[i])
            return (int)i;
    cr_assert_fail("an owner that nobody handed in");
    return -1;
}

int mesh_route(struct mesh *mesh, const char *key, enum cv_route_from from, uint64_t not )
{
    struct cv_route route;
    const struct cv_route_wish wish = {key, "tcp", mesh->balance, from, not };
    int rc = cv_manager_route(mesh->manager, &wish, mesh->now, &route);
    int number;

    if (rc < 0)
        return rc;
    number = number_of(mesh, route.owner);
    cr_assert_eq(route.session, mesh->sessions[number]);
    cr_assert_eq(route.id, mesh->ids[number]);
    snprintf(mesh->words, sizeof(mesh->words), "%s", route.proto);
    return number;
}

const char *mesh_says(struct mesh *mesh, int number)
{
    size_t n = 0;

    mesh->words[0] = '\0';
    for (;;) {
        struct cv_slot slot;
        const char *verb = "ping";

        cv_session_next(mesh->sessions[number], SIZE_MAX, mesh->now, &slot);
        if (slot.kind == CV_SLOT_NONE)
            return mesh->words;
        if (slot.kind == CV_SLOT_FRAME)
            verb = slot.head[slot.head_len - 1] == ADD_CLIENT ? "AddClient " : "RemoveClient ";
        n += (size_t)snprintf(mesh->words + n, sizeof(mesh->words) - n, "%s%s%.*s", n ? "; " : "",
                              verb, slot.kind == CV_SLOT_FRAME ? (int)slot.body_len : 0,
                              slot.kind == CV_SLOT_FRAME ? (const char *)slot.body : "");
    }
}

const char *mesh_wakes(struct mesh *mesh)
{
    struct cv_wake wake;
    size_t n = 0;

    mesh->words[0] = '\0';
    while (cv_manager_poll(mesh->manager, &wake))
        n += (size_t)snprintf(mesh->words + n, sizeof(mesh->words) - n, "%s%d%s", n ? " " : "",
                              number_of(mesh, wake.owner), wake.error ? "!" : "");
    return mesh->words;
}
