#include "net/flows.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "base/table.h"
#include "net/bind.h"
#include "net/connect.h"
#include "net/log.h"

#define BATCH    64 /* datagrams that are moved in one wake */
#define KEY_SIZE (1 + 16 + 2 + 4)

struct cv_flows {
    struct cv_loop *loop; /* borrowed */
    cv_flows_arrived *arrived;
    void *ctx; /* borrowed */
    struct cv_bound bound;
    struct cv_watch watch;
    struct flow *table; /* by key */
};

/* One visitor. */
struct flow {
    struct cv_flows *flows; /* borrowed */
    struct cv_watch watch;  /* our end of the pair */
    struct sockaddr_storage address;
    uint8_t key[KEY_SIZE];
    UT_hash_handle hh;
};

/* What tells visitors apart: family, address, port, scope. */
static void make_key(uint8_t key[KEY_SIZE], const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;

    memset(key, 0, KEY_SIZE);
    key[0] = cv_address_bytes(key + 1, (const struct sockaddr *)address);
    memcpy(key + 17, address->ss_family == AF_INET6 ? &v6->sin6_port : &v4->sin_port, 2);
    if (address->ss_family == AF_INET6)
        memcpy(key + 19, &v6->sin6_scope_id, 4);
}

static void unwatch(struct cv_flows *flows, struct cv_watch *watch)
{
    (void)!cv_poll_set(&flows->loop->poll, watch, 0, false); /* cannot fail */
    cv_poll_drop(&flows->loop->poll, watch);
}

static void end_flow(struct flow *flow)
{
    struct cv_flows *flows = flow->flows;
    const struct cv_alloc *table_alloc = &flows->loop->alloc;

    HASH_DEL(flows->table, flow);
    unwatch(flows, &flow->watch);
    close(flow->watch.fd);
    cv_free(&flows->loop->alloc, flow);
}

/* Back to the visitor. */
static void on_answer(struct cv_watch *watch, uint32_t events)
{
    struct flow *flow = cv_container_of(watch, struct flow, watch);
    struct cv_flows *flows = flow->flows;
    const struct sockaddr *to = (const struct sockaddr *)&flow->address;

    (void)events;
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = recv(watch->fd, flows->loop->read_buf, CV_READ_SIZE, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            end_flow(flow);
            return;
        }
        (void)!sendto(flows->bound.fd, flows->loop->read_buf, (size_t)n,
                      MSG_DONTWAIT | MSG_NOSIGNAL, to, cv_address_len(to));
    }
}

static struct flow *find(struct cv_flows *flows, const uint8_t key[KEY_SIZE])
{
    struct flow *flow;

    HASH_FIND(hh, flows->table, key, KEY_SIZE, flow);
    return flow;
}

static void complain(struct cv_flows *flows, const char *peer, int error)
{
    cv_shed(flows->loop, error);
    cv_log_cause(flows->loop, CV_CAUSE_NO_ROOM, NULL, "%s: udp: visitor %s turned away: %s",
                 flows->bound.text, peer, cv_strerror(error));
}

/* Adds a flow whose end of the pair is @fd, which is taken unless that fails. */
static int add(struct cv_flows *flows, const struct sockaddr_storage *from,
               const uint8_t key[KEY_SIZE], int fd, struct flow **out)
{
    const struct cv_alloc *table_alloc = &flows->loop->alloc;
    struct flow *flow = cv_alloc_zero(table_alloc, sizeof(*flow));

    if (!flow)
        return -ENOMEM;
    flow->flows = flows;
    flow->address = *from;
    memcpy(flow->key, key, KEY_SIZE);
    flow->watch = (struct cv_watch){.fd = fd, .ready = on_answer};
    if (cv_poll_set(&flows->loop->poll, &flow->watch, EPOLLIN, false) < 0) {
        cv_free(table_alloc, flow);
        return -ENOMEM;
    }
    HASH_ADD(hh, flows->table, key, KEY_SIZE, flow);
    if (!cv_table_added(flow)) {
        unwatch(flows, &flow->watch);
        cv_free(table_alloc, flow);
        return -ENOMEM;
    }
    *out = flow;
    return 0;
}

/* The flow of a new visitor, or NULL. *@theirs is the end to hand out, once its first datagram is
 * in it. */
static struct flow *begin(struct cv_flows *flows, const struct sockaddr_storage *from,
                          const uint8_t key[KEY_SIZE], int *theirs)
{
    struct flow *flow = NULL;
    char peer[CV_ADDRESS_SIZE];
    int pair[2], rc = CV_EFULL;

    if (HASH_COUNT(flows->table) < CV_FLOWS_MAX)
        rc = cv_connect_pair_messages(pair);
    if (rc == 0) {
        rc = add(flows, from, key, pair[0], &flow);
        if (rc < 0) {
            close(pair[0]);
            close(pair[1]);
        }
    }
    if (rc < 0) {
        cv_address_text(peer, (const struct sockaddr *)from);
        complain(flows, peer, rc);
        return NULL;
    }
    *theirs = pair[1];
    return flow;
}

static void arrive(struct cv_flows *flows, const struct sockaddr_storage *from, const void *data,
                   size_t len)
{
    uint8_t key[KEY_SIZE];
    char peer[CV_ADDRESS_SIZE];
    struct flow *flow;
    int theirs = -1;

    make_key(key, from);
    flow = find(flows, key);
    if (!flow)
        flow = begin(flows, from, key, &theirs);
    if (!flow)
        return;
    (void)!send(flow->watch.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (theirs < 0)
        return;
    cv_address_text(peer, (const struct sockaddr *)from);
    flows->arrived(flows->ctx, theirs, peer);
}

static void on_datagram(struct cv_watch *watch, uint32_t events)
{
    struct cv_flows *flows = cv_container_of(watch, struct cv_flows, watch);

    (void)events;
    for (int i = 0; i < BATCH; i++) {
        struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(watch->fd, flows->loop->read_buf, CV_READ_SIZE, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &from_len);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n > 0) /* an error is about one that was sent; an empty one does not go through */
            arrive(flows, &from, flows->loop->read_buf, (size_t)n);
    }
}

int cv_flows_open(struct cv_flows **out, struct cv_loop *loop, const char *address,
                  cv_flows_arrived *arrived, void *ctx)
{
    struct cv_flows *flows = cv_alloc_zero(&loop->alloc, sizeof(*flows));
    int rc;

    if (!flows)
        return -ENOMEM;
    flows->loop = loop;
    flows->arrived = arrived;
    flows->ctx = ctx;
    rc = cv_bind_datagrams(&flows->bound, loop, address);
    if (rc < 0) {
        cv_free(&loop->alloc, flows);
        return rc;
    }
    flows->watch = (struct cv_watch){.fd = flows->bound.fd, .ready = on_datagram};
    rc = cv_poll_set(&loop->poll, &flows->watch, EPOLLIN, false);
    if (rc < 0) {
        cv_unbind(&flows->bound);
        cv_free(&loop->alloc, flows);
        return rc;
    }
    *out = flows;
    return 0;
}

const char *cv_flows_address(const struct cv_flows *flows)
{
    return flows->bound.text;
}

void cv_flows_close(struct cv_flows *flows)
{
    struct flow *flow, *next;

    if (!flows)
        return;
    unwatch(flows, &flows->watch);
    HASH_ITER (hh, flows->table, flow, next)
        end_flow(flow);
    cv_unbind(&flows->bound);
    cv_free(&flows->loop->alloc, flows);
}
