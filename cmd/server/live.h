#ifndef CMD_SERVER_LIVE_H
#define CMD_SERVER_LIVE_H

#include "http/admin.h"
#include "worker.h"

struct admin;

/* What those who watch at /api/v1/live are told, see docs/openapi.yaml: everything once, then what
 * changed, a document a second for all of them together, and events as they occur. When nobody
 * watches nothing is done. One who does not take what is sent has two documents waiting at most,
 * and misses others until it is told everything anew. On the main thread, but for live_ring(). */
struct live;

#define LIVE_ROWS_MAX 20000 /* sessions, and visits, that a document describes */

/* All is borrowed. Returns 0 or -ENOMEM. */
int live_new(struct live **out, struct admin *admin, struct server *server,
             struct cv_admin *http) CV_MUST_USE;

/* As struct cv_admin_ops. */
void live_watched(struct live *live, uint64_t id);
void live_told(struct live *live, uint64_t id);
void live_unwatched(struct live *live, uint64_t id);

/* An event occurred; from any thread. NULL is fine. */
void live_ring(struct live *live);

/* Tells nobody anything any more. NULL is fine. */
void live_close(struct live *live);

/* After the last mailbox is closed. NULL is fine. */
void live_free(struct live *live);

#endif
