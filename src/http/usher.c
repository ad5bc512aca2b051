#include "http/usher.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "base/text.h"
#include "door/proxy_head.h"
#include "net/address.h"
#include "net/log.h"
#include "net/stream.h"
#include "net/timer.h"

#define HEAD_START 256 /* bytes of room at first: hardly any head is longer */

struct cv_usher {
    struct cv_usher_config config;
    struct cv_list arrivals;
    size_t pending;
};

/* A connection whose head is not there yet. */
struct arrival {
    struct cv_list link;
    struct cv_usher *usher;   /* borrowed */
    struct cv_stream *stream; /* owned */
    struct cv_timer *timer;   /* owned */
    uint8_t *head;            /* owned */
    size_t len, size;
    char peer[CV_ADDRESS_SIZE]; /* the proxy's */
};

static struct cv_loop *loop_of(const struct arrival *arrival)
{
    return arrival->usher->config.loop;
}

static void leave(struct arrival *arrival)
{
    const struct cv_alloc *alloc = &loop_of(arrival)->alloc;

    cv_list_remove(&arrival->link);
    arrival->usher->pending--;
    cv_stream_close(arrival->stream);
    cv_timer_free(arrival->timer);
    cv_free(alloc, arrival->head);
    cv_free(alloc, arrival);
}

static void complain(struct cv_usher *usher, const char *peer, int error, const char *why)
{
    cv_shed(usher->config.loop, error);
    cv_log_cause(usher->config.loop, CV_CAUSE_PROXY, NULL, "%s: %s refused: PROXY protocol: %s",
                 usher->config.name, peer, why);
}

static void refuse(struct arrival *arrival, int error, const char *why)
{
    complain(arrival->usher, arrival->peer, error, why);
    leave(arrival);
}

/* Lets in who @head says it is. */
static void admit(struct arrival *arrival, const struct cv_proxy_head *head)
{
    const struct cv_usher_config *config = &arrival->usher->config;
    char peer[CV_ADDRESS_SIZE], local[CV_ADDRESS_SIZE];
    int fd = cv_stream_release(arrival->stream);

    arrival->stream = NULL;
    if (head->from.family) {
        cv_peer_text(peer, &head->from);
        cv_peer_text(local, &head->to);
    } else {
        memcpy(peer, arrival->peer, sizeof(peer));
        cv_address_local(local, fd);
    }
    leave(arrival);
    config->admitted(config->ctx, fd, peer, local);
}

/* Room for more of the head. */
static int grow(struct arrival *arrival)
{
    const struct cv_alloc *alloc = &loop_of(arrival)->alloc;
    size_t size = arrival->size ? CV_PROXY_HEAD_MAX : HEAD_START;
    uint8_t *head;

    if (arrival->len < arrival->size)
        return 0;
    head = cv_alloc(alloc, size);
    if (!head)
        return -ENOMEM;
    if (arrival->len)
        memcpy(head, arrival->head, arrival->len);
    cv_free(alloc, arrival->head);
    arrival->head = head;
    arrival->size = size;
    return 0;
}

/* Looks at what came and takes as much of it as is the head's. True when the arrival is dealt with.
 */
static bool look(struct arrival *arrival, size_t came)
{
    uint8_t *behind = arrival->head + arrival->len;
    struct cv_proxy_head head;
    const char *problem = NULL;
    int rc = cv_proxy_head_read(&head, arrival->head, arrival->len + came, &problem);
    size_t ours = rc > 0 ? (size_t)rc - arrival->len : came;

    if (rc < 0 && rc != CV_EMORE) {
        refuse(arrival, CV_EPROTO, problem);
        return true;
    }
    if (cv_stream_recv(arrival->stream, behind, ours) != (ssize_t)ours) {
        refuse(arrival, CV_EPROTO, "the head could not be read"); /* it was there a moment ago */
        return true;
    }
    arrival->len += ours;
    if (rc == CV_EMORE)
        return false;
    admit(arrival, &head);
    return true;
}

static void on_ready(void *ctx, int events)
{
    struct arrival *arrival = ctx;

    (void)events;
    for (;;) {
        ssize_t n = grow(arrival);

        if (n == 0)
            n = cv_stream_peek(arrival->stream, arrival->head + arrival->len,
                               arrival->size - arrival->len);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            if (arrival->len || n == -ENOMEM)
                refuse(arrival, n ? (int)n : CV_EPROTO,
                       n ? cv_strerror((int)n) : "the connection ended inside the head");
            else
                leave(arrival);
            return;
        }
        if (look(arrival, (size_t)n))
            return;
    }
}

static void on_timeout(void *ctx)
{
    refuse(ctx, -ETIMEDOUT, "the head did not come in time");
}

static int start(struct arrival *arrival, int fd)
{
    int rc = cv_stream_new(&arrival->stream, loop_of(arrival), fd);

    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = cv_timer_new(&arrival->timer, loop_of(arrival), on_timeout, arrival);
    if (rc < 0)
        return rc;
    cv_timer_set(arrival->timer, CV_USHER_WAIT);
    cv_stream_owner(arrival->stream, on_ready, arrival);
    return cv_stream_watch(arrival->stream, CV_READABLE);
}

void cv_usher_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_usher *usher = ctx;
    struct arrival *arrival;
    struct cv_text text;
    int rc;

    if (usher->pending >= CV_USHER_PENDING_MAX)
        refuse(cv_container_of(usher->arrivals.next, struct arrival, link), CV_EFULL,
               "too many wait for theirs");
    arrival = cv_alloc_zero(&usher->config.loop->alloc, sizeof(*arrival));
    if (!arrival) {
        complain(usher, peer, -ENOMEM, cv_strerror(-ENOMEM));
        close(fd);
        return;
    }
    arrival->usher = usher;
    cv_text_init(&text, arrival->peer, sizeof(arrival->peer));
    cv_text_str(&text, peer);
    cv_list_init(&arrival->link);
    cv_list_push_back(&usher->arrivals, &arrival->link);
    usher->pending++;
    rc = start(arrival, fd);
    if (rc < 0)
        refuse(arrival, rc, cv_strerror(rc));
}

int cv_usher_new(struct cv_usher **out, const struct cv_usher_config *config)
{
    struct cv_usher *usher = cv_alloc_zero(&config->loop->alloc, sizeof(*usher));

    if (!usher)
        return -ENOMEM;
    usher->config = *config;
    cv_list_init(&usher->arrivals);
    *out = usher;
    return 0;
}

void cv_usher_free(struct cv_usher *usher)
{
    if (!usher)
        return;
    cv_list_each_safe (link, &usher->arrivals)
        leave(cv_container_of(link, struct arrival, link));
    cv_free(&usher->config.loop->alloc, usher);
}
