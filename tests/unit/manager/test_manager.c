/* Joining, leaving, and the memory for both. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "mesh.h"

static struct mesh mesh;

static void set_up(void)
{
    mesh_init(&mesh);
}

static void tear_down(void)
{
    mesh_deinit(&mesh);
}

TestSuite(manager, .init = set_up, .fini = tear_down);

Test(manager, keys_are_validated_at_the_door)
{
    static const char *const odd[] = {"", "evil/x", "a::b", "a b", "a\n", "\xc3\xa9", "a*"};
    char key[CV_KEY_MAX + 2];

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        cr_expect_eq(mesh_join(&mesh, CV_MEMBER_AGENT, odd[i]), CV_EBADKEY, "%s", odd[i]);
    memset(key, 'k', sizeof(key));
    key[CV_KEY_MAX + 1] = '\0';
    cr_assert_eq(mesh_join(&mesh, CV_MEMBER_AGENT, key), CV_EBADKEY);
    key[CV_KEY_MAX] = '\0';
    cr_assert_geq(mesh_join(&mesh, CV_MEMBER_AGENT, key), 0);
    cr_assert_geq(mesh_join(&mesh, CV_MEMBER_AGENT, "Az09._@=+-"), 0);
    cr_assert_eq(cv_manager_stats(mesh.manager)->sessions, 2);
}

Test(manager, an_id_is_never_used_twice)
{
    uint64_t last = 0;

    for (int i = 0; i < 20; i++) {
        int n = mesh_join(&mesh, CV_MEMBER_AGENT, "a");

        cr_assert_gt(mesh.ids[n], last);
        last = mesh.ids[n];
        mesh_leave(&mesh, n);
    }
    cr_assert_eq(cv_manager_leave(mesh.manager, last), CV_ESTALE);
    cr_assert_eq(cv_manager_leave(mesh.manager, 0), CV_ESTALE);
    cr_assert_eq(cv_manager_stats(mesh.manager)->joined, 20);
    cr_assert_eq(cv_manager_stats(mesh.manager)->left, 20);
}

Test(manager, sessions_are_limited)
{
    for (int i = 0; i < 40; i++)
        cr_assert_eq(mesh_join(&mesh, CV_MEMBER_AGENT, i % 2 ? "a" : "b"), i);
    cr_assert_eq(mesh_join(&mesh, CV_MEMBER_AGENT, "c"), CV_EFULL);
    mesh_leave(&mesh, 7);
    cr_assert_geq(mesh_join(&mesh, CV_MEMBER_AGENT, "c"), 0);
}

Test(manager, reconnect_takes_over_the_older_sessions_of_the_key_are_probed)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "b");
    cr_assert_str_eq(mesh_wakes(&mesh), "");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_str_eq(mesh_wakes(&mesh), "0");
    cr_assert_str_eq(mesh_says(&mesh, 0), "ping");
    cr_assert(cv_session_probing(mesh.sessions[0]));
    cr_assert_not(cv_session_probing(mesh.sessions[1]));
    cr_assert_not(cv_session_probing(mesh.sessions[2]));
}

Test(manager, a_peer_that_comes_back_has_its_older_sessions_probed)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    mesh_join(&mesh, CV_MEMBER_PEER, "q");
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    cr_assert_str_eq(mesh_wakes(&mesh), "0");
    cr_assert_str_eq(mesh_says(&mesh, 0), "ping");
    cr_assert(cv_session_probing(mesh.sessions[0]));
    cr_assert_not(cv_session_probing(mesh.sessions[1]));
    cr_assert_not(cv_session_probing(mesh.sessions[2]));
}

Test(manager, agents_and_peers_of_one_name_do_not_take_over_from_each_other)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "a");
    cr_assert_str_eq(mesh_wakes(&mesh), "2", "it hears of the agent");
    cr_assert_not(cv_session_probing(mesh.sessions[0]));
    cr_assert_not(cv_session_probing(mesh.sessions[1]));
    mesh_join(&mesh, CV_MEMBER_PEER, "a");
    cr_assert_str_eq(mesh_wakes(&mesh), "0");
    cr_assert_not(cv_session_probing(mesh.sessions[1]));
    cr_assert_not(cv_session_probing(mesh.sessions[2]));
}

Test(manager, one_wake_a_session_and_none_after_it_left)
{
    for (int i = 0; i < 4; i++)
        mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_leave(&mesh, 1);
    cr_assert_str_eq(mesh_wakes(&mesh), "0 2");
    cr_assert_str_eq(mesh_wakes(&mesh), "");
}

static void collect(void *ctx, const struct cv_member_info *info)
{
    strcat(ctx, info->key);
    strcat(ctx, info->kind == CV_MEMBER_AGENT ? " " : "! ");
}

Test(manager, each_member_is_shown_in_order_of_joining)
{
    char keys[100] = "";

    mesh_join(&mesh, CV_MEMBER_AGENT, "c");
    mesh_join(&mesh, CV_MEMBER_PEER, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "b");
    mesh_join(&mesh, CV_MEMBER_AGENT, "c");
    cv_manager_each(mesh.manager, collect, keys);
    cr_assert_str_eq(keys, "c a! b c ");
}

/* A small mesh comes and goes; what fails, fails for memory. */
static void scenario(void)
{
    static const struct {
        enum cv_member_kind kind;
        const char *key;
    } who[] = {{CV_MEMBER_AGENT, "a"}, {CV_MEMBER_OUTGOING, "p"}, {CV_MEMBER_PEER, "q"},
               {CV_MEMBER_AGENT, "a"}, {CV_MEMBER_AGENT, "b"},    {CV_MEMBER_OUTGOING, "r"}};

    for (size_t i = 0; i < sizeof(who) / sizeof(who[0]); i++) {
        int n = mesh_join(&mesh, who[i].kind, who[i].key);

        cr_assert(n >= 0 || n == -ENOMEM, "%d", n);
        if (n < 0 || who[i].kind != CV_MEMBER_PEER)
            continue;
        for (int64_t key = 0; key < 3; key++) {
            int rc = cv_manager_announced(mesh.manager, mesh.ids[n], true, "far", 3, key);

            cr_assert(rc == 0 || rc == -ENOMEM, "%d", rc);
        }
    }
    mesh_wakes(&mesh);
    for (size_t i = 0; i < mesh.count; i += 2)
        if (mesh.ids[i])
            mesh_leave(&mesh, (int)i);
}

Test(manager, each_allocation_may_fail_and_nothing_leaks)
{
    size_t calls;

    scenario();
    calls = mesh.ta.calls;
    cr_assert_gt(calls, 20);
    for (size_t n = 2; n <= calls; n++) { /* the first is the manager's own */
        mesh_deinit(&mesh);
        mesh_init(&mesh);
        mesh.ta.fail_at = n;
        scenario();
        cr_assert_leq(cv_manager_stats(mesh.manager)->sessions, 6);
    }
}

Test(manager, without_memory_there_is_none)
{
    static const struct cv_manager_limits limits = {.max_sessions = 1};
    struct cv_manager *manager;
    struct test_alloc ta;

    test_alloc_init(&ta);
    ta.fail_at = 1;
    cr_assert_eq(cv_manager_new(&manager, &ta.alloc, &limits), -ENOMEM);
    cv_manager_free(NULL);
}
