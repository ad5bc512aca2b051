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

Test(route, who_is_full_is_passed_over_and_when_all_are_that_is_said)
{
    for (int i = 0; i < 3; i++)
        mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    for (int i = 2; i >= 0; i--) {
        cv_session_heard(mesh.sessions[i], mesh.now);
        cr_assert_eq(visit("a", 0), i);
        cv_session_limit_conns(mesh.sessions[i], 0);
    }
    cr_assert_eq(visit("a", 0), CV_EFULL);
    cv_session_stop(mesh.sessions[1]);
    cr_assert_eq(visit("a", 0), CV_EFULL);
    cr_assert_eq(mesh_route(&mesh, "a", CV_ROUTE_PEER, 0), CV_EFULL);
    cv_session_limit_conns(mesh.sessions[0], 1);
    cr_assert_eq(visit("a", 0), 0);
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
    const struct cv_route_wish wish = {key, proto, CV_BALANCE_NEWEST, CV_ROUTE_VISITOR, 0};
    struct cv_route route;

    memset(key, 'k', sizeof(key));
    key[CV_KEY_MAX] = '\0';
    memset(proto, 'p', sizeof(proto));
    proto[15] = '\0';
    peer_with("p", key);
    cr_assert_eq(cv_manager_route(mesh.manager, &wish, mesh.now, &route), 0);
    cr_assert_eq(strlen(route.proto), CV_KEY_MAX + 2 + 15);
    proto[15] = 'p';
    proto[16] = '\0';
    cr_assert_eq(cv_manager_route(mesh.manager, &wish, mesh.now, &route), CV_ETOOLONG);
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

static struct cv_home home_of(const char *key)
{
    return cv_manager_home(mesh.manager, key, mesh.now);
}

static void dial(int number)
{
    int64_t id;

    cr_assert_eq(cv_session_dial(mesh.sessions[number], "tcp", "h:1", NULL, mesh.now, &id), 0);
}

/* What a dial takes, whose turn that was. */
static int take(const char *key)
{
    int number = visit(key, 0);

    cr_assert_geq(number, 0);
    cv_manager_take_turn(mesh.manager, key, mesh.ids[number]);
    return number;
}

/* Sessions that are healthy, the newest first. */
static void join_healthy(enum cv_member_kind kind, const char *key, int count)
{
    for (int i = 0; i < count; i++)
        mesh_join(&mesh, kind, key);
    for (size_t i = 0; i < mesh.count; i++)
        cv_session_heard(mesh.sessions[i], mesh.now);
}

Test(route, a_home_says_when_the_newest_session_joined_and_what_the_healthy_ones_carry)
{
    uint64_t first = mesh.now, second;

    cr_assert_eq(home_of("a").own.newest, 0);
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    dial(0);
    cr_assert_eq(home_of("a").own.newest, first);
    cr_assert_eq(home_of("a").own.least, 1);
    second = mesh.now += CV_SEC;
    join_healthy(CV_MEMBER_AGENT, "a", 1);
    cr_assert_eq(home_of("a").own.newest, second);
    cr_assert_eq(home_of("a").own.healthy, 2);
    cr_assert_eq(home_of("a").own.least, 0);
    cr_assert_eq(home_of("a").own.so_few, 1);
    dial(1);
    cr_assert_eq(home_of("a").own.least, 1);
    cr_assert_eq(home_of("a").own.so_few, 2);
    cv_session_ask(mesh.sessions[1], mesh.now);
    mesh.now += CV_HEALTHY_FOR;
    cv_session_heard(mesh.sessions[0], mesh.now);
    cr_assert_eq(home_of("a").own.newest, second);
    cr_assert_eq(home_of("a").own.healthy, 1);
    cr_assert_eq(home_of("a").own.least, 1);
    mesh_leave(&mesh, 1);
    cr_assert_eq(home_of("a").own.newest, first);
    cr_assert_eq(home_of("a").peers.newest, 0);
}

Test(route, a_home_counts_what_peers_have_announced_until_it_is_taken_back)
{
    char key[CV_KEY_MAX + 1];

    peer_with("p", "b");
    cr_assert_eq(cv_manager_announced(mesh.manager, mesh.ids[0], true, "b", 1, 2), 0);
    peer_with("q", "b");
    cr_assert_eq(home_of("b").own.newest, 0, "announced is not joined");
    cr_assert_eq(home_of("b").peers.newest, mesh.now);
    cr_assert_eq(home_of("b").peers.healthy, 3);
    cr_assert_eq(cv_manager_take_back(mesh.manager, mesh.ids[0], key), 1);
    cr_assert_str_eq(key, "b");
    cr_assert_eq(home_of("b").peers.healthy, 1);
    cr_assert_eq(cv_manager_take_back(mesh.manager, mesh.ids[1], key), 1);
    cr_assert_eq(home_of("b").peers.healthy, 0);
    cr_assert_eq(cv_manager_take_back(mesh.manager, mesh.ids[0], key), 0);
    cr_assert_eq(cv_manager_take_back(mesh.manager, 12345, key), 0);
    cr_assert_eq(visit("b", 0), CV_ENOSESSION);
}

Test(route, in_turn_each_healthy_session_takes_its_share)
{
    int taken[3] = {0};

    mesh.balance = CV_BALANCE_ROUND_ROBIN;
    join_healthy(CV_MEMBER_AGENT, "a", 3);
    cr_assert_eq(visit("a", 0), 2, "nobody had a turn: the newest");
    cr_assert_eq(visit("a", 0), 2, "a look takes none");
    for (int i = 0; i < 30; i++)
        taken[take("a")]++;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(taken[i], 10);
    cv_session_ask(mesh.sessions[1], mesh.now);
    mesh.now += CV_HEALTHY_FOR;
    cv_session_heard(mesh.sessions[0], mesh.now);
    cv_session_heard(mesh.sessions[2], mesh.now);
    for (int i = 0; i < 10; i++)
        taken[take("a")]++;
    cr_assert_eq(taken[0], 15);
    cr_assert_eq(taken[1], 10, "it is silent");
    cr_assert_eq(taken[2], 15);
    cv_session_heard(mesh.sessions[1], mesh.now);
    for (int i = 0; i < 9; i++)
        taken[take("a")]++;
    cr_assert_eq(taken[1], 13, "it makes nothing good");
}

Test(route, a_dial_that_fails_over_takes_the_next_in_turn)
{
    mesh.balance = CV_BALANCE_ROUND_ROBIN;
    join_healthy(CV_MEMBER_AGENT, "a", 3);
    cr_assert_eq(take("a"), 2);
    cr_assert_eq(take("a"), 1);
    cr_assert_eq(visit("a", mesh.ids[0]), 2);
    cr_assert_eq(visit("a", mesh.ids[2]), 0);
}

Test(route, the_fewest_connections_then_the_newest)
{
    mesh.balance = CV_BALANCE_LEAST_CONNS;
    join_healthy(CV_MEMBER_AGENT, "a", 3);
    for (int i = 0; i < 9; i++)
        dial(visit("a", 0));
    for (int i = 0; i < 3; i++)
        cr_assert_eq(cv_session_conns(mesh.sessions[i]), 3);
    cr_assert_eq(visit("a", 0), 2);
    dial(2);
    dial(1);
    cr_assert_eq(visit("a", 0), 0);
    cv_session_ask(mesh.sessions[0], mesh.now);
    mesh.now += CV_HEALTHY_FOR;
    cv_session_heard(mesh.sessions[1], mesh.now);
    cv_session_heard(mesh.sessions[2], mesh.now);
    cr_assert_eq(visit("a", 0), 2, "who is silent has the fewest, and is left out");
}

Test(route, of_unhealthy_ones_the_newest_whatever_the_policy)
{
    for (int balance = 0; balance < CV_BALANCE_COUNT; balance++) {
        mesh.balance = (enum cv_balance)balance;
        join_healthy(CV_MEMBER_AGENT, "a", 1);
    }
    dial(2);
    cv_manager_take_turn(mesh.manager, "a", mesh.ids[2]);
    mesh.now += 50 * CV_SEC;
    for (int balance = 0; balance < CV_BALANCE_COUNT; balance++) {
        mesh.balance = (enum cv_balance)balance;
        cr_assert_eq(visit("a", 0), 2);
    }
}

Test(route, peers_take_turns_for_each_session_that_they_announced)
{
    int taken[3] = {0};

    mesh.balance = CV_BALANCE_ROUND_ROBIN;
    peer_with("p", "a");
    peer_with("q", "a");
    cr_assert_eq(cv_manager_announced(mesh.manager, mesh.ids[1], true, "a", 1, 2), 0);
    for (int i = 0; i < 12; i++)
        taken[take("a")]++;
    cr_assert_eq(taken[0], 4);
    cr_assert_eq(taken[1], 8);
    join_healthy(CV_MEMBER_AGENT, "a", 1);
    cr_assert_eq(take("a"), 2, "local ones go first");
    cr_assert_eq(take("a"), 2);
}

Test(route, of_peers_the_one_with_the_fewest_connections)
{
    mesh.balance = CV_BALANCE_LEAST_CONNS;
    peer_with("p", "a");
    peer_with("q", "a");
    cr_assert_eq(visit("a", 0), 1);
    dial(1);
    cr_assert_eq(visit("a", 0), 0);
    dial(0);
    cr_assert_eq(visit("a", 0), 1);
}

Test(route, a_turn_of_nobody_is_none)
{
    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cv_manager_take_turn(mesh.manager, "a", 12345);
    cv_manager_take_turn(mesh.manager, "b", mesh.ids[0]);
    cr_assert_eq(visit("a", 0), 0);
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
    const struct cv_route_wish wish = {"a", "tcp", CV_BALANCE_NEWEST, CV_ROUTE_VISITOR, 0};
    struct cv_route route;

    mesh_join(&mesh, CV_MEMBER_AGENT, "a");
    cr_assert_eq(cv_manager_route(mesh.manager, &wish, mesh.now, &route), 0);
    cr_assert(route.healthy);
    mesh.now += CV_HEALTHY_FOR + 1;
    cr_assert_eq(cv_manager_route(mesh.manager, &wish, mesh.now, &route), 0);
    cr_assert_not(route.healthy);
}
