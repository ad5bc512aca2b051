#include "http/front.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/key.h"
#include "base/list.h"
#include "base/text.h"
#include "door/http_text.h"
#include "http/accept_key.h"
#include "http/features.h"
#include "net/address.h"
#include "net/digest.h"
#include "net/linger.h"
#include "net/log.h"
#include "net/timer.h"

#define HEAD_START 2048 /* bytes of buffer at first: most heads are smaller */
#define ANSWER_MAX 1024
#define PAGE_MAX   2048 /* bytes of a page's body */

struct cv_front {
    struct cv_front_config config;
    struct cv_list knocks;
    size_t pending;
};

/* A connection whose request is being read or answered. */
struct knock {
    struct cv_list link;
    struct cv_loop *loop;   /* borrowed; outlives the front */
    struct cv_front *front; /* borrowed */
    struct cv_stream *stream;
    struct cv_timer *timer; /* owned */
    char peer[CV_ADDRESS_SIZE];
    char *buf; /* owned */
    size_t len, size;
    size_t head_len;
    char answer[ANSWER_MAX];
    char *page; /* owned: what is sent in its place; NULL: nothing */
    size_t answer_len, answer_sent;
    bool welcome; /* the answer is 101 */
    bool is_peer;
    bool culvert;
    unsigned features;
    char key[CV_KEY_MAX + 1];
    bool has_digest;
    uint8_t digest[CV_TOKEN_DIGEST];
    char subject[CV_SUBJECT_MAX + 1]; /* of the certificate that let it in; else empty */
};

static void give_back(const struct cv_front *front, const char *peer)
{
    if (front->config.left)
        front->config.left(front->config.ctx, peer);
}

/* Ends a knock; its stream has gone elsewhere or is closed here. */
static void leave(struct knock *knock)
{
    give_back(knock->front, knock->peer);
    cv_list_remove(&knock->link);
    knock->front->pending--;
    cv_stream_close(knock->stream);
    if (knock->buf)
        cv_secret_clear(knock->buf, knock->size);
    cv_free(&knock->loop->alloc, knock->buf);
    cv_free(&knock->loop->alloc, knock->page);
    cv_timer_free(knock->timer);
    cv_free(&knock->loop->alloc, knock);
}

static void hand_over(struct knock *knock)
{
    struct cv_front_guest guest = {.stream = knock->stream,
                                   .early = knock->buf + knock->head_len,
                                   .early_len = knock->len - knock->head_len,
                                   .key = knock->key,
                                   .digest = knock->has_digest ? knock->digest : NULL,
                                   .subject = knock->subject[0] ? knock->subject : NULL,
                                   .peer = knock->is_peer,
                                   .culvert = knock->culvert,
                                   .features = knock->features};

    cv_stream_owner(knock->stream, NULL, NULL);
    knock->stream = NULL;
    knock->front->config.welcome(knock->front->config.ctx, &guest);
    leave(knock);
}

static void send_answer(struct knock *knock)
{
    struct cv_loop *loop = knock->loop;

    while (knock->answer_sent < knock->answer_len) {
        const char *answer = knock->page ? knock->page : knock->answer;
        ssize_t n = cv_stream_send(knock->stream, answer + knock->answer_sent,
                                   knock->answer_len - knock->answer_sent);

        if (n == -EAGAIN && cv_stream_watch(knock->stream, CV_WRITABLE) == 0)
            return;
        if (n < 0) {
            leave(knock);
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
    leave(knock);
}

/* Answers with a status and a line of text, and closes. */
static void refuse(struct knock *knock, int status, const char *why)
{
    struct cv_http_text head;
    char body[256];
    struct cv_text text;
    int n;

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
        leave(knock);
        return;
    }
    memcpy(knock->answer + n, body, text.len);
    knock->answer_len = (size_t)n + text.len;
    if (status != 401) /* that was said, with the reason that the other end is not told */
        cv_log(&knock->loop->log, CV_LOG_INFO, "front door: %s: %d %s",
               cv_stream_peer(knock->stream), status, why);
    send_answer(knock);
}

/* Whether a bearer token lets the knock in as its key. */
static enum cv_access check_token(struct knock *knock, const struct cv_credentials *credentials,
                                  struct cv_slice value)
{
    static const char scheme[] = "Bearer ";
    struct cv_access_answer answer = {.why = CV_ACCESS_UNKNOWN};
    size_t skip = sizeof(scheme) - 1;

    if (value.len > skip && cv_slice_is((struct cv_slice){value.at, skip}, scheme) &&
        cv_sha256(knock->digest, value.at + skip, value.len - skip) == 0 &&
        cv_access_agent(&answer, credentials, knock->digest, knock->key, strlen(knock->key),
                        cv_wall_clock()) == 0)
        knock->has_digest = true;
    return answer.why;
}

/* The same of a certificate. */
static enum cv_access check_subject(struct knock *knock, const struct cv_credentials *credentials,
                                    size_t len)
{
    struct cv_access_answer answer;

    if (cv_access_agent_subject(&answer, credentials, (struct cv_span){knock->subject, len},
                                knock->key, strlen(knock->key), cv_wall_clock()) < 0)
        cv_log(&knock->loop->log, CV_LOG_WARN, "front door: %s: it showed subject:%s",
               cv_stream_peer(knock->stream), knock->subject);
    return answer.why;
}

/* Whether the knock may come in as its key. A token, when there is one, decides. Why not is for the
 * log alone. */
static bool may_enter(struct knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    const struct cv_credentials *credentials = config->credentials(config->ctx);
    const struct cv_slice *value = cv_http_find(head, "Authorization");
    const char *problem = "neither a bearer token nor a certificate";
    enum cv_access why;
    size_t len;

    if (!credentials)
        return true;
    len = value ? 0 : cv_stream_tls_subject(knock->stream, knock->subject, sizeof(knock->subject));
    if (value || len) {
        why = value ? check_token(knock, credentials, *value)
                    : check_subject(knock, credentials, len);
        if (why == CV_ACCESS_OK)
            return true;
        problem = cv_access_text(why);
    }
    cv_log(&knock->loop->log, CV_LOG_WARN, "front door: %s: client %s refused: %s",
           cv_stream_peer(knock->stream), knock->key, problem);
    return false;
}

/* Writes the 101. */
static int accept_upgrade(struct knock *knock, const struct cv_slice *ws_key)
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
static bool is_peer(struct knock *knock, const struct cv_http_head *head)
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
        cv_log(&knock->loop->log, CV_LOG_WARN,
               "front door: %s: %s is no peer: unknown, or a wrong "
               "token",
               cv_stream_peer(knock->stream), key);
        return false;
    }
    memcpy(knock->key, key, sizeof(knock->key));
    knock->is_peer = knock->has_digest = true;
    return true;
}

