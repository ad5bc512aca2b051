#ifndef CV_NET_LINGER_H
#define CV_NET_LINGER_H

#include "net/stream.h"

/* Closes a stream so that the other end gets everything that was sent: closing at once while it
 * still sends would make the kernel answer with RST, which may overtake the last bytes. FIN goes
 * out, then what still comes is dropped until the other end closes too, or for CV_LINGER_TIME.
 * Takes @stream. */
void cv_linger(struct cv_loop *loop, struct cv_stream *stream);

#define CV_LINGER_TIME (2 * CV_SEC)

#endif
