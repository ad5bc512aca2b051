#ifndef CV_NET_STREAM_KIND_H
#define CV_NET_STREAM_KIND_H

#include "net/address.h"
#include "net/stream.h"

/* Private to the kinds of stream: what each of them does by itself, and what they share. */

struct cv_stream_kind {
    bool tls;
    bool plain; /* its bytes are the socket's */
    ssize_t (*recv)(struct cv_stream *stream, void *buf, size_t len);
    ssize_t (*send)(struct cv_stream *stream, const void *buf, size_t len);
    /* Says goodbye on the stream's own layer. 0: done or impossible, FIN may follow; -EAGAIN: again
     * when writable. */
    int (*goodbye)(struct cv_stream *stream);
    /* Releases everything and closes the socket; nothing polls it any more. */
    void (*close)(struct cv_stream *stream);
    /* Whether decrypted bytes wait in user space, of which the kernel knows nothing. */
    bool (*buffered)(const struct cv_stream *stream);
};

/* The common part; each kind embeds it first. */
struct cv_stream {
    const struct cv_stream_kind *kind;
    struct cv_loop *loop; /* borrowed */
    cv_stream_ready *ready;
    void *ctx;              /* borrowed, for ready */
    struct cv_watch watch;  /* the socket */
    struct cv_turn_job end; /* frees the stream, once nobody is in the middle of using it */
    uv_idle_t *idle; /* wakes the owner for buffered bytes; made when first needed, NULL before */
    int fd;
    int wanted;     /* what the owner watches */
    int recv_waits; /* the direction of the socket that recv waits for: UV_READABLE, but for TLS at
                       times the other */
    int send_waits; /* the same for send */
    bool idling;    /* the idle handle runs */
    bool goodbye_owed; /* cv_stream_shutdown() could not finish yet */
    bool reset;        /* close without a goodbye */
    bool closed;
    bool trial_over; /* see CV_STREAM_TRIAL */
    size_t sent;     /* while it is not */
    char peer[CV_ADDRESS_SIZE];
};

/* Starts the common part over @fd; the last step of making a stream. */
void cv_stream_start(struct cv_stream *stream, const struct cv_stream_kind *kind,
                     struct cv_loop *loop, int fd);

/* The directions of the socket, UV_READABLE or UV_WRITABLE, that recv and send turned out to wait
 * for. */
void cv_stream_waits(struct cv_stream *stream, int recv_direction, int send_direction);

/* recv() and send() on a socket, never waiting and never raising SIGPIPE: a count or -errno. */
ssize_t cv_socket_recv(int fd, void *buf, size_t len) CV_MUST_USE;
ssize_t cv_socket_send(int fd, const void *buf, size_t len) CV_MUST_USE;

#endif
