#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/roll.h"
#include "base/text.h"
#include "net/log.h"
#include "net/notify.h"
#include "net/timer.h"

#define STATE_SIZE   80 /* bytes of other lines */
#define STATUS_EVERY (1 * CV_SEC)
#define STOP_MARGIN  (10 * CV_SEC) /* from the end of a drain to that of the process */

struct service {
    struct service_config config;
    struct cv_notify notify;
    struct cv_timer *status_timer, *watchdog; /* owned; the latter NULL where none is wanted */
    uint64_t watch_every;                     /* microseconds between two signs of life */
    struct cv_roll roll;
    char status[SERVICE_STATUS_SIZE]; /* as it was told last */
};

static void tell(struct service *service, const char *state)
{
    char lines[SERVICE_STATUS_SIZE + STATE_SIZE + 8]; /* STATUS= */

    service->config.status(service->config.ctx, service->status);
    snprintf(lines, sizeof(lines), "%sSTATUS=%s", state, service->status);
    cv_notify_send(&service->notify, lines); /* nobody is left to be told of a failure */
}

static void on_status(void *ctx)
{
    struct service *service = ctx;
    char now[SERVICE_STATUS_SIZE];

    cv_timer_set(service->status_timer, STATUS_EVERY);
    service->config.status(service->config.ctx, now);
    if (strcmp(now, service->status) != 0)
        tell(service, "");
}

/* Watchdog. */

static void all_are_alive(const struct service *service)
{
    cv_notify_send(&service->notify, "WATCHDOG=1");
}

void service_heard(struct service *service, unsigned number)
{
    if (service && cv_roll_answer(&service->roll, number))
        all_are_alive(service);
}

void service_left(struct service *service, unsigned number)
{
    if (service && cv_roll_leave(&service->roll, number))
        all_are_alive(service);
}

static void on_watchdog(void *ctx)
{
    struct service *service = ctx;

    cv_timer_set(service->watchdog, service->watch_every);
    if (!cv_roll_call(&service->roll))
        return;
    if (service->config.loops > 1)
        service->config.ask(service->config.ctx);
    service_heard(service, 0);
}

/* How often a sign of life is wanted, in microseconds: half of what $WATCHDOG_USEC allows (see
 * sd_watchdog_enabled(3)); 0: never. */
static uint64_t watchdog_period(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t allowed, who;

    if (!usec || !cv_text_to_i64(usec, strlen(usec), &allowed) || allowed < 0)
        return 0;
    if (pid && (!cv_text_to_i64(pid, strlen(pid), &who) || who != getpid()))
        return 0;
    return (uint64_t)allowed / 2;
}

static int start_timer(struct cv_timer **out, struct service *service, void (*ring)(void *ctx),
                       uint64_t delay)
{
    int rc = cv_timer_new(out, service->config.loop, ring, service);

    if (rc < 0)
        return rc;
    cv_timer_set(*out, delay);
    cv_timer_unref(*out);
    return 0;
}

int service_new(struct service **out, const struct service_config *config)
{
    const char *where = getenv("NOTIFY_SOCKET");
    struct service *service;
    int rc;

    *out = NULL;
    if (!where)
        return 0;
    service = calloc(1, sizeof(*service));
    if (!service)
        return -ENOMEM;
    service->config = *config;
    cv_roll_init(&service->roll, config->loops);
    rc = cv_notify_open(&service->notify, where);
    if (rc < 0) { /* better unheard of than not there */
        cv_log(&config->loop->log, CV_LOG_WARN, "NOTIFY_SOCKET=%s: %s", where, cv_strerror(rc));
        free(service);
        return 0;
    }
    service->watch_every = watchdog_period();
    rc = start_timer(&service->status_timer, service, on_status, STATUS_EVERY);
    if (rc == 0 && service->watch_every)
        rc = start_timer(&service->watchdog, service, on_watchdog, 0);
    if (rc < 0) {
        service_free(service);
        return rc;
    }
    *out = service;
    return 0;
}

void service_ready(struct service *service)
{
    if (service)
        tell(service, "READY=1\n");
}

void service_reloading(struct service *service)
{
    char state[STATE_SIZE];

    if (!service)
        return;
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu\n",
             (unsigned long long)cv_loop_now(service->config.loop));
    tell(service, state);
}

void service_stopping(struct service *service, uint64_t wait)
{
    unsigned long long time = wait + STOP_MARGIN;
    char state[STATE_SIZE];

    if (!service)
        return;
    snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu\n", time);
    tell(service, state);
}

void service_free(struct service *service)
{
    if (!service)
        return;
    cv_timer_free(service->status_timer);
    cv_timer_free(service->watchdog);
    cv_notify_close(&service->notify);
    free(service);
}

int service_passed(struct cv_passed **out, const struct cv_alloc *alloc)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int64_t who, fds;

    *out = NULL;
    if (!pid || !count || !cv_text_to_i64(pid, strlen(pid), &who) || who != getpid() ||
        !cv_text_to_i64(count, strlen(count), &fds))
        return 0;
    return cv_passed_new(out, alloc, fds, getenv("LISTEN_FDNAMES"));
}
