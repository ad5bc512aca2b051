#include "net/relay.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "net/linger.h"
#include "net/log.h"
#include "net/timer.h"

struct cv_relay {
    struct cv_endpoint endpoint;
    struct cv_tunnel *tunnel; /* borrowed: it outlives its connections */
    int64_t conn_id;
    struct cv_stream *stream; /* owned */
    uint8_t *early;           /* owned: read before, not sent on yet; NULL: nothing */
    size_t early_len, early_sent;
    int watched;     /* what the stream is watched for */
    bool told_ready; /* the session knows that the source has bytes */
    bool source_ended;
    bool copies;    /* the source's socket cannot be poured into a pipe */
    bool dropping;  /* nobody wants what the source says any more */
    int sink_error; /* the sink takes nothing more, but the source may still have something to say
                     */
    bool fin_told;  /* the sink has everything, and knows */
    struct cv_timer *last_words; /* owned: set while they wait to be read; NULL: none do */
    cv_relay_ended *ended;
    void *ctx; /* borrowed */
    uint64_t bytes_in, bytes_out;
};

static struct cv_relay *relay_of(struct cv_endpoint *endpoint)
{
    return cv_container_of(endpoint, struct cv_relay, endpoint);
}

static struct cv_session *session_of(struct cv_relay *relay)
{
    return cv_tunnel_session(relay->tunnel);
}

/* Ends the connection because of the socket at this end. */
static void abort_relay(struct cv_relay *relay, int error)
{
    cv_tunnel_abort(relay->tunnel, relay->conn_id, CV_REASON_LOCAL, cv_strerror(error));
}

static void watch(struct cv_relay *relay, int events)
{
    int rc;

    if (events == relay->watched)
        return;
    relay->watched = events;
    rc = cv_stream_watch(relay->stream, events);
    if (rc < 0)
        abort_relay(relay, rc);
}

/* Offers bytes to the sink: how many are dealt with. An end that closes early has often answered
 * before: its last words are still to be read when it takes nothing more. So what is for it is
 * dropped until they are. */
static ssize_t offer(struct cv_relay *relay, const uint8_t *data, size_t len)
{
    ssize_t n = relay->sink_error;

    if (n == 0)
        n = cv_stream_send(relay->stream, data, len);
    if (n > 0)
        relay->bytes_in += (uint64_t)n;
    if (n >= 0 || n == -EAGAIN)
        return n;
    relay->sink_error = (int)n;
    return relay->source_ended || relay->dropping ? n : (ssize_t)len;
}

/* The sink takes what the session has stored for it. */
static void drain(struct cv_relay *relay)
{
    const uint8_t *data;
    size_t len;

    while (cv_session_backlog(session_of(relay), relay->conn_id, &data, &len) == 0 && len > 0) {
        ssize_t n = offer(relay, data, len);

        if (n == -EAGAIN) {
            watch(relay, relay->watched | CV_WRITABLE);
            return;
        }
        if (n < 0) {
            abort_relay(relay, (int)n);
            return;
        }
        if (cv_session_consume(session_of(relay), relay->conn_id, (size_t)n) < 0)
            return;
        cv_tunnel_touch(relay->tunnel);
    }
    watch(relay, relay->watched & ~CV_WRITABLE);
}

/* Reads and drops what the source still says, so that it goes on taking what is stored for it. */
static void drop(struct cv_relay *relay)
{
    struct cv_loop *loop = cv_tunnel_loop(relay->tunnel);
    ssize_t n = cv_stream_recv(relay->stream, loop->read_buf, CV_READ_SIZE);

    if (n > 0 || n == -EAGAIN)
        return;
    relay->source_ended = n == 0;
    watch(relay, relay->watched & ~CV_READABLE);
}

static void on_last_words(void *ctx)
{
    struct cv_relay *relay = ctx;

    abort_relay(relay, relay->sink_error);
}

/* The source is gone, but not all that it said was read: its turn may come, and the error is behind
 * it. */
static void keep_last_words(struct cv_relay *relay, int error)
{
    relay->sink_error = error;
    if (relay->last_words)
        return;
    if (cv_timer_new(&relay->last_words, cv_tunnel_loop(relay->tunnel), on_last_words, relay) < 0)
        abort_relay(relay, error);
    else
        cv_timer_set(relay->last_words, CV_LAST_WORDS_WAIT);
}

