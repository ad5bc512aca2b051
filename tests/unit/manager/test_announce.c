#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
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

TestSuite(announce, .init = set_up, .fini = tear_down);

static int announced(int number, bool add, const char *key, int64_t session_key)
{
    return cv_manager_announced(mesh.manager, mesh.ids[number], add, key, strlen(key), session_key);
}

Test(announce, a_peer_that_we_dialled_hears_of_everyone_who_is_there)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "b");
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    cr_assert_str_eq(mesh_wakes(&mesh), "3");
    cr_assert_str_eq(mesh_says(&mesh, 3), "AddClient a/0; AddClient b/1");
}

Test(announce, a_new_peer_is_woken_once_for_ten_thousand_clients)
{
    struct cv_slot slot;
    char key[32];
    int said = 0;

    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof(key), "client-%d", i);
        cr_assert_eq(cv_manager_elsewhere(mesh.manager, true, key, i), 0);
    }
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "p");
    cr_assert_str_eq(mesh_wakes(&mesh), "0");
    for (; cv_session_pending(mesh.sessions[0]); said++)
        cv_session_next(mesh.sessions[0], SIZE_MAX, mesh.now, &slot);
    cr_assert_eq(said, 10000);
}

Test(announce, every_peer_that_we_dialled_hears_who_comes_and_goes)
{
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "p");
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_str_eq(mesh_wakes(&mesh), "0 1");
    mesh_leave(&mesh, 2);
    cr_assert_str_eq(mesh_wakes(&mesh), "0 1");
    for (int peer = 0; peer < 2; peer++)
        cr_assert_str_eq(mesh_says(&mesh, peer), "AddClient a/2; RemoveClient a/2");
}

Test(announce, who_is_withdrawn_is_gone_for_peers_and_still_found_here)
{
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "p");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_eq(cv_manager_withdraw(mesh.manager, mesh.ids[1]), 0);
    cr_assert_eq(cv_manager_withdraw(mesh.manager, mesh.ids[1]), 0);
    cr_assert_str_eq(mesh_says(&mesh, 0), "AddClient a/1; RemoveClient a/1");
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "late");
    cr_assert_str_eq(mesh_says(&mesh, 2), "");
    cr_assert_eq(mesh_route(&mesh, "a", CV_ROUTE_PEER, 0), 1);
    mesh_leave(&mesh, 1);
    cr_assert_str_eq(mesh_says(&mesh, 0), "");
    cr_assert_eq(cv_manager_withdraw(mesh.manager, 99), CV_ESTALE);
}

Test(announce, agents_and_peers_that_dialled_us_hear_nothing)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    mesh_join(&mesh, CV_MEMBER_AGENT, "b");
    cr_assert_str_eq(mesh_says(&mesh, 0), "");
    cr_assert_str_eq(mesh_says(&mesh, 1), "");
}

Test(announce, a_peer_is_not_announced_and_what_it_announced_is_not_passed_on)
{
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    cr_assert_eq(announced(1, true, "far", 1), 0);
    cr_assert_str_eq(mesh_says(&mesh, 0), "");
}

Test(announce, announcements_only_from_authenticated_peers)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    cr_assert_eq(announced(0, true, "victim", 1), CV_EDENIED);
    cr_assert_eq(announced(1, true, "victim", 1), CV_EDENIED);
    cr_assert_eq(cv_manager_stats(mesh.manager)->announces_ignored, 2);
    cr_assert_eq(mesh_route(&mesh, "victim", CV_ROUTE_VISITOR, 0), CV_ENOSESSION);
    cr_assert_eq(cv_manager_announced(mesh.manager, 99, true, "victim", 6, 1), CV_ESTALE);
}

Test(announce, announcements_are_capped)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    for (int64_t key = 0; key < 4; key++)
        cr_assert_eq(announced(0, true, key % 2 ? "far" : "near", key), 0);
    cr_assert_eq(announced(0, true, "other", 1), CV_EFULL);
    cr_assert_eq(cv_manager_stats(mesh.manager)->announces_ignored, 1);
    cr_assert_eq(announced(0, true, "far", 3), 0); /* said before: it costs nothing */
    cr_assert_eq(announced(0, false, "far", 3), 0);
    cr_assert_eq(announced(0, true, "other", 1), 0);
    cr_assert_eq(cv_manager_stats(mesh.manager)->announced, 4);
}

