#ifndef CV_HTTP_BODY_FLOW_H
#define CV_HTTP_BODY_FLOW_H

#include "door/http_body.h"
#include "net/stream.h"

/* One direction of an exchange: bytes of a message come in, what goes on waits here until the next
 * socket takes it. Nothing is read for it while anything waits, so it holds one read at most. */
struct cv_body_flow {
    const struct cv_alloc *alloc; /* borrowed */
    struct cv_http_body body;     /* as it comes */
    enum cv_http_framing framing; /* as it goes on */
    bool ended;                   /* its last byte is laid down */
    bool again;                   /* what was sent is kept, for another try */
    char *out;                    /* owned; NULL: nothing waits */
    size_t out_len, out_sent;
    uint64_t payload; /* bytes of it so far */
};

void cv_body_flow_init(struct cv_body_flow *flow, const struct cv_alloc *alloc);
void cv_body_flow_clear(struct cv_body_flow *flow);

/* Lays down bytes as they are: a head. -ENOMEM */
int cv_body_flow_put(struct cv_body_flow *flow, const char *data, size_t len) CV_MUST_USE;

/* The body behind the head just laid down. */
void cv_body_flow_begin(struct cv_body_flow *flow, const struct cv_http_body *body,
                        enum cv_http_framing framing);

/* Takes what belongs to the body from the first @len bytes; returns how many. CV_ESYNTAX,
 * CV_ETOOLONG, -ENOMEM */
ssize_t cv_body_flow_take(struct cv_body_flow *flow, const char *data, size_t len) CV_MUST_USE;

/* The connection that a body comes on has ended in order. 0, -ENOMEM, or CV_ESYNTAX when that is
 * not the body's end. */
int cv_body_flow_eof(struct cv_body_flow *flow) CV_MUST_USE;

/* Sends what waits: 1 nothing waits any more, 0 the socket is full, or -errno. */
int cv_body_flow_send(struct cv_body_flow *flow, struct cv_stream *to) CV_MUST_USE;
bool cv_body_flow_waits(const struct cv_body_flow *flow);

/* Everything is sent. */
bool cv_body_flow_done(const struct cv_body_flow *flow);

/* Begins anew with what was sent and kept. */
void cv_body_flow_rewind(struct cv_body_flow *flow);

#endif
