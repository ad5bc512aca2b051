#ifndef CMD_SERVER_LIVE_PART_H
#define CMD_SERVER_LIVE_PART_H

#include <jansson.h>

#include "totals.h"
#include "worker.h"

/* What one worker says for a live document. */

/* What changes of a session. */
struct live_row {
    uint64_t id;
    uint64_t bytes_in, bytes_out;
    uint64_t rtt; /* microseconds, or CV_NEVER */
    uint32_t conns;
};

/* In the order of ids, of those that are described. */
struct live_rows {
    struct live_row *at; /* owned; NULL: none */
    size_t count, size;
};

struct live_ids {
    uint64_t *at; /* owned; NULL: none */
    size_t count, size;
};

struct live_part {
    /* Asked: whole objects of all, or only of those with a higher id; and how many at most. */
    bool whole;
    uint64_t after_session, after_visit;
    uint64_t after_measured; /* and whose round trips are measured */
    size_t most;

    /* Answered. */
    bool failed;       /* for want of memory */
    uint64_t measured; /* the last one whose round trip is, when others wait for theirs; else 0 */
    json_t *clients, *conns, *peers;
    struct live_rows rows;
    struct live_ids visits;
    struct totals totals;
};

/* On @worker's thread. */
void live_part_fill(struct live_part *part, struct worker *worker);
void live_part_deinit(struct live_part *part);

/* Adds @more and sorts by id; false without memory. */
bool live_rows_add(struct live_rows *rows, const struct live_rows *more);
bool live_ids_add(struct live_ids *ids, const struct live_ids *more);

/* What became of @before: `[session, conns, bytes_in, bytes_out, rtt_ms]` for each that changed,
 * and the ids of those that are gone. Both are sorted. */
json_t *live_rows_changed(const struct live_rows *before, const struct live_rows *now);
json_t *live_rows_gone(const struct live_rows *before, const struct live_rows *now);
json_t *live_ids_gone(const struct live_ids *before, const struct live_ids *now);

#endif
