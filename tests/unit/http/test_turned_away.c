#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "http/front.h"
#include "http/gate.h"
#include "net/shed.h"
#include "net_certs.h"
#include "net_fixture.h"

/* Who is turned away without a word, before it is known what they want, is counted. */

static struct net net;
static int left;

static void setup(void)
{
    net_init(&net);
    left = 0;
}

static void teardown(void)
{
    net_deinit(&net);
}

TestSuite(turned_away, .init = setup, .fini = teardown);

static bool may_enter(void *ctx, const char *peer)
{
    (void)ctx;
    (void)peer;
    return true;
}

static void on_left(void *ctx, const char *peer)
{
    (void)ctx;
    (void)peer;
    left++;
}

/* A visitor who has said @words; the door's end is in fds[0]. */
static void come(int fds[2], const char *words)
{
    tcp_pair(fds);
    cr_assert_eq(send(fds[1], words, strlen(words), 0), (ssize_t)strlen(words));
}

/* The allocation after @ahead more fails. */
static void fail_after(size_t ahead)
{
    net.memory.fail_at = net.memory.calls + ahead + 1;
}

static int read_nothing(struct cv_gate_call *call, const char *in, size_t len)
{
    (void)call;
    (void)in;
    (void)len;
    return CV_EMORE;
}

static struct cv_gate *open_gate(const struct cv_gate_protocol *protocol)
{
    struct cv_gate_config config = {.loop = &net.loop,
                                    .protocol = protocol,
                                    .name = "gate",
                                    .may_enter = may_enter,
                                    .left = on_left};
    struct cv_gate *gate;

    cr_assert_eq(cv_gate_new(&gate, &config), 0);
    return gate;
}

Test(turned_away, from_a_gate_without_memory_for_a_first_message)
{
    struct cv_gate *gate = open_gate(&cv_gate_socks);
    int fds[2];

    come(fds, "\5");
    cv_gate_accepted(gate, fds[0], "peer");
    fail_after(0);
    NET_UNTIL(&net, left);
    cr_assert_eq(net.loop.shed[CV_SHED_OTHER], 1);
    cv_gate_free(gate);
    close(fds[1]);
}

Test(turned_away, from_a_gate_for_a_message_that_is_longer_than_any)
{
    static const struct cv_gate_protocol protocol = {.read = read_nothing, .in_max = 4};
    struct cv_gate *gate = open_gate(&protocol);
    int fds[2];

    come(fds, "words");
    cv_gate_accepted(gate, fds[0], "peer");
    NET_UNTIL(&net, left);
    cr_assert_eq(net.loop.shed[CV_SHED_PROTOCOL], 1);
    cv_gate_free(gate);
    close(fds[1]);
}

Test(turned_away, from_the_front_door_without_memory_for_tls)
{
    struct cv_front_config config = {.loop = &net.loop, .may_knock = may_enter, .left = on_left};
    struct cv_front *front;
    struct certs certs;
    char error[200];
    int fds[2];

    certs_make(&certs, "localhost");
    cr_assert_eq(cv_tls_new(&config.tls, CERT_FILES(certs), error, sizeof(error)), 0);
    cr_assert_eq(cv_front_new(&front, &config), 0);
    cv_front_expect_tls(front, true);
    come(fds, "no ClientHello");
    cv_front_accepted(front, fds[0], "peer");
    fail_after(1); /* what is read first has room */
    NET_UNTIL(&net, left);
    cr_assert_eq(net.loop.shed[CV_SHED_OTHER], 1);
    cv_front_free(front);
    cv_tls_free(config.tls);
    certs_remove(&certs);
    close(fds[1]);
}

/* Offers the gateway a visitor whose head has begun, the allocation after @ahead more failing.
 * Returns whether it stays. */
static bool offer(struct cv_gateway *gateway, size_t ahead)
{
    struct cv_stream *stream;
    int fds[2], before = left;

    tcp_pair(fds);
    cr_assert_eq(cv_stream_new(&stream, &net.loop, fds[0]), 0);
    fail_after(ahead);
    cv_gateway_take(gateway, stream, "peer", "G", 1);
    net.memory.fail_at = 0;
    close(fds[1]);
    return left == before;
}

Test(turned_away, from_the_http_door_without_memory)
{
    struct cv_gateway_config config = {.loop = &net.loop, .left = on_left};
    struct cv_gateway *gateway;
    int failures = 0;

    cr_assert_eq(cv_gateway_new(&gateway, &config), 0);
    while (!offer(gateway, (size_t)failures))
        failures++;
    cr_assert_gt(failures, 2);
    cr_assert_eq(net.loop.shed[CV_SHED_OTHER], (uint64_t)failures);
    cr_assert_eq(net.loop.shed[CV_SHED_FULL], 0);
    NET_UNTIL(&net, left == failures + 1); /* who stayed was gone already */
    cv_gateway_end(gateway);
    cv_gateway_free(gateway);
}
