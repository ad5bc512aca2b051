#include "http/uplink.h"

#include <errno.h>

#include "base/error.h"
#include "http/features.h"
#include "net/log.h"
#include "net/timer.h"

struct cv_uplink {
    struct cv_loop *loop;         /* borrowed */
    struct cv_outbound *outbound; /* borrowed */
    struct cv_uplink_config config;
    struct cv_upgrade *upgrade; /* while dialling */
    struct cv_tunnel *tunnel;   /* while a session stands */
    struct cv_timer *timer;     /* owned */
    uint64_t up_at;
    uint64_t dials;
    unsigned tries; /* since the last session that lasted */
    bool denied;    /* the last answer was 401 or 403, which was said */
    bool closing;
};

/* Of what happens between two sessions. */
#define ABOUT(uplink) (&(const struct cv_log_about){.client = (uplink)->config.client})

static void dial(struct cv_uplink *uplink);

static void uplink_free(struct cv_uplink *uplink)
{
    cv_timer_free(uplink->timer);
    cv_free(&uplink->loop->alloc, uplink);
}

static void on_timer(void *ctx)
{
    dial(ctx);
}

static void retry(struct cv_uplink *uplink)
{
    uint64_t delay;

    uplink->tries++;
    delay = cv_retry_delay(&uplink->loop->random, uplink->tries, uplink->denied);
    cv_log_about(&uplink->loop->log, CV_LOG_DEBUG, ABOUT(uplink), "%s: next try in %.1f s",
                 uplink->config.url, (double)delay / 1e6);
    cv_timer_set(uplink->timer, delay);
}

static void on_event(void *ctx, struct cv_tunnel *tunnel, const struct cv_session_event *event)
{
    struct cv_uplink *uplink = ctx;

    uplink->config.event(uplink->config.ctx, tunnel, event);
}

static void log_down(const struct cv_uplink *uplink, const struct cv_tunnel *tunnel,
                     const struct cv_tunnel_end *end)
{
    struct cv_log_about about = cv_tunnel_about(tunnel, 0);

    about.reason = cv_ending_name(end->ending);
    if (uplink->closing)
        cv_log_about(&uplink->loop->log, CV_LOG_INFO, &about, "%s: session closed",
                     uplink->config.url);
    else
        cv_log_about(&uplink->loop->log, CV_LOG_WARN, &about, "%s: session lost: %s",
                     uplink->config.url, end->line);
}

static void on_down(void *ctx, struct cv_tunnel *tunnel, const struct cv_tunnel_end *end)
{
    struct cv_uplink *uplink = ctx;

    log_down(uplink, tunnel, end);
    uplink->config.down(uplink->config.ctx, tunnel, end->error,
                        end->text); /* which may close the uplink */
    uplink->tunnel = NULL;
    if (uplink->closing) {
        uplink_free(uplink);
        return;
    }
    if (cv_loop_now(uplink->loop) - uplink->up_at >= CV_RETRY_RESET)
        uplink->tries = 0;
    retry(uplink);
}

static int start_tunnel(struct cv_uplink *uplink, const struct cv_upgrade_end *end)
{
    struct cv_session_config config = uplink->config.session;
    struct cv_tunnel_owner owner = {.event = on_event, .closed = on_down, .ctx = uplink};

    config.culvert = end->culvert;
    config.features = end->features;
    return cv_tunnel_new(&uplink->tunnel, uplink->loop, end->stream, &config, end->early,
                         end->early_len, &owner);
}

static void name(struct cv_uplink *uplink)
{
    const struct cv_uplink_config *config = &uplink->config;
    uint64_t number =
        config->number ? config->number(config->ctx, uplink->tunnel) : ++uplink->loop->sessions;

    cv_tunnel_name(uplink->tunnel, config->client, number);
}

