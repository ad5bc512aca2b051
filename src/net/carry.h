#ifndef CV_NET_CARRY_H
#define CV_NET_CARRY_H

#include "net/endpoint.h"
#include "net/link.h"
#include "net/pipe.h"
#include "net/stream.h"

/* Bytes between a tunnel's stream and the sockets at its endpoints: through memory, or past it.
 *
 * Payload that flows in bulk and is not masked goes by a pipe, where both sockets are plain. Of
 * such a frame the link lays down the head alone, and the payload is *aside*, in a pipe that the
 * carry holds until the stream has taken the frame. */
struct cv_carry {
    struct cv_link *link;     /* borrowed */
    struct cv_stream *stream; /* borrowed */
    struct cv_pipes *pipes;   /* borrowed */
    struct cv_pipe aside;     /* lent; holds what the link has aside, none when that is nothing */
};

/* The turn of a source: what its endpoint's `read` answers; the bytes are laid down. */
ssize_t cv_carry_read(struct cv_carry *carry, const struct cv_link_turn *turn,
                      uint64_t now) CV_MUST_USE;

/* Sends what is laid down: 1 all of it, 0 the socket is full, else -errno. */
int cv_carry_send(struct cv_carry *carry) CV_MUST_USE;

/* Bytes that are laid down and not sent. */
size_t cv_carry_unsent(const struct cv_carry *carry);

/* The stream is gone: what is aside is lost. */
void cv_carry_drop(struct cv_carry *carry);

#endif
