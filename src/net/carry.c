#include "net/carry.h"

#include <errno.h>
#include <unistd.h>

/* Bytes in which a head is looked for: the WebSocket's, and the session's behind it. */
#define HEADS_MAX (CV_WS_HEAD_MAX + CV_SLOT_HEAD_MAX)

/* The turn of a source that may go by a pipe, and there is one. */
static bool takes_pipe(struct cv_carry *carry, const struct cv_link_turn *turn)
{
    const struct cv_endpoint *endpoint = turn->user;

    return endpoint->bulk && turn->may_aside && turn->max >= CV_BULK_LEAST &&
           cv_stream_pours(carry->stream) && cv_pipes_take(carry->pipes, &carry->aside);
}

ssize_t cv_carry_read(struct cv_carry *carry, const struct cv_link_turn *turn, uint64_t now)
{
    struct cv_endpoint *endpoint = turn->user;
    ssize_t n;

    if (!endpoint)
        return -EAGAIN;
    if (!takes_pipe(carry, turn)) {
        n = endpoint->ops->read(endpoint, turn->into, turn->max);
        if (n > 0)
            cv_link_laid(carry->link, (size_t)n, now);
        return n;
    }
    n = endpoint->ops->pour(endpoint, carry->aside.in, turn->max);
    if (n > 0)
        cv_link_laid_aside(carry->link, (size_t)n, now);
    else
        cv_pipes_give(carry->pipes, &carry->aside, true);
    return n;
}

/* Sends some of what comes next. */
static ssize_t send_some(struct cv_carry *carry)
{
    const uint8_t *data;
    size_t len = cv_link_output(carry->link, &data), aside = cv_link_aside(carry->link);
    ssize_t n;

    if (len > 0) {
        n = aside ? cv_stream_send_more(carry->stream, data, len)
                  : cv_stream_send(carry->stream, data, len);
        if (n > 0)
            cv_link_sent(carry->link, (size_t)n);
        return n;
    }
    n = cv_stream_pour_from(carry->stream, carry->aside.out, aside);
    if (n > 0)
        cv_link_aside_sent(carry->link, (size_t)n);
    if (n == (ssize_t)aside)
        cv_pipes_give(carry->pipes, &carry->aside, true);
    return n;
}

int cv_carry_send(struct cv_carry *carry)
{
    while (cv_carry_unsent(carry) > 0) {
        ssize_t n = send_some(carry);

        if (n == -EAGAIN) {
            cv_link_blocked(carry->link);
            return 0;
        }
        if (n < 0)
            return (int)n;
    }
    cv_link_sent(carry->link, 0); /* a turn may have left an empty buffer */
    return 1;
}

size_t cv_carry_unsent(const struct cv_carry *carry)
{
    const uint8_t *data;

    return cv_link_output(carry->link, &data) + cv_link_aside(carry->link);
}

void cv_carry_drop(struct cv_carry *carry)
{
    cv_pipes_give(carry->pipes, &carry->aside, false);
}

/* Receiving. */

/* Reads @len bytes that are in @pipe. */
static ssize_t read_back(int pipe, uint8_t *buf, size_t len)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = read(pipe, buf + got, len - got);

        if (n == 0 || (n < 0 && errno != EINTR))
            return -EIO;
        got += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)got;
}

/* Moves up to @max bytes of payload to their sink by @pipe, and what that does not take to @buf. */
static ssize_t pass(struct cv_carry *carry, const struct cv_pipe *pipe, struct cv_endpoint *sink,
                    size_t max, uint8_t *buf, uint64_t now)
{
    ssize_t n = cv_stream_pour_to(carry->stream, pipe->in, cv_min_size(max, CV_READ_SIZE));
    ssize_t taken;

    if (n <= 0)
        return n;
    carry->passes = true;
    taken = sink->ops->pass(sink, pipe->out, (size_t)n);
    if (taken > 0)
        cv_link_passed(carry->link, (size_t)taken, now);
    return taken == n ? -EAGAIN : read_back(pipe->out, buf, (size_t)(n - taken));
}

/* The length of the head that comes next, where payload that may pass follows it; else 0. */
static size_t next_head(struct cv_carry *carry, uint8_t *buf)
{
    ssize_t n = cv_stream_peek(carry->stream, buf, HEADS_MAX);

    return n > 0 ? cv_link_data_head(carry->link, buf, (size_t)n, CV_BULK_LEAST) : 0;
}

/* The sink that payload which comes next may pass to, or NULL; @left: how much of it. */
static struct cv_endpoint *sink_of(struct cv_carry *carry, size_t *left)
{
    void *user = NULL;
    struct cv_endpoint *sink;

    *left = cv_link_passing(carry->link, &user);
    sink = user;
    if (carry->copies || !sink || !sink->sink_pours || !cv_stream_pours(carry->stream))
        return NULL;
    return carry->passes || *left >= CV_BULK_LEAST ? sink : NULL;
}

ssize_t cv_carry_recv(struct cv_carry *carry, uint8_t *buf, uint64_t now)
{
    size_t left;
    struct cv_endpoint *sink = sink_of(carry, &left);
    size_t head = carry->passes && left == 0 ? next_head(carry, buf) : 0;
    struct cv_pipe pipe;
    ssize_t n;

    carry->head_only = carry->passes = head > 0;
    if (head > 0)
        return cv_stream_recv(carry->stream, buf, head);
    if (!sink || !cv_pipes_take(carry->pipes, &pipe))
        return cv_stream_recv(carry->stream, buf, CV_READ_SIZE);
    n = pass(carry, &pipe, sink, left, buf, now);
    cv_pipes_give(carry->pipes, &pipe, n != -EIO);
    if (!cv_stream_cannot_pour(n))
        return n;
    carry->copies = true;
    return cv_stream_recv(carry->stream, buf, CV_READ_SIZE);
}