/* The other end of a socket that is not read now has said its last, or is gone. */
static void hang_up(struct cv_relay *relay)
{
    int error = cv_stream_error(relay->stream);

    watch(relay, relay->watched & ~CV_HANGUP);
    if (error == 0 && relay->sink_error != -EPIPE)
        error = relay->sink_error; /* a send has met it before */
    if (error < 0 && cv_stream_unread(relay->stream) > 0)
        keep_last_words(relay, error);
    else if (error < 0)
        abort_relay(relay, error);
}

static void on_readable(struct cv_relay *relay)
{
    if (relay->dropping) {
        drop(relay);
        return;
    }
    if (relay->told_ready) {
        /* it was announced in an earlier turn and could not be read yet: the link, or its other
         * end, is slow */
        watch(relay, (relay->watched & ~CV_READABLE) | CV_HANGUP);
        return;
    }
    relay->told_ready = true;
    if (cv_session_ready(session_of(relay), relay->conn_id, true) == 0)
        cv_tunnel_touch(relay->tunnel);
}

static void on_ready(void *ctx, int events)
{
    struct cv_relay *relay = ctx;

    if (events & relay->watched & CV_WRITABLE)
        drain(relay);
    if (events & relay->watched & CV_HANGUP)
        hang_up(relay);
    if (events & relay->watched & CV_READABLE)
        on_readable(relay);
}

static ssize_t relay_data(struct cv_endpoint *endpoint, const uint8_t *data, size_t len)
{
    struct cv_relay *relay = relay_of(endpoint);
    size_t done = 0;

    while (done < len) {
        ssize_t n = offer(relay, data + done, len - done);

        if (n < 0 && n != -EAGAIN)
            return n;
        if (n > 0)
            done += (size_t)n;
        /* a plain socket that takes a part is full; TLS takes a record at a time */
        if (n == -EAGAIN || (done < len && !cv_stream_is_tls(relay->stream))) {
            watch(relay, relay->watched | CV_WRITABLE);
            break;
        }
    }
    return (ssize_t)done;
}

static ssize_t relay_pass(struct cv_endpoint *endpoint, int pipe, size_t len)
{
    struct cv_relay *relay = relay_of(endpoint);
    ssize_t n = relay->sink_error ? 0 : cv_stream_pour_from(relay->stream, pipe, len);

    if (n > 0)
        relay->bytes_in += (uint64_t)n;
    else if (cv_stream_cannot_pour(n))
        endpoint->sink_pours = false;
    else if (n < 0 && n != -EAGAIN)
        relay->sink_error = (int)n;
    return n > 0 ? n : 0;
}

/* The next of the bytes that were read before there was a relay. */
static ssize_t read_early(struct cv_relay *relay, uint8_t *into, size_t max)
{
    size_t n = cv_min_size(max, relay->early_len - relay->early_sent);

    memcpy(into, relay->early + relay->early_sent, n);
    relay->early_sent += n;
    if (relay->early_sent == relay->early_len) {
        cv_free(&cv_tunnel_loop(relay->tunnel)->alloc, relay->early);
        relay->early = NULL;
    }
    return (ssize_t)n;
}

/* Takes note of @n, what a turn of the source brought of @max bytes, or why none; returns what the
 * turn ends with. */
static ssize_t end_turn(struct cv_relay *relay, ssize_t n, size_t max)
{
    relay->endpoint.bulk =
        n >= (ssize_t)CV_BULK_LEAST && !relay->copies && cv_stream_pours(relay->stream);
    if (n > 0)
        relay->bytes_out += (uint64_t)n;
    if (n > 0 && relay->last_words)
        cv_timer_set(relay->last_words, CV_LAST_WORDS_WAIT);
    /* its last words were read; EPIPE alone means that it had ended in order before */
    if (n == 0 && relay->sink_error != -EPIPE)
        n = relay->sink_error;
    if (n == (ssize_t)max)
        return n;
    relay->told_ready = false;
    relay->source_ended = n == 0;
    if (n > 0 || n == -EAGAIN)
        watch(relay, (relay->watched & ~CV_HANGUP) | CV_READABLE);
    else
        watch(relay, relay->watched & ~(CV_READABLE | CV_HANGUP));
    if (n == 0 && !relay->fin_told && cv_stream_gone(relay->stream))
        n = CV_ECLOSED; /* a unix socket that was closed; TCP does not say */
    return n;
}

static ssize_t relay_read(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    struct cv_relay *relay = relay_of(endpoint);
    ssize_t n =
        relay->early ? read_early(relay, into, max) : cv_stream_recv(relay->stream, into, max);

    return end_turn(relay, n, max);
}

