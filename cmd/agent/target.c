#include "target.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "net/connect.h"

/* What is published is allowed besides, as it was named. */
static bool allowed(void *ctx, const struct cv_target *target, const struct cv_ip *ip)
{
    const struct agent *agent = ctx;
    const struct cv_patterns *allows = &agent->config->allows;
    const struct cv_patterns *published = &agent->config->publishes.targets;

    return cv_allow_check(allows->at, allows->count, target, ip) ||
           (published->count && cv_allow_check(published->at, published->count, target, ip));
}

/* Connects to the file service in this process. */
static int dial_files(struct agent *agent)
{
    int pair[2];
    int rc = cv_connect_pair(pair);

    if (rc < 0)
        return rc;
    rc = cv_files_serve(agent->files, pair[1]);
    if (rc == 0)
        return pair[0];
    close(pair[0]);
    close(pair[1]);
    return rc;
}

static bool serve(void *ctx, const struct cv_target *target, int *fd)
{
    struct agent *agent = ctx;

    if (!agent->files || target->proto != CV_PROTO_TCP || target->port != FILES_PORT ||
        target->host_len != strlen(FILES_HOST) ||
        strncasecmp(target->host, FILES_HOST, target->host_len) != 0)
        return false;
    *fd = dial_files(agent);
    return true;
}

static void opened(void *ctx)
{
    struct agent *agent = ctx;

    agent->conns++;
}

static void ended(void *ctx)
{
    agent_conn_ended(ctx);
}

void target_init(struct agent *agent)
{
    agent->targets = (struct cv_targets){.loop = &agent->loop,
                                         .allowed = allowed,
                                         .serve = serve,
                                         .opened = opened,
                                         .ended = ended,
                                         .ctx = agent};
}

void target_connect(struct agent *agent, struct cv_tunnel *tunnel,
                    const struct cv_session_event *event)
{
    if (agent->draining)
        cv_targets_refuse(&agent->targets, tunnel, event, "the agent stops");
    else
        cv_targets_connect(&agent->targets, tunnel, event);
}
