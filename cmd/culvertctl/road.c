#include "road.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "command.h"
#include "config/print.h"
#include "culvert_version.h"
#include "http/front.h"
#include "http/reach.h"
#include "net/datagrams.h"
#include "net/log.h"

#define NAME "culvertctl" /* what we call ourselves in the server's log */

static void write_line(void *ctx, enum cv_log_level level, const char *line)
{
    const struct road *road = ctx;

    (void)level;
    fprintf(stderr, "%s: %s\n", road->config.common.program->name, line);
}

/* Lines without fields: who reads them sits before the one session that there is. */
static bool write_about(void *ctx, enum cv_log_level level, const char *line,
                        const struct cv_log_about *about)
{
    (void)about;
    write_line(ctx, level, line);
    return true;
}

void road_fail(struct road *road, int code, const char *what, const char *why)
{
    if (road->code == EXIT_OK)
        road->code = code;
    cv_log(&road->loop.log, CV_LOG_ERROR, "%s: %s", what, why);
}

/* What may help. */
static const char *hint(const struct road *road, int status)
{
    if (status == 401 && !road->authorization)
        return " (a visitor's token is needed: --token-file FILE, or CULVERT_TOKEN)";
    if (status == 401)
        return " (is it the token of a line `visitor` in the server's token file?)";
    if (status == 404 || status == 405 || status == 426)
        return " (is that the URL that agents connect to?)";
    return "";
}

static bool on_refused(void *ctx, const struct cv_upgrade_end *end)
{
    struct road *road = ctx;
    char why[500];

    if (road->keeps && road->was_up)
        return true;
    snprintf(why, sizeof(why), "%s%s", end->text, hint(road, end->status));
    road_fail(road, EXIT_RUN, road->config.servers.at[0].text, why);
    road->uplink = NULL;
    return false;
}

static void on_up(void *ctx, struct cv_tunnel *tunnel)
{
    struct road *road = ctx;

    road->tunnel = tunnel;
    road->was_up = true;
    road->up(road);
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    (void)ctx;
    if (event->kind == CV_EVENT_CONNECT)
        cv_tunnel_abort(tunnel, event->conn_id, CV_REASON_REFUSED, "connect not allowed");
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, int error, const char *why)
{
    struct road *road = ctx;

    (void)tunnel, (void)error, (void)why;
    road->tunnel = NULL;
    if (road->keeps || !road->uplink)
        return;
    road->code = EXIT_RUN; /* the uplink has said why */
    road_close(road);
}

void road_close(struct road *road)
{
    struct cv_uplink *uplink = road->uplink;

    road->uplink = NULL;
    if (uplink)
        cv_uplink_close(uplink);
}

static int open_conn(struct road *road, const char *client, enum cv_proto proto,
                     const char *address, int64_t *conn_id)
{
    char through[CV_KEY_MAX + sizeof("::unix")];
    int rc;

    if (!road->tunnel)
        return CV_ENOSESSION;
    snprintf(through, sizeof(through), "%s::%s", client, cv_proto_name(proto));
    rc = cv_session_dial(cv_tunnel_session(road->tunnel), through, address, NULL,
                         cv_loop_now(&road->loop), conn_id);
    if (rc == 0)
        cv_tunnel_touch(road->tunnel);
    return rc;
}

/* What the connection was opened for could not be made. */
static int abandon(struct road *road, int64_t conn_id, int rc)
{
    cv_tunnel_abort(road->tunnel, conn_id, CV_REASON_LOCAL, cv_strerror(rc));
    return rc;
}

int road_dial(struct road *road, struct cv_stream *stream, const char *client, enum cv_proto proto,
              const char *address, cv_relay_ended *ended, void *ctx)
{
    int64_t conn_id;
    int rc = open_conn(road, client, proto, address, &conn_id);

    if (rc < 0) {
        cv_stream_reset(stream);
        cv_stream_close(stream);
        return rc;
    }
    rc = cv_relay_new(road->tunnel, conn_id, stream, ended, ctx);
    return rc < 0 ? abandon(road, conn_id, rc) : 0;
}

