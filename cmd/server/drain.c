#include "base/error.h"
#include "net/log.h"
#include "server.h"

/* Stopping: the doors close, agents are told to go one by one, and when all are gone and nothing
 * runs, or it took too long, the rest is told too. */

#define LAST_MOMENT (1 * CV_SEC) /* for close frames, and for what sinks take at once */

/* Agents come back somewhere: so many of them in a second. */
#define PARTING_GAP (10 * CV_MSEC)

static const struct cv_log *log_of(const struct server *server)
{
    return &server->workers[0].loop.log;
}

static void order_all(struct server *server, enum worker_order order)
{
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_order(&server->workers[i], order);
}

/* Nobody is waited for any longer. */
static void on_last_moment(uv_timer_t *timer)
{
    order_all(timer->data, WORKER_END);
}

/* Tells everybody to go; what is still open has a last moment. */
static void dismiss(struct server *server)
{
    if (atomic_exchange(&server->gone, true))
        return;
    admin_close(server->admin);
    peering_close(server->peering);
    directory_close(server->directory);
    order_all(server, WORKER_DISMISS);
    uv_timer_start(&server->drain_timer, on_last_moment, LAST_MOMENT / CV_MSEC, 0);
    uv_unref((uv_handle_t *)&server->drain_timer); /* when everybody is gone sooner, so are we */
}

static bool is_drained(struct server *server)
{
    return atomic_load(&server->draining) && atomic_load(&server->conns) == 0 &&
           atomic_load(&server->agents) == 0 && atomic_load(&server->busy_doors) == 0;
}

static void check_drained(struct server *server)
{
    if (is_drained(server))
        dismiss(server);
}

static void on_idle(struct cv_mail *mail, void *ctx, bool lost)
{
    const struct worker *first = ctx;
    struct worker *worker = cv_container_of(mail, struct worker, idle);

    atomic_store(&worker->told_idle, false); /* a dial of a peer's may have come between */
    if (!lost)
        check_drained(first->server);
}

void server_check_drained(struct worker *worker)
{
    struct server *server = worker->server;

    if (worker->index == 0) {
        check_drained(server);
    } else if (is_drained(server) && !atomic_exchange(&worker->told_idle, true)) {
        worker->idle.deliver = on_idle;
        cv_mailbox_post(&server->workers[0].mailbox, &worker->idle);
    }
}

void server_worker_ended(struct worker *worker)
{
    struct server *server = worker->server;

    worker->over = true;
    service_left(server->service, worker->index);
    if (--server->running == 0)
        cv_mailbox_unref(&server->workers[0].mailbox);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    struct server *server = timer->data;

    cv_log(log_of(server), CV_LOG_WARN, "drain: %llu connections did not end in time",
           (unsigned long long)atomic_load(&server->conns));
    dismiss(server);
}

/* How long it takes to tell all agents: the more there are, at most half of the time. */
static uint64_t parting_window(const struct server *server)
{
    uint64_t agents = atomic_load(&server->agents);

    return cv_min_time(agents ? (agents - 1) * PARTING_GAP : 0, server->config->drain_timeout / 2);
}

static void start(struct server *server)
{
    server->parting_window = parting_window(server);
    atomic_store(&server->busy_doors, server->worker_count);
    atomic_store(&server->draining, true);
    service_stopping(server->service, server->config->drain_timeout);
    admin_event(server->admin, "drain", "", "no more work is taken");
    cv_log(log_of(server), CV_LOG_INFO,
           "draining: %llu connections are open; %llu agents are told to go within %.1f s",
           (unsigned long long)atomic_load(&server->conns),
           (unsigned long long)atomic_load(&server->agents), (double)server->parting_window / 1e6);
    rooms_close(server->rooms);
    advertise_close(server->advertise);
    server->advertise = NULL;
    publish_close(server->publish);
    uv_timer_start(&server->drain_timer, on_drain_timeout, server->config->drain_timeout / CV_MSEC,
                   0);
    order_all(server, WORKER_CLOSE);
    check_drained(server);
}

void server_drain(struct server *server, bool urgent)
{
    if (!atomic_load(&server->draining))
        start(server);
    else if (urgent && atomic_load(&server->gone))
        on_last_moment(&server->drain_timer);
    else if (urgent)
        dismiss(server); /* the second signal does not wait */
}