/* Who it is: false when that was answered with a refusal. */
static bool authenticate(struct knock *knock, const struct cv_http_head *head)
{
    const struct cv_slice *key = cv_http_find(head, "X-Tunnel-ID");

    if (is_peer(knock, head))
        return true;
    if (key && key->len && !cv_key_valid(key->at, key->len)) {
        refuse(knock, 400, "X-Tunnel-ID: 1 to 79 bytes of A-Z a-z 0-9 . _ @ = + - are allowed");
        return false;
    }
    if (key && key->len)
        memcpy(knock->key, key->at, key->len);
    else
        cv_log(&knock->loop->log, CV_LOG_WARN, "front door: %s: refused: no X-Tunnel-ID",
               cv_stream_peer(knock->stream));
    if (knock->key[0] && may_enter(knock, head))
        return true;
    refuse(knock, 401, "failed authentication");
    return false;
}

static void connect_tunnel(struct knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    const char *problem;
    int status;

    if (!cv_slice_is(head->method, "GET")) {
        refuse(knock, 405, "only GET leads into the tunnel");
        return;
    }
    /* a page cannot set Authorization; its browser would show a certificate for it, and reaches
     * doors that ask for nothing */
    if (!cv_http_find(head, "Authorization") && cv_http_is_cross_site(head)) {
        refuse(knock, 403, "not from another site's page");
        return;
    }
    if (!authenticate(knock, head))
        return;
    problem = handshake_problem(head, &status);
    if (problem) {
        refuse(knock, status, problem);
        return;
    }
    if (!config->room(config->ctx)) {
        refuse(knock, 503, "the server has as many sessions as it takes");
        return;
    }
    knock->features = cv_features_read(head, &knock->culvert);
    if (accept_upgrade(knock, cv_http_find(head, "Sec-WebSocket-Key")) < 0)
        refuse(knock, 500, "out of memory");
    else
        send_answer(knock);
}

/* Answers with a page of @len bytes, in place of the short answer. */
static void send_page(struct knock *knock, const char *body, size_t len)
{
    struct cv_http_text head;
    char *page = cv_alloc(&knock->loop->alloc, ANSWER_MAX + len);
    int n;

    if (!page) {
        refuse(knock, 503, "out of memory");
        return;
    }
    cv_http_text_init(&head, page, ANSWER_MAX, 200);
    cv_http_text_header(&head, "Content-Type", "text/xml; charset=\"utf-8\"");
    cv_http_text_header(&head, "X-Content-Type-Options", "nosniff");
    cv_http_text_number(&head, "Content-Length", len);
    cv_http_text_header(&head, "Connection", "close");
    n = cv_http_text_end(&head);
    if (n < 0) {
        cv_free(&knock->loop->alloc, page);
        leave(knock);
        return;
    }
    memcpy(page + n, body, len);
    knock->page = page;
    knock->answer_len = (size_t)n + len;
    send_answer(knock);
}

/* The description for discovery: false when there is none. */
static bool describe(struct knock *knock, const struct cv_http_head *head, struct cv_slice path)
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
static void visit(struct knock *knock)
{
    struct cv_stream *stream = knock->stream;

    cv_stream_owner(stream, NULL, NULL);
    knock->stream = NULL;
    cv_gateway_take(knock->front->config.gateway, stream, knock->buf, knock->len);
    leave(knock);
}