int road_dial_datagrams(struct road *road, int fd, const char *client, const char *address,
                        cv_relay_ended *ended, void *ctx)
{
    int64_t conn_id;
    int rc = open_conn(road, client, CV_PROTO_UDP, address, &conn_id);

    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = cv_datagrams_new(road->tunnel, conn_id, fd, true, road->config.udp_idle, ended, ctx);
    return rc < 0 ? abandon(road, conn_id, rc) : 0;
}

/* What CULVERT_SERVER holds comes in front of the flags, where it counts least. */
static int load(struct road *road, const struct cv_program *program, int argc, char **argv,
                struct cv_config_error *error)
{
    const char *server = getenv("CULVERT_SERVER");
    const char **words = calloc((size_t)argc + 4, sizeof(*words));
    int count = 0, rc;

    if (!words)
        return cv_config_error_memory(error, program->name);
    words[count++] = program->name;
    if (server && *server) {
        words[count++] = "--server";
        words[count++] = server;
    }
    for (int i = 0; i < argc; i++)
        words[count++] = argv[i];
    rc = cv_visit_config_init(&road->config, program, &road->alloc, getenv("CULVERT_TOKEN"), count,
                              words, error);
    free(words);
    return rc;
}

int road_init(struct road *road, const struct cv_program *program, int argc, char **argv,
              bool *over)
{
    struct cv_config_error error;
    struct cv_log log = {.write = write_line, .write_about = write_about, .ctx = road};
    const char *bad;
    int rc;

    memset(road, 0, sizeof(*road));
    road->alloc = cv_heap();
    *over = true;
    if (load(road, program, argc, argv, &error) < 0) {
        fprintf(stderr, "%s\n", error.line);
        return EXIT_USAGE;
    }
    if (road->config.common.action == CV_CONFIG_HELP)
        cv_options_help(stdout, program);
    else if (road->config.common.action == CV_CONFIG_VERSION)
        printf("culvertctl %s (%s)\n", CULVERT_VERSION, CULVERT_COMMIT);
    if (road->config.common.action != CV_CONFIG_RUN)
        return EXIT_OK;
    bad = cv_reach_unreadable(&road->config.outward);
    if (bad) {
        fprintf(stderr, "%s: %s: %s\n", program->name, bad, strerror(errno));
        return EXIT_USAGE;
    }
    log.level = program == &cv_forward_program ? CV_LOG_INFO : CV_LOG_WARN;
    rc = cv_loop_init(&road->loop, &log);
    if (rc < 0)
        return command_fail(EXIT_RUN, "event loop: %s", cv_strerror(rc));
    *over = false;
    return EXIT_OK;
}

static int start(struct road *road)
{
    const struct cv_url *url = &road->config.servers.at[0];
    struct cv_uplink_config uplink = {
        .url = url->text,
        .target = url->target,
        .key = NAME,
        .key_header = CV_VISITOR_HEADER,
        .headers = &road->header,
        .session = cv_session_defaults(CV_SESSION_DIALLER),
        .refused = on_refused,
        .up = on_up,
        .event = on_event,
        .down = on_down,
        .ctx = road,
    };
    int rc = cv_reach_authorization(&road->authorization, &road->config.outward);

    if (rc == 0)
        rc = cv_outbound_new(&road->outbound, &road->loop);
    if (rc < 0)
        return rc;
    road->header = (struct cv_ws_header){"Authorization", road->authorization};
    uplink.header_count = road->authorization ? 1 : 0;
    snprintf(uplink.session.name, sizeof(uplink.session.name), "client");
    cv_reach_outbound(&uplink.outbound, &road->config.outward, url);
    return cv_uplink_new(&road->uplink, &road->loop, road->outbound, &uplink);
}

int road_run(struct road *road)
{
    int rc = start(road);

    if (rc < 0)
        road_fail(road, EXIT_RUN, road->config.servers.at[0].text, cv_strerror(rc));
    else
        uv_run(road->loop.uv, UV_RUN_DEFAULT);
    return road->code;
}

void road_deinit(struct road *road)
{
    if (road->loop.read_buf) {
        cv_outbound_free(road->outbound);
        cv_reach_forget(road->authorization);
        uv_run(road->loop.uv, UV_RUN_DEFAULT);
        if (cv_loop_deinit(&road->loop) < 0)
            command_fail(EXIT_RUN, "a handle was left open");
    }
    cv_visit_config_deinit(&road->config);
}
