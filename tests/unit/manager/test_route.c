#include <criterion/criterion.h>
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

TestSuite(route, .init = set_up, .fini = tear_down);

static int visit(const char *key, uint64_t not )
{
    return mesh_route(&mesh, key, CV_ROUTE_VISITOR, not );
}

static void peer_with(const char *peer, const char *key)
{
    int n = mesh_join(&mesh, CV_MEMBER_PEER, peer);

    cr_assert_eq(cv_manager_announced(mesh.manager, mesh.ids[n], true, key, strlen(key), 1), 0);
}

Test(route, a_dial_to_nobody_is_refused)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_eq(visit("b", 0), CV_ENOSESSION);
    cr_assert_eq(visit("", 0), CV_ENOSESSION);
    cr_assert_eq(visit("a", 0), 0);
    cr_assert_str_eq(mesh.words, "tcp");
}

Test(route, reconnect_takes_over_the_newest_session_is_preferred_at_once)
{
    for (int i = 0; i < 3; i++) {
        mesh_join(&mesh, CV_MEMBER_AGENT, "a");
        cr_assert_eq(visit("a", 0), i);
    }
    mesh_leave(&mesh, 2);
    cv_session_heard(mesh.sessions[0], mesh.now);
    cv_session_heard(mesh.sessions[1], mesh.now);
    cr_assert_eq(visit("a", 0), 1);
}

Test(route, a_healthy_session_goes_before_a_newer_silent_one)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh.now += CV_HEALTHY_FOR + 1;
    cv_session_heard(mesh.sessions[0], mesh.now);
    cr_assert_eq(visit("a", 0), 0);
    cv_session_heard(mesh.sessions[1], mesh.now);
    cr_assert_eq(visit("a", 0), 1);
}

Test(route, eight_seconds_of_silence_are_still_healthy_and_no_more)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cv_session_heard(mesh.sessions[0], mesh.now + 1);
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cv_session_heard(mesh.sessions[0], mesh.now + 1);
    mesh.now += CV_HEALTHY_FOR;
    cr_assert_eq(visit("a", 0), 1);
    mesh.now++;
    cr_assert_eq(visit("a", 0), 0);
}

Test(route, a_probed_session_is_silent_until_it_answers)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh.now += CV_HEALTHY_FOR + 1; /* both silent: the newest */
    cr_assert_eq(visit("a", 0), 1);
    cv_session_heard(mesh.sessions[0], mesh.now);
    cr_assert_eq(visit("a", 0), 0);
}

Test(route, a_silent_session_is_better_than_none)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh.now += 50 * CV_SEC;
    cr_assert_eq(visit("a", 0), 0);
}

Test(route, a_session_that_is_about_to_go_is_left_out)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cv_session_heard(mesh.sessions[0], mesh.now);
    cv_session_stop(mesh.sessions[1]);
    cr_assert_eq(visit("a", 0), 0);
    peer_with("p", "far");
    cr_assert_eq(visit("far", 0), 2);
    cv_session_stop(mesh.sessions[2]);
    cr_assert_eq(visit("far", 0), CV_ENOSESSION);
}

Test(route, dials_fail_over)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    peer_with("p", "a");
    cr_assert_eq(visit("a", 0), 1);
    cr_assert_eq(visit("a", mesh.ids[1]), 2, "the older one is under question");
    cv_session_heard(mesh.sessions[0], mesh.now);
    cr_assert_eq(visit("a", mesh.ids[1]), 0);
    mesh_leave(&mesh, 0);
    cr_assert_eq(visit("a", mesh.ids[1]), 2);
    mesh_leave(&mesh, 2);
    cr_assert_eq(visit("a", mesh.ids[1]), CV_ENOSESSION);
}

Test(route, through_a_peer_the_proto_carries_the_key)
{
    peer_with("p", "far");
    cr_assert_eq(visit("far", 0), 0);
    cr_assert_str_eq(mesh.words, "far::tcp");
}

Test(route, local_goes_before_announced_unless_only_that_is_healthy)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    peer_with("p", "a");
    cr_assert_eq(visit("a", 0), 0);
    mesh.now += 50 * CV_SEC;
    cr_assert_eq(visit("a", 0), 0, "both are silent");
    cr_assert_str_eq(mesh.words, "tcp");
    cv_session_heard(mesh.sessions[1], mesh.now);
    cr_assert_eq(visit("a", 0), 1);
    cr_assert_str_eq(mesh.words, "a::tcp");
    cr_assert_eq(mesh_route(&mesh, "a", CV_ROUTE_PEER, 0), 0, "a peer's dial stays here");
    cv_session_heard(mesh.sessions[0], mesh.now);
    cr_assert_eq(visit("a", 0), 0);
}

Test(route, who_was_asked_and_did_not_answer_is_silent_until_it_is_heard)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cv_session_heard(mesh.sessions[0], mesh.now);
    cv_session_ask(mesh.sessions[1], mesh.now);
    mesh.now += CV_ANSWER_WAIT - 1;
    cr_assert_eq(visit("a", 0), 1);
    mesh.now++;
    cr_assert_eq(visit("a", 0), 0);
    cv_session_heard(mesh.sessions[1], mesh.now);
    cr_assert_eq(visit("a", 0), 1);
}

Test(route, of_several_peers_a_healthy_one)
{
    peer_with("p", "far");
    peer_with("q", "far");
    mesh.now += CV_HEALTHY_FOR + 1;
    cv_session_heard(mesh.sessions[0], mesh.now);
    cr_assert_eq(visit("far", 0), 0);
    cr_assert_eq(visit("far", mesh.ids[0]), 1);
}

