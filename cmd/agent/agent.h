#ifndef CMD_AGENT_AGENT_H
#define CMD_AGENT_AGENT_H

#include "config/agent.h"
#include "http/files.h"
#include "http/targets.h"
#include "http/uplink.h"
#include "net/log.h"
#include "net/timer.h"
#include "process.h"
#include "service.h"

/* culvert-agent: keeps a session with each server and dials targets for them. */
struct agent {
    const struct cv_agent_config *config; /* borrowed */
    struct cv_log_out log_out;
    struct cv_loop loop;
    struct cv_outbound *outbound;
    struct cv_files *files; /* NULL without --serve */
    struct cv_targets targets;
    struct cv_budget budget;      /* of all sessions */
    struct agent_server *servers; /* of --connect */
    size_t server_count;
    struct discover *discover;    /* NULL without --discover */
    struct cv_ws_header *headers; /* sent with each handshake */
    size_t header_count;
    char *authorization; /* secret */
    struct process_signals signals;
    struct cv_timer *drain_timer;
    uint64_t conns;          /* relayed now */
    uint64_t sessions;       /* with servers, that stand */
    struct service *service; /* NULL without a service manager */
    bool draining;
    bool gone; /* the servers were told */
};

/* A server that is dialled. */
struct agent_server {
    struct agent *agent; /* borrowed */
    const char *url;     /* borrowed */
    struct cv_uplink *uplink;
};

/* What every uplink tells: a session with the server at @url stands, what that asks for, and that
 * it ended. */
void agent_up(struct agent *agent, const char *url, struct cv_tunnel *tunnel);
void agent_down(struct agent *agent);
void agent_event(struct agent *agent, const char *url, struct cv_tunnel *tunnel,
                 const struct cv_session_event *event);

/* What an uplink tells whom: see cv_uplink_config. */
struct agent_uplink {
    void (*up)(void *ctx, struct cv_tunnel *tunnel);
    void (*event)(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event);
    void (*down)(void *ctx, struct cv_tunnel *tunnel, int error, const char *why);
    void *ctx;
    bool found; /* by discovery, where strangers may say what they like */
};

/* Keeps a session with the server at @url, which is borrowed for as long. Errors of
 * cv_uplink_new(). */
int agent_dial(struct agent *agent, struct cv_uplink **out, const struct cv_url *url,
               const struct agent_uplink *owner) CV_MUST_USE;

/* Logs something that a server did, but not as often as it likes. */
void agent_complain(struct agent *agent, const struct cv_tunnel *tunnel, int64_t conn_id,
                    const char *what);

/* A connection ended: a drain may be over. */
void agent_conn_ended(struct agent *agent);

/* Starts everything. @error gets a line without its end. Returns 0, or the code to exit with. */
int agent_start(struct agent *agent, const struct cv_agent_config *config,
                struct cv_config_error *error);

/* Runs until a signal stops it; returns the code to exit with. */
int agent_run(struct agent *agent);

#endif