static ssize_t relay_pour(struct cv_endpoint *endpoint, int pipe, size_t max)
{
    struct cv_relay *relay = relay_of(endpoint);
    ssize_t n = cv_stream_pour_to(relay->stream, pipe, max);

    if (cv_stream_cannot_pour(n)) {
        relay->copies = true;
        n = -EAGAIN; /* it is readable still, so its next turn comes, and is read */
    }
    return end_turn(relay, n, max);
}

static void relay_fin(struct cv_endpoint *endpoint)
{
    struct cv_relay *relay = relay_of(endpoint);

    relay->fin_told = true;
    cv_stream_shutdown(relay->stream);
}

static void relay_drain(struct cv_endpoint *endpoint)
{
    struct cv_relay *relay = relay_of(endpoint);

    relay->dropping = true;
    if (!relay->source_ended)
        watch(relay, (relay->watched & ~CV_HANGUP) | CV_READABLE);
}

static void relay_closed(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                         size_t len)
{
    struct cv_relay *relay = relay_of(endpoint);
    struct cv_loop *loop = cv_tunnel_loop(relay->tunnel);

    if (relay->ended)
        relay->ended(relay->ctx, &(struct cv_relay_end){.reason = reason,
                                                        .text = text,
                                                        .text_len = len,
                                                        .bytes_in = relay->bytes_in,
                                                        .bytes_out = relay->bytes_out});
    cv_stream_owner(relay->stream, NULL, NULL);
    /* An error may follow an orderly end of the other direction: what came in full stays delivered.
     */
    if (cv_reason_is_error(reason) && !relay->fin_told) {
        cv_stream_reset(relay->stream);
        cv_stream_close(relay->stream);
    } else if (relay->source_ended) {
        cv_stream_close(relay->stream);
    } else {
        cv_linger(loop, relay->stream);
    }
    cv_timer_free(relay->last_words);
    cv_free(&loop->alloc, relay->early);
    cv_free(&loop->alloc, relay);
}

static const struct cv_endpoint_ops relay_ops = {
    .data = relay_data,
    .pass = relay_pass,
    .read = relay_read,
    .pour = relay_pour,
    .fin = relay_fin,
    .drain = relay_drain,
    .closed = relay_closed,
};

static int keep_early(struct cv_relay *relay, const struct cv_alloc *alloc, const void *early,
                      size_t len)
{
    if (len == 0)
        return 0;
    relay->early = cv_alloc(alloc, len);
    if (!relay->early)
        return -ENOMEM;
    memcpy(relay->early, early, len);
    relay->early_len = len;
    return 0;
}

/* What was stored before there was a sink goes out as soon as the socket says that it can be
 * written. */
static void start(struct cv_relay *relay)
{
    struct cv_session *session = session_of(relay);
    int events = cv_session_stored(session, relay->conn_id) ? CV_WRITABLE : 0;

    if (relay->early && cv_session_ready(session, relay->conn_id, true) == 0)
        relay->told_ready = true;
    watch(relay, events | (relay->early ? 0 : CV_READABLE));
    cv_tunnel_touch(relay->tunnel);
}

int cv_relay_new_early(struct cv_tunnel *tunnel, int64_t conn_id, struct cv_stream *stream,
                       const void *early, size_t early_len, cv_relay_ended *ended, void *ctx)
{
    struct cv_loop *loop = cv_tunnel_loop(tunnel);
    struct cv_relay *relay = cv_alloc_zero(&loop->alloc, sizeof(*relay));
    int rc = relay ? keep_early(relay, &loop->alloc, early, early_len) : -ENOMEM;

    if (rc == 0) {
        relay->endpoint.ops = &relay_ops;
        relay->endpoint.sink_pours = cv_stream_pours(stream);
        relay->tunnel = tunnel;
        relay->conn_id = conn_id;
        relay->stream = stream;
        rc = cv_session_set_user(cv_tunnel_session(tunnel), conn_id, &relay->endpoint);
    }
    if (rc < 0) {
        cv_stream_close(stream);
        if (relay)
            cv_free(&loop->alloc, relay->early);
        cv_free(&loop->alloc, relay);
        return rc;
    }
    relay->ended = ended;
    relay->ctx = ctx;
    cv_stream_owner(stream, on_ready, relay);
    start(relay);
    return 0;
}

int cv_relay_new(struct cv_tunnel *tunnel, int64_t conn_id, struct cv_stream *stream,
                 cv_relay_ended *ended, void *ctx)
{
    return cv_relay_new_early(tunnel, conn_id, stream, NULL, 0, ended, ctx);
}
