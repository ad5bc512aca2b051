#include "web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "base/error.h"
#include "net/log.h"
#include "server.h"
#include "visit.h"

static size_t answer(void *ctx, const struct visit_outcome *outcome, char out[VISIT_ANSWER_MAX])
{
    _Static_assert(CV_UPSTREAM_OUTCOME_MAX <= VISIT_ANSWER_MAX, "an outcome fits");
    (void)ctx;
    return cv_upstream_outcome(out, outcome->failure, outcome->text);
}

static void ended(void *ctx, const struct cv_relay_end *end)
{
    bool error = end && cv_reason_is_error(end->reason);
    const char *text = error && end->text_len == 0 ? cv_reason_text(end->reason) : NULL;

    if (text)
        cv_upstream_ended(ctx, error, text, strlen(text));
    else
        cv_upstream_ended(ctx, error, end ? end->text : NULL, end ? end->text_len : 0);
}

static const struct visit_way web_way = {.answer = answer, .ended = ended};

/* The gateway has judged what the visitor may reach, request by request. */
static void dial(void *ctx, const struct cv_upstream_dial *dial)
{
    visit_start(ctx, &(struct visit_options){
                         .way = &web_way,
                         .door = "HTTP door",
                         .peer = dial->peer,
                         .client = dial->target->client,
                         .proto = CV_PROTO_TCP,
                         .address = dial->target->address,
                         .fd = dial->fd,
                         .pair = dial->pair,
                         .digest = dial->target->has_digest ? dial->target->digest : NULL,
                         .from = CV_ROUTE_VISITOR,
                         .place = VISIT_PLACE_OTHERS,
                         .wait = dial->wait,
                         .ctx = dial->call});
}

static const struct cv_credentials *credentials_now(void *ctx)
{
    return ((struct worker *)ctx)->credentials;
}

static bool published(void *ctx, struct cv_slice host, struct cv_upstream_target *out)
{
    return publish_find(((struct worker *)ctx)->server->publish, host, out);
}

static int enter(void *ctx, const uint8_t digest[CV_TOKEN_DIGEST])
{
    int rc = admit_token(ctx, digest);

    if (rc < 0)
        visit_count_refused(ctx, rc);
    return rc;
}

static void leave(void *ctx, const uint8_t digest[CV_TOKEN_DIGEST])
{
    admit_leave_token(ctx, digest);
}

static void left(void *ctx, const char *peer)
{
    admit_leave(ctx, peer);
}

static void answered(void *ctx, int status)
{
    counts_status(((struct worker *)ctx)->counts.answered, status);
}

static void refused(void *ctx)
{
    ((struct worker *)ctx)->counts.strangers++;
}

int web_open(struct worker *worker)
{
    const struct cv_server_config *config = worker->server->config;
    const struct cv_gateway_config gateway = {.loop = &worker->loop,
                                              .credentials = credentials_now,
                                              .dial = dial,
                                              .published = published,
                                              .enter = enter,
                                              .leave = leave,
                                              .left = left,
                                              .emptied = worker_door_emptied,
                                              .answered = answered,
                                              .refused = refused,
                                              .ctx = worker,
                                              .ca_file = config->target_ca,
                                              .max_body = config->max_body,
                                              .stall = config->http_stall,
                                              .idle = config->http_idle};

    return cv_gateway_new(&worker->gateway, &gateway);
}
