/* Datagrams on loopback, multicast among them, and the list of interfaces. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/interfaces.h"
#include "net/udp.h"
#include "net_fixture.h"

static const uint8_t group[16] = {239, 255, 77, 77}, local[16] = {127, 0, 0, 1};

static struct net net;
static unsigned loopback; /* the interface's index */
static uint16_t port;

/* What one socket has heard. */
struct ear {
    struct cv_udp *udp;
    struct cv_udp_from from;
    char text[64];
    size_t len;
    unsigned count;
    bool close;
};

static void hear(void *ctx, const struct cv_udp_from *from, const void *data, size_t len)
{
    struct ear *ear = ctx;

    ear->from = *from;
    ear->len = len;
    memcpy(ear->text, data, cv_min_size(len, sizeof(ear->text) - 1));
    ear->count++;
    if (ear->close) {
        cv_udp_close(ear->udp);
        ear->udp = NULL;
    }
}

static void set_up(void)
{
    static struct cv_interfaces interfaces;

    net_init(&net);
    cr_assert_eq(cv_interfaces_read(&interfaces), 0);
    loopback = 0;
    for (size_t i = 0; i < interfaces.count; i++) {
        const struct cv_interface_address *address = &interfaces.at[i];

        if (address->family == 4 && memcmp(address->ip, local, 16) == 0) {
            cr_assert(address->loopback);
            cr_assert_eq(address->prefix, 8);
            cr_assert(cv_interface_exists(address->name));
            loopback = address->index;
        }
    }
    cr_assert_neq(loopback, 0, "127.0.0.1 is there");
    port = free_port();
}

static void tear_down(void)
{
    net_deinit(&net);
}

TestSuite(udp, .init = set_up, .fini = tear_down);

static void listen_at(struct ear *ear, uint16_t at)
{
    const struct cv_udp_options options = {.family = 4, .port = at, .ttl = 1};

    cr_assert_eq(cv_udp_new(&ear->udp, &net.loop, &options, hear, ear), 0);
}

static void say(struct ear *ear, const uint8_t to[16], const char *text)
{
    struct cv_peer peer = {.family = 4, .port = port};

    memcpy(peer.ip, to, sizeof(peer.ip));
    cr_assert_eq(cv_udp_send(ear->udp, &peer, loopback, local, text, strlen(text)), 0);
}

Test(udp, shares_its_port_and_all_of_the_group_hear_one_datagram)
{
    struct ear a = {.count = 0}, b = {.count = 0}, from = {.count = 0};

    listen_at(&a, port);
    listen_at(&b, port);
    listen_at(&from, 0);
    cr_assert_eq(cv_udp_join(a.udp, group, loopback), 0);
    cr_assert_eq(cv_udp_join(b.udp, group, loopback), 0);
    cr_assert_eq(cv_udp_join(b.udp, group, loopback), 0, "twice is fine");
    say(&from, group, "hello");
    NET_UNTIL(&net, a.count && b.count);
    cr_assert_str_eq(a.text, "hello");
    cr_assert(a.from.multicast);
    cr_assert_eq(a.from.interface, loopback);
    cr_assert_arr_eq(a.from.to, group, 16);
    cr_assert_arr_eq(a.from.peer.ip, local, 16);
    cv_udp_close(a.udp);
    cv_udp_close(b.udp);
    cv_udp_close(from.udp);
}

Test(udp, hears_only_groups_that_it_joined_itself)
{
    static const uint8_t other[16] = {239, 255, 77, 78};
    struct ear a = {.count = 0}, b = {.count = 0};

    listen_at(&a, port);
    listen_at(&b, port);
    cr_assert_eq(cv_udp_join(a.udp, group, loopback), 0);
    cr_assert_eq(cv_udp_join(b.udp, other, loopback), 0);
    say(&a, other, "for b");
    say(&a, group, "for a");
    NET_UNTIL(&net, a.count && b.count);
    cr_assert_str_eq(a.text, "for a");
    cr_assert_str_eq(b.text, "for b");
    cr_assert_eq(a.count + b.count, 2);
    cv_udp_close(a.udp);
    cv_udp_close(b.udp);
}

