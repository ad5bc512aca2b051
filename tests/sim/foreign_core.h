#ifndef TESTS_SIM_FOREIGN_CORE_H
#define TESTS_SIM_FOREIGN_CORE_H

/* What foreign.c, reference.c and garbage.c share; nobody else includes it. */

#include "sim/foreign.h"
#include "sim/stream.h"
#include "wire/frame.h"
#include "ws/ws.h"

/* Bytes that wait, without a bound. */
struct sim_bytes {
    uint8_t *data;
    size_t start, len, size;
};

void sim_bytes_append(struct sim_world *w, struct sim_bytes *bytes, const void *data, size_t len);
void sim_bytes_drop(struct sim_bytes *bytes, size_t len);

struct sim_foreign {
    struct sim_actor actor;
    struct sim_world *w;
    struct sim_foreign_plan plan;
    struct sim_wire *wire;
    struct sim_pipe *in, *out;
    struct cv_ws ws;
    struct sim_bytes output, message;
    struct cv_list conns; /* of reference.c, those whose socket is not done too */
    int64_t next_id, frame_id;
    uint64_t ping_at, sync_at, heard_at, act_at;
    int64_t seen_ids[8]; /* GARBAGE: of Connects */
    bool alive;
    void (*ended)(void *ctx, struct sim_foreign *f);
    void *ctx;
};

/* Queues one frame as one message, in fragments of 4096 bytes at an agent. */
void sim_foreign_send(struct sim_foreign *f, int64_t type, int64_t conn_id, const void *body,
                      size_t len);

/* Queues raw WebSocket bytes: a whole frame of @opcode. */
void sim_foreign_ws(struct sim_foreign *f, enum cv_ws_opcode opcode, bool fin, const void *body,
                    size_t len);

/* reference.c */
void sim_reference_message(struct sim_foreign *f, const struct cv_frame *frame, const uint8_t *body,
                           size_t len);
void sim_reference_pump(struct sim_foreign *f);
void sim_reference_lost(struct sim_foreign *f); /* the wire is gone */
void sim_reference_sync(struct sim_foreign *f);
void sim_reference_visit(struct sim_foreign *f, struct sim_transfer *x);
size_t sim_reference_conns(const struct sim_foreign *f);

/* garbage.c */
void sim_garbage_message(struct sim_foreign *f, const struct cv_frame *frame);
void sim_garbage_act(struct sim_foreign *f);

#endif