Test(route, a_dial_from_a_peer_never_goes_to_another)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    peer_with("p", "far");
    peer_with("q", "a");
    cr_assert_eq(mesh_route(&mesh, "far", CV_ROUTE_PEER, 0), CV_ENOSESSION);
    cr_assert_eq(mesh_route(&mesh, "a", CV_ROUTE_PEER, 0), 0);
    cr_assert_eq(mesh_route(&mesh, "a", CV_ROUTE_PEER, mesh.ids[0]), CV_ENOSESSION);
}

Test(route, a_peers_own_session_is_no_client)
{
    mesh_join(&mesh, CV_MEMBER_PEER, "p");
    mesh_join(&mesh, CV_MEMBER_OUTGOING, "q");
    cr_assert_eq(visit("p", 0), CV_ENOSESSION);
    cr_assert_eq(visit("q", 0), CV_ENOSESSION);
}

Test(route, the_longest_key_has_room_and_a_longer_proto_is_refused_not_cut)
{
    char key[CV_KEY_MAX + 1], proto[CV_PROTO_MAX + 1];
    struct cv_route route;

    memset(key, 'k', sizeof(key));
    key[CV_KEY_MAX] = '\0';
    memset(proto, 'p', sizeof(proto));
    proto[15] = '\0';
    peer_with("p", key);
    cr_assert_eq(cv_manager_route(mesh.manager, key, proto, CV_ROUTE_VISITOR, 0, mesh.now, &route),
                 0);
    cr_assert_eq(strlen(route.proto), CV_KEY_MAX + 2 + 15);
    proto[15] = 'p';
    proto[16] = '\0';
    cr_assert_eq(cv_manager_route(mesh.manager, key, proto, CV_ROUTE_VISITOR, 0, mesh.now, &route),
                 CV_ETOOLONG);
}

Test(route, a_peers_proto_is_split_at_the_first_double_colon)
{
    static const struct {
        const char *text;
        const char *key, *proto;
    } cases[] = {{"foo::tcp", "foo", "tcp"},
                 {"a::b::tcp", "a", "b::tcp"},
                 {"::tcp", "", "tcp"},
                 {"foo::", "foo", ""},
                 {"a:::b", "a", ":b"},
                 {"tcp", NULL, NULL},
                 {"a:b", NULL, NULL},
                 {":", NULL, NULL},
                 {"", NULL, NULL}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t key_len, proto_len;
        const char *proto;
        bool split =
            cv_manager_split(cases[i].text, strlen(cases[i].text), &key_len, &proto, &proto_len);

        cr_assert_eq(split, cases[i].key != NULL, "%s", cases[i].text);
        if (!split)
            continue;
        cr_assert_eq(key_len, strlen(cases[i].key), "%s", cases[i].text);
        cr_assert_eq(proto_len, strlen(cases[i].proto), "%s", cases[i].text);
        cr_assert_eq(memcmp(proto, cases[i].proto, proto_len), 0);
    }
}

Test(route, the_newest_session_of_a_key_has_a_date)
{
    uint64_t first = mesh.now, second;

    cr_assert_eq(cv_manager_newest(mesh.manager, "a"), 0);
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_eq(cv_manager_newest(mesh.manager, "a"), first);
    second = mesh.now += CV_SEC;
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_eq(cv_manager_newest(mesh.manager, "a"), second);
    mesh_leave(&mesh, 1);
    cr_assert_eq(cv_manager_newest(mesh.manager, "a"), first);
    peer_with("p", "b");
    cr_assert_eq(cv_manager_newest(mesh.manager, "b"), 0, "announced is not joined");
}

Test(route, a_probe_from_outside_asks_every_local_session_of_the_key)
{
    struct cv_wake wake;
    int n = 0;

    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    mesh_join(&mesh, CV_MEMBER_AGENT, "b");
    while (cv_manager_poll(mesh.manager, &wake))
        ;
    mesh_join(&mesh, CV_MEMBER_PEER, "a");
    cv_manager_probe(mesh.manager, CV_MEMBER_AGENT, "a", mesh.now);
    cv_manager_probe(mesh.manager, CV_MEMBER_AGENT, "nobody", mesh.now);
    while (cv_manager_poll(mesh.manager, &wake)) {
        cr_assert_eq(wake.id, mesh.ids[0]);
        n++;
    }
    cr_assert_eq(n, 1);
    cr_assert(cv_session_probing(mesh.sessions[0]));
    cr_assert_not(cv_session_probing(mesh.sessions[1]));
    cr_assert_not(cv_session_probing(mesh.sessions[2]));
    cv_manager_probe(mesh.manager, CV_MEMBER_PEER, "a", mesh.now);
    cr_assert(cv_session_probing(mesh.sessions[2]));
}

Test(route, says_whether_the_session_is_healthy)
{
    struct cv_route route;

    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_eq(cv_manager_route(mesh.manager, "a", "tcp", CV_ROUTE_VISITOR, 0, mesh.now, &route),
                 0);
    cr_assert(route.healthy);
    mesh.now += CV_HEALTHY_FOR + 1;
    cr_assert_eq(cv_manager_route(mesh.manager, "a", "tcp", CV_ROUTE_VISITOR, 0, mesh.now, &route),
                 0);
    cr_assert_not(route.healthy);
}
