#ifndef TESTS_SIM_STREAM_H
#define TESTS_SIM_STREAM_H

#include "sim/sock.h"

/* What a relay moves bytes to and from: a scripted socket, or the middle of two connections. */
struct sim_stream {
    const struct sim_stream_ops *ops;
    void (*ready)(void *ctx); /* it may be read, or written again after EAGAIN */
    void *ctx;
};

struct sim_stream_ops {
    ssize_t (*read)(struct sim_stream *stream, uint8_t *into, size_t max);
    ssize_t (*write)(struct sim_stream *stream, const uint8_t *data, size_t len);
    void (*shutdown)(struct sim_stream *stream);
    void (*close)(struct sim_stream *stream, bool error);
    bool (*readable)(const struct sim_stream *stream);
    void (*kick)(struct sim_stream *stream); /* calls ready soon */
};

struct sim_stream *sim_stream_of_sock(struct sim_world *w, struct sim_sock *sock);

/* Two streams, each the other end of the other, as a socketpair: what is written to one is read
 * from the other. */
void sim_stream_pair(struct sim_world *w, struct sim_stream *out[2]);

#endif
