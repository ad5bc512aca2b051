#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access/target.h"
#include "base/error.h"
#include "base/text.h"
#include "door/http_forward.h"
#include "http/gateway_core.h"
#include "net/digest.h"
#include "net/log.h"

/* What is understood of a request's target. Borrows from the head. */
struct aim {
    struct cv_slice path, query; /* as they go on */
    struct cv_slice host;        /* what Host says */
    struct cv_http_gate gate;    /* of a path of ours */
};

/* Whether the visitor's token lets it reach the target; else it is answered. */
static bool may_pass(struct cv_caller *caller, const struct cv_http_head *head,
                     const struct cv_target *target)
{
    const struct cv_gateway_config *config = &caller->gateway->config;
    const struct cv_credentials *credentials = config->credentials(config->ctx);
    const struct cv_slice *token = cv_http_find(head, "X-Culvert-Token");
    const char *client = caller->target.client;
    const struct cv_log_about about = {.client = client};
    struct cv_access_answer answer = {.why = CV_ACCESS_UNKNOWN};
    uint8_t *digest = caller->target.digest;

    caller->target.has_digest = credentials != NULL;
    if (!credentials || (token && cv_sha256(digest, token->at, token->len) == 0 &&
                         cv_access_visitor(&answer, credentials, digest, client, strlen(client),
                                           target, cv_wall_clock()) == 0))
        return true;
    cv_log_cause(config->loop, CV_CAUSE_HTTP_LOGIN, &about, "HTTP door: %s: to %s/%s refused: %s",
                 caller->peer, client, caller->target.address,
                 token ? cv_access_text(answer.why) : "no X-Culvert-Token");
    if (config->refused)
        config->refused(config->ctx);
    if (answer.why == CV_ACCESS_KEY || answer.why == CV_ACCESS_TARGET)
        cv_caller_answer(caller, 403, "this token may not reach that target");
    else
        cv_caller_answer(caller, 401, "a visitor's token is needed in X-Culvert-Token");
    return false;
}

/* Whether its token has room for one more request; else it is answered. */
static bool count(struct cv_caller *caller)
{
    const struct cv_gateway_config *config = &caller->gateway->config;
    int rc;

    if (!config->enter || !caller->target.has_digest)
        return true;
    rc = config->enter(config->ctx, caller->target.digest);
    caller->counted = rc == 0;
    if (rc < 0)
        cv_caller_answer(caller, rc == CV_EQUOTA ? 429 : 503, cv_strerror(rc));
    return rc == 0;
}

void cv_caller_uncount(struct cv_caller *caller)
{
    const struct cv_gateway_config *config = &caller->gateway->config;

    if (caller->counted)
        config->leave(config->ctx, caller->target.digest);
    caller->counted = false;
}

/* The target of a path `/client/…`. */
static bool aim_by_path(struct cv_caller *caller, const struct cv_http_head *head, struct aim *aim)
{
    struct cv_upstream_target *target = &caller->target;
    struct cv_target parsed;
    const char *problem;

    caller->by_route = false;
    if (cv_http_gate_parse(&aim->gate, aim->path) < 0) {
        cv_caller_answer(caller, 404, aim->gate.error);
        return false;
    }
    snprintf(target->client, sizeof(target->client), "%s", aim->gate.client);
    snprintf(target->address, sizeof(target->address), "%s", aim->gate.address);
    target->https = aim->gate.https;
    if (cv_target_parse(&parsed, target->address, strlen(target->address), &problem) < 0) {
        cv_caller_answer(caller, 400, problem);
        return false;
    }
    aim->path = aim->gate.path;
    aim->host = (struct cv_slice){aim->gate.host, strlen(aim->gate.host)};
    return may_pass(caller, head, &parsed);
}

/* The target of a name, which is for everybody. */
static void aim_by_name(struct cv_caller *caller, const struct cv_http_head *head, struct aim *aim)
{
    caller->by_route = true;
    caller->target.https = caller->target.has_digest = false;
    aim->host = head->host;
}

static void aim_by_route(struct cv_caller *caller, const struct cv_http_head *head, struct aim *aim,
                         const struct cv_gateway_target *route)
{
    struct cv_upstream_target *target = &caller->target;

    snprintf(target->client, sizeof(target->client), "%s", route->client);
    snprintf(target->address, sizeof(target->address), "%s", route->address);
    aim_by_name(caller, head, aim);
}

