#ifndef TESTS_SIM_SOCK_H
#define TESTS_SIM_SOCK_H

#include <sys/types.h>

#include "sim/world.h"

/* A scripted socket, a visitor's or a target's: a source whose byte at each position is known, and
 * a sink that checks each byte by its position. So order, loss and repetition show at the first
 * wrong byte. */

/* One direction of a transfer, from a source to a sink. */
struct sim_flow {
    uint64_t key;   /* of the byte pattern */
    uint64_t sent;  /* bytes read from the source */
    uint64_t got;   /* bytes that the sink took; got <= sent */
    bool ended;     /* the source said its orderly end */
    bool fin_seen;  /* the sink was told of it */
    bool unchecked; /* a hostile end writes into it */
};

enum sim_source_end {
    SIM_END_FIN,   /* in order, when all is sent and `need` bytes came */
    SIM_END_HOLD,  /* only after the other direction ended */
    SIM_END_RESET, /* with an error, at that point */
};

struct sim_sock_plan {
    uint64_t total; /* bytes that the source has */
    uint64_t need;  /* bytes that must have come before the source ends */
    enum sim_source_end end;
    bool echo;                    /* the source gives back as many bytes as came */
    uint64_t burst, burst_every;  /* the source has so many more every so many µs */
    uint64_t room;                /* of the sink's buffer */
    uint64_t drain, drain_every;  /* the sink's reader takes so many every so many µs */
    uint64_t stall_at, stall_for; /* and stops for that long after so many bytes */
    uint64_t sink_fails_at;       /* bytes after which the sink is reset, or CV_NEVER */
};

/* The owner hears that it may read or write. */
struct sim_sock {
    struct sim_world *w;
    struct sim_actor actor;
    struct sim_sock_plan plan;
    struct sim_flow *out, *in; /* borrowed */
    uint64_t offered;          /* bytes that the source has had so far */
    uint64_t held;             /* bytes in the sink's buffer */
    uint64_t burst_at, drain_at;
    bool stalled;  /* its one stall is behind it */
    bool in_ended; /* no more will be written to the sink */
    bool closed;
    void (*ready)(void *ctx, struct sim_sock *sock);
    void *ctx;
};

struct sim_sock *sim_sock_new(struct sim_world *w, const struct sim_sock_plan *plan,
                              struct sim_flow *out, struct sim_flow *in);

/* As a socket's: a count; read 0 at the end; -EAGAIN, -ECONNRESET. */
ssize_t sim_sock_read(struct sim_sock *sock, uint8_t *into, size_t max);
ssize_t sim_sock_write(struct sim_sock *sock, const uint8_t *data, size_t len);

void sim_sock_shutdown(struct sim_sock *sock); /* the sink will get no more */
void sim_sock_close(struct sim_sock *sock);

bool sim_sock_readable(const struct sim_sock *sock);

/* Writes the pattern's bytes from @position on. */
void sim_pattern_fill(const struct sim_flow *flow, uint64_t position, uint8_t *out, size_t len);

#endif
