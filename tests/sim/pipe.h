#ifndef TESTS_SIM_PIPE_H
#define TESTS_SIM_PIPE_H

#include <sys/types.h>

#include "sim/world.h"

/* One direction of a TCP connection: bytes that are under way, at most `cap` of them, so that a
 * writer meets EAGAIN as at a full socket. Reads and writes are cut at any byte. */
struct sim_pipe {
    struct sim_world *w;
    struct sim_actor *reader, *writer; /* borrowed; woken when there is something for them to do */
    uint8_t *ring;
    size_t cap, head, len;
    struct sim_segment *segments; /* runs of bytes under way, oldest first; a ring too */
    size_t first_segment, segment_count;
    size_t arrived;                      /* of the first bytes, those that can be read */
    uint64_t delay;                      /* µs */
    uint64_t bandwidth;                  /* bytes a second */
    uint64_t free_at;                    /* when the last byte written is on its way */
    uint64_t stall_until;                /* nothing arrives before */
    uint64_t lost_at;                    /* nothing arrives after */
    uint64_t writer_knows, reader_knows; /* when either end is told of the cut, or CV_NEVER */
    bool fin;
};

/* Both directions between two ends: [0] is written by the dialler. */
struct sim_wire {
    struct sim_pipe pipe[2];
};

struct sim_wire_plan {
    size_t cap;
    uint64_t delay, bandwidth;
};

struct sim_wire *sim_wire_new(struct sim_world *w, const struct sim_wire_plan *plan);

/* As send() and recv() of a socket that does not block: a count, 0 at the end (read), -EAGAIN,
 * -EPIPE, -ECONNRESET. */
ssize_t sim_pipe_write(struct sim_pipe *p, const uint8_t *data, size_t len);
ssize_t sim_pipe_read(struct sim_pipe *p, uint8_t *out, size_t max);

/* The writer says that no more will come. */
void sim_pipe_finish(struct sim_pipe *p);

void sim_wire_stall(struct sim_wire *wire, uint64_t until);

/* The wire dies now. The ends hear of it at their times, CV_NEVER: not from the wire. */
void sim_wire_cut(struct sim_wire *wire, uint64_t dialler_knows, uint64_t acceptor_knows);

/* No more stall; a wire that died stays dead. */
void sim_wire_heal(struct sim_wire *wire);

#endif
