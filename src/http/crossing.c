#include "http/crossing.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "net/connect.h"
#include "net/datagrams.h"
#include "net/pair.h"
#include "net/timer.h"

#define TEXT_MAX 100 /* as much of an Error's text counts */

/* The endpoint of both connections until bytes may flow. */
struct crossing {
    struct cv_loop *loop;       /* borrowed */
    struct cv_endpoint ends[2]; /* by side, as in a pair: the inner one is the visitor's */
    struct cv_crossing_end at[2];
    bool over[2]; /* it has ended, or somebody else is its endpoint */
    enum cv_proto proto;
    struct cv_timer *timer; /* owned */
};

/* Ends the connection at one side. */
static void refuse(struct crossing *crossing, enum cv_pair_side side, enum cv_reason reason,
                   const char *text)
{
    cv_tunnel_abort(crossing->at[side].tunnel, crossing->at[side].conn_id, reason, text);
}

/* One end needs this no more; the last one frees it. */
static void leave(struct crossing *crossing, enum cv_pair_side side)
{
    crossing->over[side] = true;
    if (!crossing->over[!side])
        return;
    cv_timer_free(crossing->timer);
    cv_free(&crossing->loop->alloc, crossing);
}

/* Ends both, also one that has a relay; the crossing is freed with the last that has none. */
static void give_up(struct crossing *crossing, enum cv_reason reason, const char *text)
{
    refuse(crossing, CV_PAIR_INNER, reason, text);
    refuse(crossing, CV_PAIR_OUTER, reason, text);
}

/* Puts a relay at one end, which has it from then on. Takes @fd, and @pair's reference of that
 * side. */
static int relay(struct crossing *crossing, struct cv_pair *pair, enum cv_pair_side side, int fd)
{
    const struct cv_crossing_end *end = &crossing->at[side];
    struct cv_stream *stream;
    int rc;

    if (!pair)
        return cv_datagrams_new(end->tunnel, end->conn_id, fd, true, CV_CROSSING_IDLE, NULL, NULL);
    rc = cv_pair_stream(&stream, crossing->loop, pair, side, fd);
    if (rc < 0) {
        close(fd);
        cv_pair_unref(pair);
        return rc;
    }
    return cv_relay_new(end->tunnel, end->conn_id, stream, NULL, NULL);
}

static int open_way(struct crossing *crossing)
{
    struct cv_pair *pair = NULL;
    int fds[2];
    int rc =
        crossing->proto == CV_PROTO_UDP ? cv_connect_pair_messages(fds) : cv_pair_new(&pair, fds);
    int far;

    if (rc < 0)
        return rc;
    rc = relay(crossing, pair, CV_PAIR_INNER, fds[CV_PAIR_INNER]);
    crossing->over[CV_PAIR_INNER] = rc == 0;
    far = relay(crossing, pair, CV_PAIR_OUTER, fds[CV_PAIR_OUTER]);
    crossing->over[CV_PAIR_OUTER] = far == 0;
    return rc < 0 ? rc : far;
}

/* Bytes may flow. */
static void open_crossing(struct crossing *crossing)
{
    const struct cv_crossing_end *near = &crossing->at[CV_PAIR_INNER];
    int rc = open_way(crossing);

    if (rc == 0) /* else nothing is there to accept: it ends by itself */
        (void)!cv_session_accept(cv_tunnel_session(near->tunnel), near->conn_id);
    else
        give_up(crossing, CV_REASON_DIAL, cv_strerror(rc));
    cv_tunnel_touch(near->tunnel);
    if (crossing->over[CV_PAIR_INNER] && crossing->over[CV_PAIR_OUTER])
        leave(crossing, CV_PAIR_INNER);
}

static struct crossing *far_of(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct crossing, ends[CV_PAIR_OUTER]);
}

static void on_connected(struct cv_endpoint *endpoint)
{
    open_crossing(far_of(endpoint));
}

/* The visitor has left. */
static void near_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                        size_t len)
{
    struct crossing *crossing = cv_container_of(endpoint, struct crossing, ends[CV_PAIR_INNER]);

    (void)reason, (void)text, (void)len;
    if (!crossing->over[CV_PAIR_OUTER])
        refuse(crossing, CV_PAIR_OUTER, CV_REASON_LOCAL, "the visitor left before the answer");
    leave(crossing, CV_PAIR_INNER);
}

/* Nothing came of the dial. */
static void far_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                       size_t len)
{
    struct crossing *crossing = far_of(endpoint);
    char line[TEXT_MAX + 1];

    snprintf(line, sizeof(line), "%.*s", (int)cv_min_size(len, TEXT_MAX), text ? text : "");
    if (!crossing->over[CV_PAIR_INNER])
        refuse(crossing, CV_PAIR_INNER, CV_REASON_DIAL, line[0] ? line : cv_reason_text(reason));
    leave(crossing, CV_PAIR_OUTER);
}

static const struct cv_endpoint_ops near_ops = {.data = cv_endpoint_data_later,
                                                .read = cv_endpoint_read_later,
                                                .fin = cv_endpoint_fin_later,
                                                .closed = near_closed};

static const struct cv_endpoint_ops far_ops = {.data = cv_endpoint_data_later,
                                               .read = cv_endpoint_read_later,
                                               .fin = cv_endpoint_fin_later,
                                               .connected = on_connected,
                                               .closed = far_closed};

static void on_timer(void *ctx)
{
    give_up(ctx, CV_REASON_DIAL, "the dial took too long");
}

static int set_user(struct crossing *crossing, enum cv_pair_side side, bool set)
{
    const struct cv_crossing_end *end = &crossing->at[side];

    return cv_session_set_user(cv_tunnel_session(end->tunnel), end->conn_id,
                               set ? &crossing->ends[side] : NULL);
}

/* Becomes the endpoint of both. */
static int take_ends(struct crossing *crossing)
{
    int rc = set_user(crossing, CV_PAIR_INNER, true);

    if (rc < 0)
        return rc;
    rc = set_user(crossing, CV_PAIR_OUTER, true);
    if (rc < 0)
        (void)!set_user(crossing, CV_PAIR_INNER, false);
    return rc;
}

int cv_crossing_new(const struct cv_crossing_end *near, const struct cv_crossing_end *far,
                    enum cv_proto proto)
{
    struct cv_loop *loop = cv_tunnel_loop(near->tunnel);
    struct crossing *crossing = cv_alloc_zero(&loop->alloc, sizeof(*crossing));
    const struct cv_session_config *config = cv_session_config(cv_tunnel_session(far->tunnel));
    int rc = crossing ? cv_timer_new(&crossing->timer, loop, on_timer, crossing) : -ENOMEM;

    if (rc == 0) {
        crossing->loop = loop;
        crossing->at[CV_PAIR_INNER] = *near;
        crossing->at[CV_PAIR_OUTER] = *far;
        crossing->ends[CV_PAIR_INNER].ops = &near_ops;
        crossing->ends[CV_PAIR_OUTER].ops = &far_ops;
        crossing->proto = proto;
        rc = take_ends(crossing);
    }
    if (rc < 0) {
        if (crossing)
            cv_timer_free(crossing->timer);
        cv_free(&loop->alloc, crossing);
        return rc;
    }
    if (config->features & CV_FEATURE_ACK)
        cv_timer_set(crossing->timer, CV_CROSSING_WAIT);
    else
        open_crossing(crossing);
    cv_tunnel_touch(far->tunnel);
    return 0;
}
