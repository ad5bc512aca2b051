#include "net/carry.h"

#include <errno.h>

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