/* The same refusal again and again is said once. */
static void log_refusal(struct cv_uplink *uplink, const struct cv_upgrade_end *end)
{
    bool denied = end->status == 401 || end->status == 403;

    if (denied && uplink->denied)
        return;
    if (uplink->config.found)
        cv_log_cause(uplink->loop, CV_CAUSE_DISCOVERY, NULL, "%s: %s", uplink->config.url,
                     end->text);
    else
        cv_log_about(&uplink->loop->log, CV_LOG_WARN, ABOUT(uplink), "%s: %s%s", uplink->config.url,
                     end->text, denied ? " (asking again ever more rarely)" : "");
    if (denied && !uplink->denied)
        uplink->tries = 0;
    uplink->denied = denied;
}

static void on_upgrade(void *ctx, const struct cv_upgrade_end *end)
{
    struct cv_uplink *uplink = ctx;
    struct cv_log_about about;
    int rc;

    uplink->upgrade = NULL;
    if (!end->stream) {
        if (uplink->config.refused && !uplink->config.refused(uplink->config.ctx, end)) {
            uplink_free(uplink);
            return;
        }
        log_refusal(uplink, end);
        retry(uplink);
        return;
    }
    rc = start_tunnel(uplink, end);
    if (rc < 0) {
        cv_log_about(&uplink->loop->log, CV_LOG_ERROR, ABOUT(uplink), "%s: %s", uplink->config.url,
                     cv_strerror(rc));
        retry(uplink);
        return;
    }
    uplink->denied = false;
    uplink->up_at = cv_loop_now(uplink->loop);
    name(uplink);
    about = cv_tunnel_about(uplink->tunnel, 0);
    cv_log_about(&uplink->loop->log, CV_LOG_INFO, &about, "%s: session up as %s%s",
                 uplink->config.url, uplink->config.key,
                 end->culvert ? "" : " (the server is no Culvert)");
    uplink->config.up(uplink->config.ctx, uplink->tunnel);
}

static void dial(struct cv_uplink *uplink)
{
    const struct cv_uplink_config *config = &uplink->config;
    struct cv_ws_header headers[CV_UPLINK_HEADERS_MAX + 2];
    struct cv_upgrade_options options = {
        .outbound = &config->outbound, .target = config->target, .headers = headers};
    char features[CV_FEATURES_TEXT_MAX];
    int rc;

    uplink->dials++;
    cv_features_write(features, cv_features_ours());
    headers[options.header_count++] =
        (struct cv_ws_header){config->key_header ? config->key_header : "X-Tunnel-ID", config->key};
    headers[options.header_count++] = (struct cv_ws_header){CV_FEATURES_HEADER, features};
    for (size_t i = 0; i < config->header_count; i++)
        headers[options.header_count++] = config->headers[i];
    rc = cv_upgrade_start(&uplink->upgrade, uplink->loop, uplink->outbound, &options, on_upgrade,
                          uplink);
    if (rc < 0) {
        cv_log_about(&uplink->loop->log, CV_LOG_ERROR, ABOUT(uplink), "%s: %s", config->url,
                     cv_strerror(rc));
        retry(uplink);
    }
}

int cv_uplink_new(struct cv_uplink **out, struct cv_loop *loop, struct cv_outbound *outbound,
                  const struct cv_uplink_config *config)
{
    struct cv_uplink *uplink;

    if (config->header_count > CV_UPLINK_HEADERS_MAX)
        return CV_EFULL;
    uplink = cv_alloc_zero(&loop->alloc, sizeof(*uplink));
    if (!uplink)
        return -ENOMEM;
    uplink->loop = loop;
    uplink->outbound = outbound;
    uplink->config = *config;
    if (cv_timer_new(&uplink->timer, loop, on_timer, uplink) < 0) {
        cv_free(&loop->alloc, uplink);
        return -ENOMEM;
    }
    *out = uplink;
    dial(uplink);
    return 0;
}

uint64_t cv_uplink_dials(const struct cv_uplink *uplink)
{
    return uplink->dials;
}

void cv_uplink_close(struct cv_uplink *uplink)
{
    uplink->closing = true;
    if (uplink->tunnel) {
        cv_tunnel_close(uplink->tunnel, CV_ENDING_LEAVES);
        return;
    }
    if (uplink->upgrade)
        cv_upgrade_cancel(uplink->upgrade);
    uplink_free(uplink);
}
