#ifndef CV_NET_PAIR_H
#define CV_NET_PAIR_H

#include "net/stream.h"

/* Two connected sockets of one process, whose ends may be on different loops or threads. A unix
 * socket alone knows no RST: what one end resets (cv_stream_reset()), the other one reads as
 * -ECONNRESET behind the last bytes. */
struct cv_pair;

enum cv_pair_side { CV_PAIR_INNER, CV_PAIR_OUTER };

/* Makes both sockets, non-blocking, by side in @fds, and two references, one for each. Returns 0,
 * -ENOMEM or -errno. */
int cv_pair_new(struct cv_pair **out, int fds[2]) CV_MUST_USE;

/* A stream over the socket of @side. Takes it and that side's reference on success. Returns 0 or
 * -ENOMEM. */
int cv_pair_stream(struct cv_stream **out, struct cv_loop *loop, struct cv_pair *pair,
                   enum cv_pair_side side, int fd) CV_MUST_USE;

/* cv_stream_release() of any plain stream: its socket, and, when it was a pair's, its side's
 * reference, as it was before cv_pair_stream(); else *@pair is NULL. */
int cv_pair_release(struct cv_stream *stream, struct cv_pair **pair) CV_MUST_USE;

/* From any thread: what @side closes or shuts from now on is an error to the other one. */
void cv_pair_reset(struct cv_pair *pair, enum cv_pair_side side);

/* Gives the reference of a side back that has become no stream; NULL is fine. */
void cv_pair_unref(struct cv_pair *pair);

#endif