Test(udp, tells_a_datagram_to_it_alone_from_one_to_the_group_and_answers_it)
{
    struct ear a = {.count = 0}, b = {.count = 0};

    listen_at(&a, port);
    listen_at(&b, 0);
    say(&b, local, "");
    NET_UNTIL(&net, a.count);
    cr_assert_not(a.from.multicast);
    cr_assert_eq(a.len, 0);
    cr_assert_eq(cv_udp_send(a.udp, &a.from.peer, a.from.interface, a.from.to, "back", 4), 0);
    NET_UNTIL(&net, b.count);
    cr_assert_str_eq(b.text, "back");
    cr_assert_eq(b.from.peer.port, port);
    cv_udp_close(a.udp);
    cv_udp_close(b.udp);
}

Test(udp, hears_nothing_of_a_group_that_it_left)
{
    struct ear a = {.count = 0};

    listen_at(&a, port);
    cr_assert_eq(cv_udp_join(a.udp, group, loopback), 0);
    cv_udp_leave(a.udp, group, loopback);
    cv_udp_leave(a.udp, group, loopback);
    say(&a, group, "lost");
    say(&a, local, "heard");
    NET_UNTIL(&net, a.count);
    cr_assert_str_eq(a.text, "heard");
    cv_udp_close(a.udp);
}

Test(udp, may_be_closed_by_its_callback_with_more_to_read)
{
    struct ear a = {.close = true}, b = {.count = 0};

    listen_at(&a, port);
    listen_at(&b, 0);
    say(&b, local, "one");
    say(&b, local, "two");
    NET_UNTIL(&net, !a.udp);
    cr_assert_eq(a.count, 1);
    cv_udp_close(b.udp);
    cv_udp_close(NULL);
}

Test(udp, fails_with_what_the_system_says)
{
    struct ear a = {.count = 0};
    const struct cv_udp_options options = {.family = 4, .port = port, .ttl = 1};
    const struct cv_peer nowhere = {.family = 4, .ip = {127, 0, 0, 1}, .port = port};
    char large[70000];

    memset(large, 'x', sizeof(large));
    net.memory.fail_at = net.memory.calls + 1;
    cr_assert_eq(cv_udp_new(&a.udp, &net.loop, &options, hear, &a), -ENOMEM);
    listen_at(&a, 0);
    cr_assert_eq(cv_udp_send(a.udp, &nowhere, loopback, NULL, large, sizeof(large)), -EMSGSIZE);
    cr_assert_lt(cv_udp_join(a.udp, local, loopback), 0, "no group");
    cv_udp_close(a.udp);
}

Test(interfaces, know_which_addresses_are_in_their_network)
{
    const struct cv_interface_address v4 = {.family = 4, .ip = {10, 1, 2, 3}, .prefix = 23};
    const struct cv_interface_address v6 = {.family = 6, .ip = {0xfe, 0x80}, .prefix = 64};
    const uint8_t in[16] = {10, 1, 3, 200}, out[16] = {10, 1, 4, 1};
    const uint8_t in6[16] = {0xfe, 0x80, [15] = 9}, out6[16] = {0xfe, 0x80, [7] = 1};

    cr_assert(cv_interface_holds(&v4, 4, in));
    cr_assert_not(cv_interface_holds(&v4, 4, out));
    cr_assert_not(cv_interface_holds(&v4, 6, in));
    cr_assert(cv_interface_holds(&v6, 6, in6));
    cr_assert_not(cv_interface_holds(&v6, 6, out6));
    cr_assert_not(cv_interface_exists("no-such-one"));
}

static void on_changed(void *ctx)
{
    *(bool *)ctx = true;
}

Test(interfaces, can_be_watched_and_let_go)
{
    struct cv_interface_watch *watch;
    bool changed = false;

    net_init(&net);
    net.memory.fail_at = net.memory.calls + 1;
    cr_assert_eq(cv_interface_watch_new(&watch, &net.loop, on_changed, &changed), -ENOMEM);
    cr_assert_eq(cv_interface_watch_new(&watch, &net.loop, on_changed, &changed), 0);
    cv_interface_watch_free(watch);
    cv_interface_watch_free(NULL);
    net_deinit(&net);
}
