#ifndef CV_NET_REDIS_H
#define CV_NET_REDIS_H

#include "base/reply.h"
#include "net/outbound.h"

/* A connection to a Redis, over TCP, TLS or a unix socket, that is dialled again for ever when it
 * is lost. Commands and answers are written and read by hiredis; RESP2. */
struct cv_redis;

#define CV_REDIS_TIMEOUT   (2 * CV_SEC)     /* for a connection, and between two answers */
#define CV_REDIS_RETRY     (100 * CV_MSEC)  /* bound of the first wait, which doubles to the next */
#define CV_REDIS_RETRY_MAX (1500 * CV_MSEC) /* waits have full jitter */
#define CV_REDIS_PING      (1 * CV_SEC)     /* of a connection that only listens */
#define CV_REDIS_OUT_MAX   ((size_t)16 << 20) /* bytes that it does not take; more is an error */
#define CV_REDIS_ANSWER_MAX \
    ((size_t)1 << 20) /* bytes of an answer that is not whole; more gives the connection up */

struct cv_redis_config { /* all borrowed for the connection's life */
    const char *path;    /* of a unix socket; NULL: */
    const char *host;    /* without brackets */
    uint16_t port;
    bool tls;
    const char *ca_file; /* NULL: the system's */
    uint64_t database;
    const char *user;     /* NULL: the default user */
    const char *password; /* NULL: there is none */
    bool subscribes;      /* what comes need not be an answer; it is asked for life by itself */

    void (*up)(void *ctx);

    /* It is lost, or could not be had, @why in one line. It is tried again. */
    void (*down)(void *ctx, const char *why);

    /* An answer, in the order of the commands, or a message; borrowed for the call. A negative
     * result gives the connection up. */
    int (*reply)(void *ctx, const struct cv_reply *reply);
    void *ctx;
};

/* Starts dialling. @outbound, for TLS, is borrowed. Nothing is called before it returns. Returns 0
 * or -ENOMEM. */
int cv_redis_new(struct cv_redis **out, struct cv_loop *loop, struct cv_outbound *outbound,
                 const struct cv_redis_config *config) CV_MUST_USE;

/* Ends it without a word; what was flushed, and the socket takes, still goes out. Not from a
 * callback. NULL is fine. */
void cv_redis_free(struct cv_redis *redis);

/* Queues a command, between `up` and `down`; without memory, or over the bound, the connection is
 * given up at the next flush. */
void cv_redis_send(struct cv_redis *redis, size_t argc, const char *const *argv);

/* Sends what is queued; `down` may be called. */
void cv_redis_flush(struct cv_redis *redis);

#endif
