#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "door/tls_hello.h"
#include "http/front_core.h"
#include "net/digest.h"
#include "net/log.h"

/* From an accepted socket to a whole head. */

#define HEAD_START 2048 /* bytes of buffer at first: most heads are smaller */

static void give_back(const struct cv_front *front, const char *peer)
{
    if (front->config.left)
        front->config.left(front->config.ctx, peer);
}

void cv_knock_leave(struct cv_knock *knock)
{
    struct cv_front *front = knock->front;

    if (!knock->passed)
        give_back(front, knock->peer);
    cv_list_remove(&knock->link);
    front->pending--;
    cv_stream_close(knock->stream);
    if (knock->buf)
        cv_secret_clear(knock->buf, knock->size);
    cv_free(&knock->loop->alloc, knock->buf);
    cv_free(&knock->loop->alloc, knock->page);
    cv_free(&knock->loop->alloc, knock->publish);
    cv_timer_free(knock->timer);
    cv_free(&knock->loop->alloc, knock);
    if (front->draining && front->pending == 0)
        front->config.emptied(front->config.ctx);
}

/* Room for more of the head; false without memory or at the limit. */
static bool grow(struct cv_knock *knock)
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
static bool parse(struct cv_knock *knock)
{
    struct cv_http_head head;
    int rc = cv_http_request_parse(&head, knock->buf, knock->len, &knock->head_len);

    if (rc == CV_EMORE)
        return false;
    if (rc < 0)
        cv_knock_refuse(knock, head.refusal ? head.refusal : 400,
                        head.error ? head.error : "bad request");
    else
        cv_knock_answer(knock, &head);
    return true;
}

static int watch(struct cv_knock *knock);

/* Goes on with our own TLS, which has what came so far. */
static void begin_tls(struct cv_knock *knock)
{
    const struct cv_front_config *config = &knock->front->config;
    int fd = cv_stream_release(knock->stream), rc;

    knock->stream = NULL;
    rc = cv_stream_new_tls_early(&knock->stream, knock->loop, fd, config->tls, knock->buf,
                                 knock->len);
    if (rc < 0)
        close(fd);
    else
        rc = watch(knock);
    knock->len = 0;
    if (rc == 0)
        return;
    cv_shed(knock->loop, rc);
    cv_log_cause(knock->loop, CV_CAUSE_NO_ROOM, NULL, "front door: %s: turned away: %s",
                 knock->peer, cv_strerror(rc));
    cv_knock_leave(knock);
}

static void pass(struct cv_knock *knock, int route)
{
    const struct cv_front_config *config = &knock->front->config;
    struct cv_front_passage passage = {.fd = cv_stream_release(knock->stream),
                                       .peer = knock->peer,
                                       .early = knock->buf,
                                       .early_len = knock->len};

    knock->stream = NULL;
    knock->passed = true;
    config->pass(config->ctx, route, &passage);
    cv_knock_leave(knock);
}

/* Looks at what came for a ClientHello. True when that is dealt with: the knock may be gone, or go
 * on behind TLS. */
static bool look_for_hello(struct cv_knock *knock)
{
    const struct cv_front_config *config = &knock->front->config;
    char name[CV_TLS_NAME_MAX + 1];
    int rc = cv_tls_hello_name(name, (const uint8_t *)knock->buf, knock->len);
    int route = rc > 0 ? config->tls_route(config->ctx, name) : -1;

    if (rc == CV_EMORE)
        return false;
    knock->hello = false;
    if (route >= 0)
        pass(knock, route);
    else if (config->tls)
        begin_tls(knock);
    else
        return false;
    return true;
}

static void on_ready(void *ctx, int events)
{
    struct cv_knock *knock = ctx;

    (void)events;
    if (knock->answer_len) {
        cv_knock_send(knock);
        return;
    }
    for (;;) {
        ssize_t n;

        if (!grow(knock)) {
            cv_knock_refuse(knock, 431, "the request's head is too long");
            return;
        }
        n = cv_stream_recv(knock->stream, knock->buf + knock->len, knock->size - knock->len);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            if (n == -EPROTO)
                cv_shed(knock->loop, -EPROTO);
            cv_knock_leave(knock);
            return;
        }
        knock->len += (size_t)n;
        if (knock->hello && look_for_hello(knock))
            return;
        if (!knock->hello && parse(knock))
            return;
    }
}

