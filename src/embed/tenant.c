#include "embed/tenant.h"

#include "embed/connection.h"
#include "net/linger.h"
#include "net/tunnel.h"

int cv_tenant_init(struct cv_tenant *tenant, uv_loop_t *uv, const struct cv_log *log,
                   const struct cv_tenant_ops *ops)
{
    int rc = cv_loop_init_on(&tenant->loop, uv, log);

    if (rc < 0)
        return rc;
    tenant->ops = ops;
    tenant->budget.limit = CV_TENANT_BUDGET;
    cv_arena_init(&tenant->arena, &tenant->loop.alloc);
    cv_list_init(&tenant->connections);
    return 0;
}

static void on_begin(void *ctx)
{
    struct cv_tenant *tenant = ctx;

    cv_tunnel_abort_all(&tenant->loop, CV_REASON_KILLED);
    cv_connections_wake(tenant);
    tenant->ops->stop(tenant);
}

static void on_cut(void *ctx)
{
    struct cv_tenant *tenant = ctx;

    cv_tunnel_end_all(&tenant->loop, CV_ENDING_LEAVES, CV_REASON_KILLED);
    cv_linger_end(&tenant->loop);
}

static void on_left(void *ctx)
{
    struct cv_tenant *tenant = ctx;

    tenant->ops->gone(tenant);
}

void cv_tenant_close(struct cv_tenant *tenant)
{
    const struct cv_loop_leaving leaving = {
        .begin = on_begin, .cut = on_cut, .left = on_left, .ctx = tenant};

    if (tenant->closing)
        return;
    tenant->closing = true;
    cv_loop_leave(&tenant->loop, &leaving);
}

void cv_tenant_deinit(struct cv_tenant *tenant)
{
    cv_arena_deinit(&tenant->arena);
}
