#include "session_end.h"

#include <stdio.h>

#include "net/log.h"
#include "worker.h"

static void complain(const struct session_end *end, const struct cv_tunnel *tunnel, int64_t conn_id,
                     const char *what)
{
    const struct cv_log *log = &end->worker->loop.log;
    const struct cv_log_about about = cv_tunnel_about(tunnel, conn_id);

    if (cv_log_admit(log, CV_LOG_WARN, end->complaints, cv_loop_now(&end->worker->loop), &about))
        cv_log_about(log, CV_LOG_WARN, &about, "%s %s: connection %lld: %s", end->kind, end->name,
                     (long long)conn_id, what);
}

static void connect_asked(const struct session_end *end, struct cv_tunnel *tunnel,
                          const struct cv_session_event *event)
{
    int64_t conn_id = event->conn_id; /* the event borrows from the session */

    if (end->dialler) {
        session_dial(end->worker, tunnel, end->dialler, event);
        return;
    }
    complain(end, tunnel, conn_id, "it wants to dial from here: refused");
    cv_tunnel_abort(tunnel, conn_id, CV_REASON_REFUSED, "connect not allowed");
}

static void client_announced(const struct session_end *end, const struct cv_tunnel *tunnel,
                             const struct cv_session_event *event)
{
    const char *why = end->announced ? end->announced(end->ctx, event) : "it is no peer's";
    char line[120];

    if (!why)
        return;
    snprintf(line, sizeof(line), "an announcement was ignored: %s", why);
    complain(end, tunnel, 0, line);
}

void session_end_event(const struct session_end *end, struct cv_tunnel *tunnel,
                       const struct cv_session_event *event)
{
    switch (event->kind) {
    case CV_EVENT_CONNECT:
        connect_asked(end, tunnel, event);
        break;
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
        client_announced(end, tunnel, event);
        break;
    case CV_EVENT_NOTICE:
        complain(end, tunnel, event->conn_id, cv_notice_text(event->notice));
        break;
    case CV_EVENT_PUBLISHED: /* we ask for nothing */
    case CV_EVENT_CONNECTED:
    case CV_EVENT_SILENT:
    case CV_EVENT_DATA:
    case CV_EVENT_FIN:
    case CV_EVENT_DRAIN:
    case CV_EVENT_CLOSED:
        break; /* the tunnel hands these to endpoints */
    }
}
