#include "base/error.h"
#include "directory.h"
#include "net/log.h"
#include "visit_parts.h"

bool visit_has_another(struct visit *visit, bool healthy)
{
    struct worker *worker = visit->worker;
    const struct cv_route_wish wish = visit_wish(visit, visit->session);
    struct cv_route route;
    int rc = cv_manager_route(worker->manager, &wish, cv_loop_now(&worker->loop), &route);

    if (rc == 0 && (route.healthy || !healthy))
        return true;
    return server_find(worker->server, visit->client, CV_BALANCE_NEWEST,
                       UINT64_C(1) << worker->index) >= 0 ||
           directory_has_another(visit, healthy);
}

/* Whether a peer says that its own session with the client is the trouble. An agent's words are
 * those of its target's. */
static bool is_peers_loss(const struct visit *visit, enum cv_reason reason, enum cv_failure failure)
{
    return visit->through_peer && reason == CV_REASON_REMOTE &&
           (failure == CV_FAILURE_SESSION || failure == CV_FAILURE_NO_CLIENT);
}

bool visit_may_move(struct visit *visit, enum cv_reason reason, enum cv_failure failure)
{
    if (visit->moved || visit->acked || visit->timed_out || !visit->stream)
        return false;
    if (visit->silent)
        return true;
    return (reason == CV_REASON_SESSION || is_peers_loss(visit, reason, failure)) &&
           visit_has_another(visit, false);
}

void visit_move(struct visit *visit)
{
    cv_log_about(&visit->worker->loop.log, CV_LOG_INFO, VISIT_ABOUT(visit),
                 "%s: visitor %s to %s/%s/%s: session %llu %s: another one is tried", visit->door,
                 visit->peer, visit->client, cv_proto_name(visit->proto), visit->address,
                 (unsigned long long)visit->session, visit->silent ? "is silent" : "was lost");
    if (visit->linked)
        directory_failed(visit);
    else
        server_lighter(visit->worker, visit->client, worker_balance(visit->worker, visit->client));
    visit->moved = true;
    visit->asked = false;
    visit->but = visit->session;
    visit->tried = 0;
    visit->settles = false;
    visit->met_silent = visit->silent;
    visit->peer_says = false;
    visit->problem = CV_ECLOSED;
    visit->early_sent = 0;
    visit->told_ready = false;
    cv_list_remove(&visit->link);
    visit_stop_waiting(visit);
    cv_timer_free(visit->timer);
    visit->timer = NULL;
    visit->fd = cv_pair_release(visit->stream, &visit->pair);
    visit->stream = NULL;
    visit_serve(visit);
}
