#include "http/front_core.h"

#include <errno.h>
#include <string.h>

#include "base/key.h"
#include "base/text.h"
#include "door/http_text.h"
#include "http/accept_key.h"
#include "http/publish.h"
#include "net/digest.h"
#include "net/linger.h"
#include "net/log.h"
#include "session/session.h"

#define PAGE_MAX 2048 /* bytes of a page's body */

/* What becomes of a request. */

static void hand_over(struct cv_knock *knock)
{
    struct cv_front_guest guest = {.stream = knock->stream,
                                   .early = knock->buf + knock->head_len,
                                   .early_len = knock->len - knock->head_len,
                                   .key = knock->key,
                                   .digest = knock->has_digest ? knock->digest : NULL,
                                   .subject = knock->subject[0] ? knock->subject : NULL,
                                   .visitor = knock->is_visitor,
                                   .peer = knock->is_peer,
                                   .culvert = knock->culvert,
                                   .features = knock->features,
                                   .version = knock->version[0] ? knock->version : NULL,
                                   .publish = knock->publish};

    cv_stream_owner(knock->stream, NULL, NULL);
    knock->stream = NULL;
    knock->passed = knock->is_visitor;
    knock->front->config.welcome(knock->front->config.ctx, &guest);
    cv_knock_leave(knock);
}

void cv_knock_send(struct cv_knock *knock)
{
    struct cv_loop *loop = knock->loop;

    while (knock->answer_sent < knock->answer_len) {
        const char *answer = knock->page ? knock->page : knock->answer;
        ssize_t n = cv_stream_send(knock->stream, answer + knock->answer_sent,
                                   knock->answer_len - knock->answer_sent);

        if (n == -EAGAIN && cv_stream_watch(knock->stream, CV_WRITABLE) == 0)
            return;
        if (n < 0) {
            cv_knock_leave(knock);
            return;
        }
        knock->answer_sent += (size_t)n;
    }
    if (knock->welcome) {
        hand_over(knock);
        return;
    }
    cv_stream_owner(knock->stream, NULL, NULL);
    cv_linger(loop, knock->stream);
    knock->stream = NULL;
    cv_knock_leave(knock);
}

/* A 401 was said, with the reason that the other end is not told. */
static void log_refusal(const struct cv_knock *knock, int status, const char *why)
{
    const struct cv_log_about about = {.client =
                                           knock->key[0] && !knock->is_visitor ? knock->key : NULL};

    if (status != 401)
        cv_log_cause(knock->loop, status < 500 ? CV_CAUSE_FRONT_REQUEST : CV_CAUSE_FRONT_FULL,
                     &about, "front door: %s: %d %s", cv_stream_peer(knock->stream), status, why);
}

void cv_knock_refuse(struct cv_knock *knock, int status, const char *why)
{
    const struct cv_front_config *config = &knock->front->config;
    struct cv_http_text head;
    char body[256];
    struct cv_text text;
    int n;

    if (config->refused)
        config->refused(config->ctx, status);
    cv_text_init(&text, body, sizeof(body));
    cv_text_str(&text, why);
    cv_text_str(&text, "\n");
    cv_http_text_init(&head, knock->answer, sizeof(knock->answer), status);
    cv_http_text_header(&head, "Content-Type", "text/plain; charset=utf-8");
    cv_http_text_header(&head, "X-Content-Type-Options", "nosniff");
    if (status == 405)
        cv_http_text_header(&head, "Allow", "GET");
    if (status == 426)
        cv_http_text_header(&head, "Upgrade", "websocket");
    if (status == 401)
        cv_http_text_header(&head, "WWW-Authenticate", "Bearer");
    cv_http_text_number(&head, "Content-Length", text.len);
    cv_http_text_header(&head, "Connection", "close");
    n = cv_http_text_end(&head);
    if (n < 0 || (size_t)n + text.len > sizeof(knock->answer)) {
        cv_knock_leave(knock);
        return;
    }
    memcpy(knock->answer + n, body, text.len);
    knock->answer_len = (size_t)n + text.len;
    log_refusal(knock, status, why);
    cv_knock_send(knock);
}

