#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "net/flows.h"
#include "net/linger.h"
#include "net/listener.h"
#include "net/log.h"
#include "road.h"

/* culvertctl forward: visitors of local listeners, all over one session. */
struct forwarding {
    struct road road; /* first */
    struct outlet *outlets;
    size_t count; /* that are open */
    uv_signal_t signals[2];
};

/* One that is listened at. */
struct outlet {
    struct forwarding *forwarding;
    const struct cv_forward *rule; /* borrowed */
    struct cv_listener *listener;  /* NULL with datagrams */
    struct cv_flows *flows;        /* NULL without */
};

static const char *address_of(const struct outlet *outlet)
{
    return outlet->flows ? cv_flows_address(outlet->flows) : cv_listener_address(outlet->listener);
}

static const struct cv_log *log_of(const struct outlet *outlet)
{
    return &outlet->forwarding->road.loop.log;
}

static void complain(const struct outlet *outlet, const char *why, size_t len)
{
    const struct cv_forward *rule = outlet->rule;

    cv_log(log_of(outlet), CV_LOG_WARN, "%s to %s/%s/%s: %.*s", address_of(outlet), rule->client,
           cv_proto_name(rule->proto), rule->address, (int)len, why);
}

static void complain_of(const struct outlet *outlet, int error)
{
    const char *why =
        outlet->forwarding->road.tunnel ? cv_strerror(error) : "no session with the server now";

    complain(outlet, why, strlen(why));
}

static void on_ended(void *ctx, const struct cv_relay_end *end)
{
    const struct outlet *outlet = ctx;
    const char *text = end->text_len ? end->text : cv_reason_text(end->reason);

    if (cv_reason_is_error(end->reason) && (outlet->listener || outlet->flows))
        complain(outlet, text, end->text_len ? end->text_len : strlen(text));
}

static void on_accepted(void *ctx, int fd, const char *peer)
{
    struct outlet *outlet = ctx;
    struct road *road = &outlet->forwarding->road;
    const struct cv_forward *rule = outlet->rule;
    struct cv_stream *stream;
    int rc = cv_stream_new(&stream, &road->loop, fd);

    (void)peer;
    if (rc < 0)
        close(fd);
    else
        rc = road_dial(road, stream, rule->client, rule->proto, rule->address, on_ended, outlet);
    if (rc < 0)
        complain_of(outlet, rc);
}

static void on_flow(void *ctx, int fd, const char *peer)
{
    struct outlet *outlet = ctx;
    int rc = road_dial_datagrams(&outlet->forwarding->road, fd, outlet->rule->client,
                                 outlet->rule->address, on_ended, outlet);

    (void)peer;
    if (rc < 0)
        complain_of(outlet, rc);
}

static void stop(struct forwarding *forwarding)
{
    for (size_t i = 0; i < forwarding->count; i++) {
        cv_listener_close(forwarding->outlets[i].listener);
        cv_flows_close(forwarding->outlets[i].flows);
        forwarding->outlets[i].listener = NULL;
        forwarding->outlets[i].flows = NULL;
    }
    road_close(&forwarding->road);
    cv_tunnel_end_all(&forwarding->road.loop, CV_ENDING_LEAVES, CV_REASON_KILLED);
    cv_linger_end(&forwarding->road.loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data);
}

static int open_outlets(struct forwarding *forwarding)
{
    struct road *road = &forwarding->road;
    const struct cv_forwards *rules = &road->config.forwards;

    forwarding->outlets = calloc(rules->count, sizeof(*forwarding->outlets));
    if (!forwarding->outlets)
        return -ENOMEM;
    for (size_t i = 0; i < rules->count; i++) {
        struct outlet *outlet = &forwarding->outlets[i];
        const struct cv_forward *rule = &rules->at[i];
        int rc;

        *outlet = (struct outlet){.forwarding = forwarding, .rule = rule};
        rc = rule->proto == CV_PROTO_UDP
                 ? cv_flows_open(&outlet->flows, &road->loop, rule->listen, on_flow, outlet)
                 : cv_listener_new(&outlet->listener, &road->loop, rule->listen, on_accepted,
                                   outlet);
        if (rc < 0) {
            road_fail(road, EXIT_OPEN, rule->listen, cv_strerror(rc));
            return rc;
        }
        forwarding->count++;
        cv_log(&road->loop.log, CV_LOG_INFO, "%s leads to %s/%s/%s", address_of(outlet),
               rule->client, cv_proto_name(rule->proto), rule->address);
    }
    return 0;
}

/* Whoever finds the listeners open is let through: so they open when the server has let us in. */
static void on_up(struct road *road)
{
    struct forwarding *forwarding = (struct forwarding *)road;

    if (!forwarding->outlets && open_outlets(forwarding) < 0)
        stop(forwarding);
}

static int watch_signals(struct forwarding *forwarding)
{
    static const int numbers[] = {SIGINT, SIGTERM};

    for (size_t i = 0; i < 2; i++) {
        uv_signal_t *handle = &forwarding->signals[i];
        int rc = uv_signal_init(forwarding->road.loop.uv, handle);

        if (rc == 0)
            rc = uv_signal_start(handle, on_signal, numbers[i]);
        if (rc < 0)
            return rc;
        handle->data = forwarding;
        uv_unref((uv_handle_t *)handle);
    }
    return 0;
}

static int run(struct forwarding *forwarding)
{
    struct road *road = &forwarding->road;
    int rc = watch_signals(forwarding), code;

    road->keeps = true;
    road->up = on_up;
    if (rc < 0)
        return command_fail(EXIT_RUN, "forward: %s", cv_strerror(rc));
    code = road_run(road);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&forwarding->signals[i], NULL);
    return code;
}

int command_forward(int argc, char **argv)
{
    struct forwarding forwarding = {.count = 0};
    bool over;
    int code;

    files_raise();
    code = road_init(&forwarding.road, &cv_forward_program, argc, argv, &over);

    if (!over)
        code = run(&forwarding);
    road_deinit(&forwarding.road);
    free(forwarding.outlets);
    return code;
}