/* Finds out where a request goes; false when it is answered. */
static bool take_aim(struct cv_caller *caller, const struct cv_http_head *head, struct aim *aim)
{
    const struct cv_gateway *gateway = caller->gateway;
    int route;

    if (cv_slice_is(head->method, "CONNECT")) {
        cv_caller_answer(caller, 405, "no CONNECT here");
        return false;
    }
    if (!cv_gateway_claims(gateway, head) ||
        cv_http_target_split(head->target, &aim->path, &aim->query) < 0) {
        cv_caller_answer(caller, 404, "nothing here, on a connection of the HTTP door");
        return false;
    }
    if (gateway->config.max_body && head->content_length > 0 &&
        (uint64_t)head->content_length > gateway->config.max_body) {
        cv_caller_answer(caller, 413, "the request's body is too long");
        return false;
    }
    caller->wait = cv_http_gate_wait(aim->query) * CV_SEC;
    route = cv_http_route_find(gateway->routes.match, gateway->routes.count, head->host, aim->path);
    if ((route < 0 || cv_http_route_wild(gateway->routes.match[route].host)) &&
        cv_gateway_published(gateway, head->host, &caller->target)) {
        aim_by_name(caller, head, aim); /* a name of its own goes before a wildcard */
        return true;
    }
    if (route < 0)
        return aim_by_path(caller, head, aim);
    aim_by_route(caller, head, aim, &gateway->routes.to[route]);
    return true;
}

/* "192.0.2.1" of "192.0.2.1:4711", "2001:db8::1" of "[2001:db8::1]:4711", "" of "unix". */
static struct cv_slice address_of(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    bool bracketed = peer[0] == '[';

    if (!colon)
        return (struct cv_slice){peer, 0};
    return (struct cv_slice){peer + bracketed, (size_t)(colon - peer) - 2 * bracketed};
}

/* Whether a request may be sent twice (RFC 9110, 9.2.2). */
static bool is_idempotent(struct cv_slice method)
{
    static const char *const names[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (cv_slice_is(method, names[i]))
            return true;
    return false;
}

static int lay_head(struct cv_caller *caller, const struct cv_http_head *head,
                    const struct aim *aim)
{
    const struct cv_http_forward how = {.path = aim->path,
                                        .query = aim->query,
                                        .host = aim->host,
                                        .from = address_of(caller->peer),
                                        .asked = head->host,
                                        .https = cv_stream_is_tls(caller->stream)};
    char text[CV_HTTP_FORWARD_MAX];
    struct cv_http_body body;
    int n = cv_http_forward_request(text, sizeof(text), head, &how);
    int rc = n < 0 ? n : cv_body_flow_put(&caller->to, text, (size_t)n);

    cv_http_body_of_request(&body, head);
    cv_body_flow_begin(&caller->to, &body, body.framing);
    caller->can_repeat = body.done && is_idempotent(head->method);
    caller->to.again = caller->can_repeat;
    return rc;
}

static void on_opened(void *ctx, enum cv_failure failure, const char *text)
{
    struct cv_caller *caller = ctx;
    int status = cv_failure_status(failure);
    char line[400];
    struct cv_text out;

    if (failure == CV_FAILURE_NONE) {
        caller->state = CV_CALLER_RUNS;
        cv_caller_run(caller);
        return;
    }
    if (failure == CV_FAILURE_NO_CLIENT && caller->gateway->draining) {
        cv_caller_answer(caller, 503, "the server stops");
        return;
    }
    if (failure == CV_FAILURE_NO_CLIENT && !caller->by_route)
        status = 404;
    cv_text_init(&out, line, sizeof(line));
    cv_text_str(&out, caller->target.client);
    cv_text_str(&out, "/");
    cv_text_str(&out, caller->target.address);
    cv_text_str(&out, ": ");
    cv_text_str(&out, text);
    for (char *at = line; *at; at++) /* it is an agent's word */
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    cv_caller_answer(caller, status, line);
}

int cv_caller_dial(struct cv_caller *caller)
{
    int rc;

    caller->state = CV_CALLER_DIALS;
    caller->reused = false;
    caller->moved_at = cv_loop_now(caller->gateway->config.loop);
    rc = cv_upstream_open(&caller->upstream, caller->gateway->upstreams, &caller->target,
                          caller->peer, caller->wait, on_opened, caller);
    if (rc == 0)
        return 0;
    cv_caller_answer(caller, 503, cv_strerror(rc));
    return CV_ECLOSED;
}

int cv_caller_admit(struct cv_caller *caller, const struct cv_http_head *head)
{
    struct aim aim;
    int rc;

    caller->to_head = cv_slice_is(head->method, "HEAD");
    caller->old = head->minor == 0;
    caller->keep_alive = head->keep_alive && !caller->gateway->draining;
    caller->websocket = head->websocket;
    caller->interims = 0;
    if (!take_aim(caller, head, &aim) || !count(caller))
        return CV_ECLOSED;
    rc = lay_head(caller, head, &aim);
    if (rc < 0) {
        cv_caller_answer(caller, rc == CV_ETOOLONG ? 431 : 503, cv_strerror(rc));
        return CV_ECLOSED;
    }
    caller->upstream = cv_upstream_reuse(caller->gateway->upstreams, &caller->target);
    if (!caller->upstream)
        return cv_caller_dial(caller);
    caller->reused = true;
    caller->state = CV_CALLER_RUNS;
    return 0;
}
