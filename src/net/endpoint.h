#ifndef CV_NET_ENDPOINT_H
#define CV_NET_ENDPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/reason.h"

/* What stands at this end of a virtual connection: a socket that is relayed, a target that is being
 * dialled. It is the `user` of the connection in its session, embedded in a struct of its own kind.
 * The tunnel calls it; it answers with results and never calls into the session from within. */
struct cv_endpoint;

struct cv_endpoint_ops {
    /* Bytes for the sink: takes some, returns how many; -errno ends the connection. */
    ssize_t (*data)(struct cv_endpoint *endpoint, const uint8_t *data, size_t len);

    /* As `data`, of the first @len bytes in a pipe; asked only where `sink_pours` is set. Never
     * fails: what it does not take goes to `data`, which says why. NULL: not offered. */
    ssize_t (*pass)(struct cv_endpoint *endpoint, int pipe, size_t len);

    /* Bytes from the source, up to @max; 0 when it ended in order, CV_ECLOSED when it did and takes
     * no answer either, -EAGAIN when it has none now (and it will say when it has), else -errno,
     * which ends the connection. A result below @max means that the source is empty. */
    ssize_t (*read)(struct cv_endpoint *endpoint, uint8_t *into, size_t max);

    /* As `read`, into a pipe that is empty (net/pipe.h); asked only where `bulk` is set. NULL: not
     * offered. */
    ssize_t (*pour)(struct cv_endpoint *endpoint, int pipe, size_t max);

    /* No more comes from the other end; everything was taken. */
    void (*fin)(struct cv_endpoint *endpoint);

    /* Our dial is through (only between ends with `ack`). NULL: not wanted. */
    void (*connected)(struct cv_endpoint *endpoint);

    /* Our dial waits at the other end for one that gives no sign of life (the same). NULL: not
     * wanted. */
    void (*silent)(struct cv_endpoint *endpoint);

    /* Nothing more crosses the tunnel, but stored bytes still wait for the sink: `read` is not
     * called any more, and what the source still says must be dropped, or an echo would wait for
     * its reader for ever. NULL: not wanted. */
    void (*drain)(struct cv_endpoint *endpoint);

    /* The end: the connection's id is stale. @text (not ended by NUL, may be NULL) is what the
     * other end said. */
    void (*closed)(struct cv_endpoint *endpoint, enum cv_reason reason, const char *text,
                   size_t len);
};

/* A turn that brings so many bytes is bulk's: to hand pages on costs less than to copy them. */
#define CV_BULK_LEAST ((size_t)60 * 1024)

struct cv_endpoint {
    const struct cv_endpoint_ops *ops;
    bool bulk;       /* the source's last turn was bulk's, and `pour` is offered */
    bool sink_pours; /* `pass` is offered */
};

/* The ops of an endpoint that has neither sink nor source yet, such as a target that is being
 * dialled. The session keeps the bytes, and tells the end once more when the endpoint that follows
 * has taken them. */
ssize_t cv_endpoint_data_later(struct cv_endpoint *endpoint, const uint8_t *data, size_t len);
ssize_t cv_endpoint_read_later(struct cv_endpoint *endpoint, uint8_t *into, size_t max);
void cv_endpoint_fin_later(struct cv_endpoint *endpoint);

#endif