/* Whether who presents the token of the knock's digest may come in. */
static int check_digest(const struct cv_knock *knock, const struct cv_credentials *credentials,
                        struct cv_access_answer *answer)
{
    if (knock->is_visitor)
        return cv_access_visitor(answer, credentials, knock->digest, NULL, 0, NULL,
                                 cv_wall_clock());
    return cv_access_agent(answer, credentials, knock->digest, knock->key, strlen(knock->key),
                           cv_wall_clock());
}

/* Cuts the value of Authorization to its bearer token; false when that is something else. */
static bool take_bearer(struct cv_slice *value)
{
    static const char scheme[] = "Bearer ";
    size_t skip = sizeof(scheme) - 1;

    if (value->len <= skip || !cv_slice_is((struct cv_slice){value->at, skip}, scheme))
        return false;
    value->at += skip;
    value->len -= skip;
    return true;
}

/* Whether a bearer token lets the knock in as its key. */
static enum cv_access check_token(struct cv_knock *knock, const struct cv_credentials *credentials,
                                  struct cv_slice value)
{
    struct cv_access_answer answer = {.why = CV_ACCESS_UNKNOWN};

    if (take_bearer(&value) && cv_sha256(knock->digest, value.at, value.len) == 0 &&
        check_digest(knock, credentials, &answer) == 0)
        knock->has_digest = true;
    return answer.why;
}

/* The same of a certificate. */
static enum cv_access check_subject(struct cv_knock *knock,
                                    const struct cv_credentials *credentials, size_t len)
{
    struct cv_access_answer answer;

    if (cv_access_agent_subject(&answer, credentials, (struct cv_span){knock->subject, len},
                                knock->key, strlen(knock->key), cv_wall_clock()) < 0)
        cv_log_cause(
            knock->loop, CV_CAUSE_FRONT_SUBJECT, &(struct cv_log_about){.client = knock->key},
            "front door: %s: it showed subject:%s", cv_stream_peer(knock->stream), knock->subject);
    return answer.why;
}

/* A line about who may not come in, with the reason that the other end is not told. */
static void log_denial(struct cv_knock *knock, const char *problem)
{
    const struct cv_log_about about = {.client = knock->is_visitor ? NULL : knock->key};

    cv_log_cause(knock->loop, CV_CAUSE_FRONT_LOGIN, &about, "front door: %s: %s %s refused: %s",
                 cv_stream_peer(knock->stream), knock->is_visitor ? "visitor" : "client",
                 knock->key, problem);
}

/* Whether the owner lets the knock in as its key. */
static int ask_owner(struct cv_knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    const struct cv_slice *value = cv_http_find(head, "Authorization");
    struct cv_slice bearer = value ? *value : (struct cv_slice){.len = 0};
    char token[CV_HTTP_LINE_MAX + 1];
    struct cv_front_claim claim = {
        .visitor = knock->is_visitor, .key = knock->key, .peer = knock->peer, .head = head};
    int rc;

    if (take_bearer(&bearer)) {
        size_t len = cv_min_size(bearer.len, CV_HTTP_LINE_MAX); /* no value is longer */

        memcpy(token, bearer.at, len);
        token[len] = '\0';
        claim.token = token;
    }
    if (cv_stream_tls_subject(knock->stream, knock->subject, sizeof(knock->subject)))
        claim.subject = knock->subject;
    rc = config->authorize(config->ctx, &claim);
    if (claim.token)
        cv_secret_clear(token, sizeof(token));
    if (rc > 0) /* no code, and no yes */
        rc = -EINVAL;
    if (rc < 0)
        log_denial(knock, cv_strerror(rc));
    return rc;
}

/* The same by the credentials. A token, when there is one, decides. */
static int ask_credentials(struct cv_knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    const struct cv_credentials *credentials = config->credentials(config->ctx);
    const struct cv_slice *value = cv_http_find(head, "Authorization");
    const char *problem = "neither a bearer token nor a certificate";
    enum cv_access why;
    size_t len;

    if (!credentials)
        return 0;
    len = value || knock->is_visitor
              ? 0
              : cv_stream_tls_subject(knock->stream, knock->subject, sizeof(knock->subject));
    if (value || len) {
        why = value ? check_token(knock, credentials, *value)
                    : check_subject(knock, credentials, len);
        if (why == CV_ACCESS_OK)
            return 0;
        problem = cv_access_text(why);
    }
    log_denial(knock, problem);
    return CV_EDENIED;
}

