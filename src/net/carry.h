#ifndef CV_NET_CARRY_H
#define CV_NET_CARRY_H

#include "net/endpoint.h"
#include "net/link.h"
#include "net/pipe.h"
#include "net/stream.h"

/* Bytes between a tunnel's stream and the sockets at its endpoints: through memory, or past it.
 *
 * Payload that flows in bulk and is not masked goes by a pipe, where both sockets are plain. Of a
 * frame that goes out the link lays down the head alone, and the payload is *aside*, in a pipe that
 * the carry holds until the stream has taken the frame. Of a frame that comes in the head is read
 * alone, and the payload *passes*; that pipe is empty when the call returns. */
struct cv_carry {
    struct cv_link *link;     /* borrowed */
    struct cv_stream *stream; /* borrowed */
    struct cv_pipes *pipes;   /* borrowed */
    bool copies;              /* the stream's socket cannot be poured into a pipe */
    bool passes;              /* the payload that came last did */
    bool head_only;           /* the last read took a head alone: read on, for its payload */
    struct cv_pipe aside;     /* lent; holds what the link has aside, none when that is nothing */
};

/* One read of the stream, of up to CV_READ_SIZE bytes: as cv_stream_recv(), of what is to be fed to
 * the link. -EAGAIN also when all of it passed. Poll the session's events in any case. */
ssize_t cv_carry_recv(struct cv_carry *carry, uint8_t *buf, uint64_t now) CV_MUST_USE;

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