Test(announce, of_one_key_fewer_count)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    mesh_join(&mesh, CV_MEMBER_PEER, "q");
    for (int64_t key = 0; key < 3; key++)
        cr_assert_eq(announced(0, true, "far", key), 0);
    cr_assert_eq(announced(0, true, "far", 3), CV_EFULL);
    cr_assert_eq(announced(1, true, "far", 3), 0, "another peer's");
    cr_assert_eq(announced(0, true, "other", 1), 0);
    cr_assert_eq(announced(0, false, "far", 0), 0);
    cr_assert_eq(announced(0, true, "far", 3), 0);
    cr_assert_eq(cv_manager_stats(mesh.manager)->announces_ignored, 1);
}

Test(announce, an_impossible_key_is_ignored_and_counted)
{
    char key[CV_KEY_MAX + 2];

    memset(key, 'k', sizeof(key));
    key[CV_KEY_MAX + 1] = '\0';
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    cr_assert_eq(announced(0, true, "evil/x", 1), CV_EDENIED);
    cr_assert_eq(announced(0, true, key, 1), CV_EDENIED);
    cr_assert_eq(cv_manager_stats(mesh.manager)->announces_ignored, 2);
    cr_assert_eq(announced(0, true, key + 1, 1), 0);
}

Test(announce, a_client_is_gone_with_its_last_announcement)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    cr_assert_eq(announced(0, true, "far", 1), 0);
    cr_assert_eq(announced(0, true, "far", 2), 0);
    cr_assert_eq(announced(0, false, "far", 1), 0);
    cr_assert_eq(announced(0, false, "far", 9), 0); /* nobody said that */
    cr_assert_eq(mesh_route(&mesh, "far", CV_ROUTE_VISITOR, 0), 0);
    cr_assert_eq(announced(0, false, "far", 2), 0);
    cr_assert_eq(mesh_route(&mesh, "far", CV_ROUTE_VISITOR, 0), CV_ENOSESSION);
}

Test(announce, what_a_peer_announced_goes_with_it)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    mesh_join(&mesh, CV_MEMBER_PEER, "q");
    cr_assert_eq(announced(0, true, "far", 1), 0);
    cr_assert_eq(announced(0, true, "p", 1), 0); /* its own key too, as the reference does */
    cr_assert_eq(announced(1, true, "far", 1), 0);
    mesh_leave(&mesh, 0);
    cr_assert_eq(cv_manager_stats(mesh.manager)->announced, 1);
    cr_assert_eq(mesh_route(&mesh, "far", CV_ROUTE_VISITOR, 0), 1);
}

Test(announce, a_peer_that_missed_one_is_to_be_closed)
{
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "p");
    cv_session_cut(mesh.sessions[0]);
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_str_eq(mesh_wakes(&mesh), "0!");
}

Test(announce, sessions_of_another_manager_are_announced_like_our_own)
{
    cr_assert_eq(cv_manager_elsewhere(mesh.manager, true, "early", 7), 0);
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    cr_assert_eq(cv_manager_elsewhere(mesh.manager, true, "late", 8), 0);
    cr_assert_eq(cv_manager_elsewhere(mesh.manager, true, "late", 8), 0, "said once");
    cr_assert_eq(cv_manager_elsewhere(mesh.manager, false, "early", 7), 0);
    cr_assert_eq(cv_manager_elsewhere(mesh.manager, false, "early", 7), 0, "taken back once");
    cr_assert_str_eq(mesh_wakes(&mesh), "0");
    cr_assert_str_eq(mesh_says(&mesh, 0),
                     "AddClient early/7; AddClient late/8; RemoveClient early/7");
    cr_assert_eq(mesh_route(&mesh, "late", CV_ROUTE_VISITOR, 0), CV_ENOSESSION);
    cr_assert_eq(cv_manager_elsewhere(mesh.manager, true, "a/b", 1), CV_EBADKEY);
}

Test(announce, without_memory_for_another_managers_session_nothing_changes)
{
    for (uint64_t n = 1;; n++) {
        int rc;

        mesh.ta.fail_at = mesh.ta.calls + n;
        rc = cv_manager_elsewhere(mesh.manager, true, "a", 1);
        mesh.ta.fail_at = 0;
        if (rc == 0)
            break;
        cr_assert_eq(rc, -ENOMEM);
        mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
        cr_assert_str_eq(mesh_says(&mesh, (int)mesh.count - 1), "");
        mesh_leave(&mesh, (int)mesh.count - 1);
    }
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    cr_assert_str_eq(mesh_says(&mesh, (int)mesh.count - 1), "AddClient a/1");
}
