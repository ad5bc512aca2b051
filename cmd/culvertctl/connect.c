#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/key.h"
#include "command.h"
#include "net/inout.h"
#include "net/log.h"
#include "road.h"

/* culvertctl connect: one target at standard input and output. */
struct connect {
    struct road road; /* first */
    struct cv_inout inout;
    char why[200]; /* the connection ended with an error; else empty */
};

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    struct connect *connect = ctx;
    const char *text = end->text_len ? end->text : cv_reason_text(end->reason);
    size_t len = end->text_len ? end->text_len : strlen(text);

    if (cv_reason_is_error(end->reason))
        snprintf(connect->why, sizeof(connect->why), "%.*s", (int)len, text);
    road_close(&connect->road);
}

static void on_up(struct road *road)
{
    struct connect *connect = (struct connect *)road;
    const struct cv_destination *to = &road->config.destination;
    struct cv_stream *stream;
    int rc = cv_inout_open(&connect->inout, &road->loop, STDIN_FILENO, STDOUT_FILENO, &stream);

    if (rc == 0)
        rc = road_dial(road, stream, to->client, to->proto, to->address, on_ended, connect);
    if (rc == 0)
        return;
    road_fail(road, EXIT_RUN, to->client, cv_strerror(rc));
    road_close(road);
}

/* What went wrong at our own ends comes first: it is why the connection was given up. */
static int finish(struct connect *connect)
{
    struct road *road = &connect->road;
    const struct cv_destination *to = &road->config.destination;
    char what[CV_CONNECT_TARGET_MAX + CV_KEY_MAX + 8];

    snprintf(what, sizeof(what), "%s/%s%s", to->client, to->proto == CV_PROTO_UNIX ? "unix/" : "",
             to->address);
    if (connect->inout.out_error == -EPIPE && signal(SIGPIPE, SIG_DFL) != SIG_ERR)
        raise(SIGPIPE); /* as every filter ends whose reader has gone */
    if (connect->inout.in_error)
        road_fail(road, EXIT_RUN, "standard input", strerror(-connect->inout.in_error));
    else if (connect->inout.out_error)
        road_fail(road, EXIT_RUN, "standard output", strerror(-connect->inout.out_error));
    else if (connect->why[0] && road->code == EXIT_OK)
        road_fail(road, EXIT_RUN, what, connect->why);
    return road->code;
}

int command_connect(int argc, char **argv)
{
    struct connect connect = {.inout = {.fd = -1}};
    bool over;
    int code = road_init(&connect.road, &cv_connect_program, argc, argv, &over);

    if (!over) {
        connect.road.up = on_up;
        code = road_run(&connect.road);
        cv_inout_join(&connect.inout);
        if (code == EXIT_OK)
            code = finish(&connect);
    }
    road_deinit(&connect.road);
    return code;
}