/* Writes the 101. */
static int accept_upgrade(struct cv_knock *knock, const struct cv_slice *ws_key)
{
    char accept[CV_WS_ACCEPT_LEN + 1], features[CV_FEATURES_TEXT_MAX];
    struct cv_ws_header header = {.name = CV_FEATURES_HEADER, .value = features};
    int n = cv_accept_key(accept, ws_key->at, ws_key->len);

    if (n < 0)
        return n;
    cv_features_write(features, knock->features);
    n = cv_ws_response_encode(knock->answer, sizeof(knock->answer), accept, &header,
                              knock->culvert);
    if (n < 0)
        return n;
    knock->answer_len = (size_t)n;
    knock->welcome = true;
    return 0;
}

/* What is wrong with the request apart from who sends it; NULL when nothing is. */
static const char *handshake_problem(const struct cv_http_head *head, int *status)
{
    const struct cv_slice *ws_key = cv_http_find(head, "Sec-WebSocket-Key");
    const struct cv_slice *version = cv_http_find(head, "Sec-WebSocket-Version");

    *status = 426;
    if (!cv_http_has_token(head, "Upgrade", "websocket"))
        return "this is a WebSocket: Upgrade: websocket is missing";
    *status = 400;
    if (!head->websocket || !version || !cv_slice_is(*version, "13") || !ws_key ||
        ws_key->len != CV_WS_KEY_LEN)
        return "not a WebSocket handshake of version 13";
    return NULL;
}

/* Whether it is a server that peers with us. Another one may still be a client, as in the
 * reference. */
static bool is_peer(struct cv_knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    const struct cv_slice *id = cv_http_find(head, "X-API-Tunnel-ID");
    const struct cv_slice *token = cv_http_find(head, "X-API-Tunnel-Token");
    char key[CV_KEY_MAX + 1] = "";

    if (!config->peer || !id || !token || !cv_key_valid(id->at, id->len) ||
        cv_sha256(knock->digest, token->at, token->len) < 0)
        return false;
    memcpy(key, id->at, id->len);
    if (!config->peer(config->ctx, key, knock->digest)) {
        cv_log_cause(knock->loop, CV_CAUSE_FRONT_LOGIN, &(struct cv_log_about){.client = key},
                     "front door: %s: %s is no peer: unknown, or a wrong token",
                     cv_stream_peer(knock->stream), key);
        return false;
    }
    memcpy(knock->key, key, sizeof(knock->key));
    knock->is_peer = knock->has_digest = true;
    return true;
}

#define KEY_FORM ": 1 to 79 bytes of A-Z a-z 0-9 . _ @ = + - are allowed"

/* Whether it may come in as its key: 0, CV_EDENIED, or why that is not known now. */
static int may_enter(struct cv_knock *knock, const struct cv_http_head *head)
{
    if (!knock->key[0])
        return CV_EDENIED;
    return knock->front->config.authorize ? ask_owner(knock, head) : ask_credentials(knock, head);
}

/* Who it is: false when that was answered with a refusal. */
static bool authenticate(struct cv_knock *knock, const struct cv_http_head *head)
{
    const struct cv_slice *visitor = cv_http_find(head, CV_VISITOR_HEADER);
    const struct cv_slice *key = visitor ? visitor : cv_http_find(head, "X-Tunnel-ID");
    int rc;

    if (is_peer(knock, head))
        return true;
    knock->is_visitor = visitor != NULL;
    if (key && key->len && !cv_key_valid(key->at, key->len)) {
        cv_knock_refuse(knock, 400, visitor ? CV_VISITOR_HEADER KEY_FORM : "X-Tunnel-ID" KEY_FORM);
        return false;
    }
    if (key && key->len)
        memcpy(knock->key, key->at, key->len);
    else
        cv_log_cause(knock->loop, CV_CAUSE_FRONT_LOGIN, NULL, "front door: %s: refused: no %s",
                     cv_stream_peer(knock->stream), visitor ? CV_VISITOR_HEADER : "X-Tunnel-ID");
    rc = may_enter(knock, head);
    if (rc == CV_EDENIED)
        cv_knock_refuse(knock, 401, "failed authentication");
    else if (rc < 0)
        cv_knock_refuse(knock, 503, "it is not known now who may come in");
    return rc >= 0;
}