static void on_timeout(void *ctx)
{
    struct cv_knock *knock = ctx;

    if (!knock->answer_len && knock->len && !knock->hello) {
        cv_knock_refuse(knock, 408, "the request's head did not come in time");
        return;
    }
    if (!knock->answer_len)
        cv_shed(knock->loop, -ETIMEDOUT);
    cv_knock_leave(knock);
}

static int watch(struct cv_knock *knock)
{
    cv_stream_name_peer(knock->stream, knock->peer);
    cv_stream_owner(knock->stream, on_ready, knock);
    return cv_stream_watch(knock->stream, CV_READABLE);
}

static int open_stream(struct cv_knock *knock, int fd)
{
    const struct cv_front_config *config = &knock->front->config;
    int rc = config->tls && !knock->hello
                 ? cv_stream_new_tls(&knock->stream, config->loop, fd, config->tls)
                 : cv_stream_new(&knock->stream, config->loop, fd);

    if (rc < 0)
        return rc;
    rc = watch(knock);
    return rc < 0 ? rc : cv_timer_new(&knock->timer, knock->loop, on_timeout, knock);
}

/* Closes @fd when it fails. */
static int open_knock(struct cv_front *front, int fd, const char *peer)
{
    struct cv_loop *loop = front->config.loop;
    struct cv_knock *knock = cv_alloc_zero(&loop->alloc, sizeof(*knock));
    struct cv_text text;
    int rc;

    if (!knock) {
        close(fd);
        return -ENOMEM;
    }
    knock->loop = loop;
    knock->front = front;
    knock->hello = front->expects_tls;
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

void cv_front_expect_tls(struct cv_front *front, bool expected)
{
    front->expects_tls = expected;
}

void cv_front_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_front *front = ctx;
    int rc;

    if (front->config.may_knock && !front->config.may_knock(front->config.ctx, peer)) {
        close(fd);
        return;
    }
    if (front->pending >= CV_FRONT_PENDING_MAX) { /* who has said nothing for longest makes room */
        cv_shed(front->config.loop, CV_EFULL);
        cv_knock_leave(cv_container_of(front->knocks.next, struct cv_knock, link));
    }
    rc = open_knock(front, fd, peer);
    if (rc < 0) {
        cv_shed(front->config.loop, rc);
        cv_log_cause(front->config.loop, CV_CAUSE_NO_ROOM, NULL, "front door: %s: turned away: %s",
                     peer, cv_strerror(rc));
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

/* Whether nothing of its request is there; an agent that is on its way in comes too late. */
static bool is_idle(const struct cv_knock *knock)
{
    return knock->welcome ||
           (!knock->answer_len && knock->len == 0 && !cv_stream_tls_shakes(knock->stream));
}

void cv_front_drain(struct cv_front *front)
{
    front->draining = true;
    cv_list_each_safe (link, &front->knocks) {
        struct cv_knock *knock = cv_container_of(link, struct cv_knock, link);

        if (!knock->answer_len)
            on_ready(knock, CV_READABLE); /* what has come already counts */
    }
    cv_list_each_safe (link, &front->knocks) {
        struct cv_knock *knock = cv_container_of(link, struct cv_knock, link);

        if (is_idle(knock))
            cv_knock_leave(knock);
    }
}

bool cv_front_busy(const struct cv_front *front)
{
    return front && front->pending > 0;
}

void cv_front_free(struct cv_front *front)
{
    if (!front)
        return;
    cv_list_each_safe (link, &front->knocks)
        cv_knock_leave(cv_container_of(link, struct cv_knock, link));
    cv_free(&front->config.loop->alloc, front);
}
