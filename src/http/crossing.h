#ifndef CV_HTTP_CROSSING_H
#define CV_HTTP_CROSSING_H

#include "access/target.h"
#include "net/tunnel.h"

/* A visitor's dial that goes on in another tunnel of the same loop: two connections joined by a
 * pair of sockets, of messages for datagrams, with a relay at each end. Until the target has
 * answered, as far as the other end can say so, nothing is taken from either. What is said of a
 * failure goes back; later an error at one end is a reset at the other. It frees itself. */

/* One connection of a tunnel's session. */
struct cv_crossing_end {
    struct cv_tunnel *tunnel; /* borrowed: it outlives its connections */
    int64_t conn_id;
};

#define CV_CROSSING_WAIT (40 * CV_SEC) /* for an agent's answer to a dial */
#define CV_CROSSING_IDLE (60 * CV_SEC) /* a flow of datagrams that says nothing */

/* @near is the visitor's, which has asked and was not answered yet; @far our dial. Returns 0, or
 * -ENOMEM, CV_ESTALE, and both are the caller's to end. */
int cv_crossing_new(const struct cv_crossing_end *near, const struct cv_crossing_end *far,
                    enum cv_proto proto) CV_MUST_USE;

#endif