static void answer(struct knock *knock, const struct cv_http_head *head)
{
    const struct cv_front_config *config = &knock->front->config;
    struct cv_slice path, query;
    bool found = cv_http_target_split(head->target, &path, &query) == 0;

    if (config->gateway && cv_gateway_claims(config->gateway, head))
        visit(knock);
    else if (found && cv_slice_is(path, "/connect"))
        connect_tunnel(knock, head);
    else if (!found || !describe(knock, head, path))
        refuse(knock, 404, "nothing here: agents connect at /connect");
}

/* Room for more of the head; false without memory or at the limit. */
static bool grow(struct knock *knock)
{
    const struct cv_alloc *alloc = &knock->loop->alloc;
    size_t size = knock->size ? 2 * knock->size : HEAD_START;
    char *buf;

    if (knock->len < knock->size)
        return true;
    /* behind a whole head early frames may follow: one more than the longest head is enough to see
     * it */
    buf = size > 2 * CV_HTTP_HEAD_MAX ? NULL : cv_alloc(alloc, size);
    if (!buf)
        return false;
    if (knock->buf) {
        memcpy(buf, knock->buf, knock->len);
        cv_secret_clear(knock->buf, knock->size);
    }
    cv_free(alloc, knock->buf);
    knock->buf = buf;
    knock->size = size;
    return true;
}

/* Tries to read the head: true when the knock is dealt with. */
static bool parse(struct knock *knock)
{
    struct cv_http_head head;
    int rc = cv_http_request_parse(&head, knock->buf, knock->len, &knock->head_len);

    if (rc == CV_EMORE)
        return false;
    if (rc < 0)
        refuse(knock, head.refusal ? head.refusal : 400, head.error ? head.error : "bad request");
    else
        answer(knock, &head);
    return true;
}

static void on_ready(void *ctx, int events)
{
    struct knock *knock = ctx;

    (void)events;
    if (knock->answer_len) {
        send_answer(knock);
        return;
    }
    for (;;) {
        ssize_t n;

        if (!grow(knock)) {
            refuse(knock, 431, "the request's head is too long");
            return;
        }
        n = cv_stream_recv(knock->stream, knock->buf + knock->len, knock->size - knock->len);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            leave(knock);
            return;
        }
        knock->len += (size_t)n;
        if (parse(knock))
            return;
    }
}

static void on_timeout(void *ctx)
{
    struct knock *knock = ctx;

    if (knock->answer_len || knock->len == 0)
        leave(knock);
    else
        refuse(knock, 408, "the request's head did not come in time");
}

static int open_stream(struct knock *knock, int fd)
{
    const struct cv_front_config *config = &knock->front->config;
    int rc = config->tls ? cv_stream_new_tls(&knock->stream, config->loop, fd, config->tls)
                         : cv_stream_new(&knock->stream, config->loop, fd);

    if (rc < 0)
        return rc;
    cv_stream_owner(knock->stream, on_ready, knock);
    rc = cv_stream_watch(knock->stream, CV_READABLE);
    return rc < 0 ? rc : cv_timer_new(&knock->timer, knock->loop, on_timeout, knock);
}

/* Closes @fd when it fails. */
static int open_knock(struct cv_front *front, int fd, const char *peer)
{
    struct cv_loop *loop = front->config.loop;
    struct knock *knock = cv_alloc_zero(&loop->alloc, sizeof(*knock));
    struct cv_text text;
    int rc;

    if (!knock) {
        close(fd);
        return -ENOMEM;
    }
    knock->loop = loop;
    knock->front = front;
    cv_text_init(&text, knock->peer, sizeof(knock->peer));
    cv_text_str(&text, peer);
    cv_list_init(&knock->link);
    rc = open_stream(knock, fd);
    if (rc < 0) {
        if (knock->stream)
            cv_stream_close(knock->stream);
        else
            close(fd);
        cv_free(&loop->alloc, knock);
        return rc;
    }
    cv_timer_set(knock->timer, CV_FRONT_HEAD_WAIT);
    cv_list_push_back(&front->knocks, &knock->link);
    front->pending++;
    return 0;
}

void cv_front_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_front *front = ctx;
    int rc;

    if (front->config.may_knock && !front->config.may_knock(front->config.ctx, peer)) {
        close(fd);
        return;
    }
    if (front->pending >= CV_FRONT_PENDING_MAX) /* who has said nothing for longest makes room */
        leave(cv_container_of(front->knocks.next, struct knock, link));
    rc = open_knock(front, fd, peer);
    if (rc < 0) {
        cv_log(&front->config.loop->log, CV_LOG_WARN, "front door: %s: turned away: %s", peer,
               cv_strerror(rc));
        give_back(front, peer);
    }
}

int cv_front_new(struct cv_front **out, const struct cv_front_config *config)
{
    struct cv_front *front = cv_alloc_zero(&config->loop->alloc, sizeof(*front));

    if (!front)
        return -ENOMEM;
    front->config = *config;
    cv_list_init(&front->knocks);
    *out = front;
    return 0;
}

void cv_front_free(struct cv_front *front)
{
    if (!front)
        return;
    cv_list_each_safe (link, &front->knocks)
        leave(cv_container_of(link, struct knock, link));
    cv_free(&front->config.loop->alloc, front);
}
