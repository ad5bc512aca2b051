#ifndef CV_EMBED_TENANT_H
#define CV_EMBED_TENANT_H

#include <culvert/connection.h>

#include "base/budget.h"
#include "config/arena.h"
#include "net/loop.h"

/* What an agent and a dialler have in common: their place on the program's loop, their connections,
 * and the way to their end. */
struct cv_tenant;

struct cv_tenant_ops {
    /* Gives @connection its tunnel, by cv_connection_begin(). Returns 0; 1 when there will be one
     * or an end of the waiting; or why there is none. NULL: nobody dials. */
    int (*dial)(struct cv_tenant *tenant, struct cv_connection *connection);

    /* It ends: tells other ends. */
    void (*stop)(struct cv_tenant *tenant);

    /* Nothing of it is on the loop any more: the last call, which frees it. */
    void (*gone)(struct cv_tenant *tenant);
};

struct cv_tenant {
    const struct cv_tenant_ops *ops;
    struct cv_loop loop;
    struct cv_arena arena;      /* of what it was told */
    struct cv_budget budget;    /* of all sessions */
    struct cv_list connections; /* all that have not ended */
    bool closing;
};

#define CV_TENANT_BUDGET ((size_t)512 * 1024 * 1024) /* bytes of all read buffers */

/* Returns 0, -ENOMEM or libuv's code. On success cv_tenant_close() frees, by ops->gone(). */
int cv_tenant_init(struct cv_tenant *tenant, uv_loop_t *uv, const struct cv_log *log,
                   const struct cv_tenant_ops *ops) CV_MUST_USE;

/* Begins the end, from the loop. A second call does nothing. */
void cv_tenant_close(struct cv_tenant *tenant);

/* Clears what it was told; the last thing before its memory is freed. */
void cv_tenant_deinit(struct cv_tenant *tenant);

#endif
