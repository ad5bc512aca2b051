#ifndef CV_NET_LINGER_H
#define CV_NET_LINGER_H

#include "net/stream.h"

/* Closes a stream so that the other end gets everything that was sent. Closing at once while it
 * still sends would make the kernel answer with RST, which overtakes the last bytes. FIN goes out;
 * what still comes is dropped until the other end closes too, or for CV_LINGER_TIME after it has
 * taken everything. Takes @stream. */
void cv_linger(struct cv_loop *loop, struct cv_stream *stream);

/* Closes all that linger on @loop now, and whatever would linger from now on at once. */
void cv_linger_end(struct cv_loop *loop);

#define CV_LINGER_TIME (2 * CV_SEC)
#define CV_LINGER_STALL \
    (300 * CV_SEC) /* the other end lives but takes nothing: it has paused, or forgotten */

#endif
