#ifndef CV_NET_INOUT_H
#define CV_NET_INOUT_H

#include "net/pair.h"

/* Standard input and output, or two other descriptors like them, as a stream of the loop. They may
 * be files, terminals or pipes that other processes share, so they are neither made non-blocking
 * nor waited for in the loop: a thread each moves their bytes to and from a pair of sockets. */
struct cv_inout {
    struct cv_pair *pair; /* a reference */
    int fd;               /* the outer end; owned; -1: it is not open */
    int in_fd, out_fd;    /* borrowed */
    uv_thread_t in, out;
    int in_error, out_error; /* -errno; to be read after cv_inout_join() */
};

/* Starts to read @in_fd and to write @out_fd; *@stream is the caller's. Returns 0 or a negative
 * code. */
int cv_inout_open(struct cv_inout *inout, struct cv_loop *loop, int in_fd, int out_fd,
                  struct cv_stream **stream) CV_MUST_USE;

/* When the stream is closed: waits until all that went into it is written, and frees what there is.
 * Nothing to do when it was not opened. */
void cv_inout_join(struct cv_inout *inout);

#endif
