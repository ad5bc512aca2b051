#ifndef CMD_SERVER_TOTALS_H
#define CMD_SERVER_TOTALS_H

#include <jansson.h>

#include "worker.h"

/* What /metrics and the status say, of one worker or of all together. */
struct totals {
    struct cv_session_stats stats;
    struct counts counts;
    uint64_t conns;                              /* in sessions, now */
    uint64_t ignored;                            /* announcements */
    struct counts_lag lag[CV_LIMIT_THREADS_MAX]; /* of each worker */
};

/* Adds @worker's, on its own thread. */
void totals_add(struct totals *totals, struct worker *worker);

/* Adds what another worker counted. */
void totals_merge(struct totals *totals, const struct totals *other);

/* Writes them in the text format of Prometheus. @peers: those of the API, borrowed; @reconnects: of
 * agents. Returns the text, ended by NUL, for free(), or NULL without memory. */
char *totals_write(const struct totals *totals, const struct server *server, const json_t *peers,
                   uint64_t reconnects, size_t *len);

#endif