/* What it wants published; nothing of one that could not be told what became of it. */
static int keep_wishes(struct cv_knock *knock, const struct cv_http_head *head)
{
    if (!(knock->features & CV_FEATURE_PUBLISH))
        return 0;
    return cv_publish_wanted(&knock->publish, head, &knock->loop->alloc);
}

static void connect_tunnel(struct cv_knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    const char *problem;
    int status;

    if (!cv_slice_is(head->method, "GET")) {
        cv_knock_refuse(knock, 405, "only GET leads into the tunnel");
        return;
    }
    /* a page cannot set Authorization; its browser would show a certificate for it, and reaches
     * doors that ask for nothing */
    if (!cv_http_find(head, "Authorization") && cv_http_is_cross_site(head)) {
        cv_knock_refuse(knock, 403, "not from another site's page");
        return;
    }
    if (!authenticate(knock, head))
        return;
    problem = handshake_problem(head, &status);
    if (problem) {
        cv_knock_refuse(knock, status, problem);
        return;
    }
    if (knock->front->draining) {
        cv_knock_refuse(knock, 503, "the server stops");
        return;
    }
    if (!config->room(config->ctx)) {
        cv_knock_refuse(knock, 503, "the server has as many sessions as it takes");
        return;
    }
    knock->features = cv_features_read(head, &knock->culvert) & ~config->lacking;
    cv_features_version(knock->version, head);
    if (keep_wishes(knock, head) < 0 ||
        accept_upgrade(knock, cv_http_find(head, "Sec-WebSocket-Key")) < 0)
        cv_knock_refuse(knock, 500, "out of memory");
    else
        cv_knock_send(knock);
}

/* Answers with a page of @len bytes, in place of the short answer. */
static void send_page(struct cv_knock *knock, const char *body, size_t len)
{
    struct cv_http_text head;
    char *page = cv_alloc(&knock->loop->alloc, CV_KNOCK_ANSWER_MAX + len);
    int n;

    if (!page) {
        cv_knock_refuse(knock, 503, "out of memory");
        return;
    }
    cv_http_text_init(&head, page, CV_KNOCK_ANSWER_MAX, 200);
    cv_http_text_header(&head, "Content-Type", "text/xml; charset=\"utf-8\"");
    cv_http_text_header(&head, "X-Content-Type-Options", "nosniff");
    cv_http_text_number(&head, "Content-Length", len);
    cv_http_text_header(&head, "Connection", "close");
    n = cv_http_text_end(&head);
    if (n < 0) {
        cv_free(&knock->loop->alloc, page);
        cv_knock_leave(knock);
        return;
    }
    memcpy(page + n, body, len);
    knock->page = page;
    knock->answer_len = (size_t)n + len;
    cv_knock_send(knock);
}

/* The description for discovery: false when there is none. */
static bool describe(struct cv_knock *knock, const struct cv_http_head *head, struct cv_slice path)
{
    const struct cv_front_config *config = &knock->front->config;
    char body[PAGE_MAX], host[CV_FRONT_HOST_MAX + 1];
    int len;

    if (!config->describe || !cv_slice_is(path, CV_FRONT_DESCRIPTION) ||
        !cv_slice_is(head->method, "GET") || head->host.len > CV_FRONT_HOST_MAX)
        return false;
    memcpy(host, head->host.at, head->host.len);
    host[head->host.len] = '\0';
    len = config->describe(config->describe_ctx, head->host.len ? host : NULL, body, sizeof(body));
    if (len <= 0)
        return false;
    send_page(knock, body, (size_t)len);
    return true;
}

/* It is a visitor of the HTTP door, who may go on after this request. */
static void visit(struct cv_knock *knock)
{
    struct cv_stream *stream = knock->stream;

    cv_stream_owner(stream, NULL, NULL);
    knock->stream = NULL;
    knock->passed = true;
    cv_gateway_take(knock->front->config.gateway, stream, knock->peer, knock->buf, knock->len);
    cv_knock_leave(knock);
}

void cv_knock_answer(struct cv_knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    struct cv_slice path, query;
    bool found = cv_http_target_split(head->target, &path, &query) == 0;

    if (config->gateway && cv_gateway_claims(config->gateway, head))
        visit(knock);
    else if (found && cv_slice_is(path, "/connect"))
        connect_tunnel(knock, head);
    else if (!found || !describe(knock, head, path))
        cv_knock_refuse(knock, 404, "nothing here: agents connect at /connect");
}
