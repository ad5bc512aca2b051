#include "http/gate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "net/address.h"
#include "net/digest.h"
#include "net/linger.h"
#include "net/log.h"
#include "net/timer.h"

#define IN_START 1024 /* bytes of buffer at first */

struct cv_gate {
    struct cv_gate_config config;
    struct cv_list callers;
    size_t count;
};

/* One who has not said yet where to. */
struct caller {
    struct cv_list link;
    struct cv_gate *gate;     /* borrowed */
    struct cv_loop *loop;     /* borrowed */
    struct cv_stream *stream; /* owned */
    struct cv_timer *timer;   /* owned */
    char *in;                 /* owned; may hold a password */
    size_t len, size;
    struct cv_gate_call call;
    char peer[CV_ADDRESS_SIZE];
};

/* Ends it; its place in the limits has gone on with the visit, or is given back. */
static void end(struct caller *caller)
{
    cv_list_remove(&caller->link);
    caller->gate->count--;
    cv_stream_close(caller->stream);
    cv_timer_free(caller->timer);
    if (caller->in)
        cv_secret_clear(caller->in, caller->size);
    cv_free(&caller->loop->alloc, caller->in);
    cv_free(&caller->loop->alloc, caller->call.early);
    cv_free(&caller->loop->alloc, caller);
}

static void leave(struct caller *caller)
{
    const struct cv_gate_config *config = &caller->gate->config;

    config->left(config->ctx, caller->peer);
    end(caller);
}

void cv_gate_log(const struct cv_gate_call *call, const char *why)
{
    cv_shed(call->config->loop, CV_EPROTO);
    cv_log_cause(call->config->loop, CV_CAUSE_DOOR_REQUEST, NULL, "%s: %s: refused: %s",
                 call->config->name, call->peer, why);
}

static bool refuse_login(const struct cv_gate_call *call, const char *why)
{
    const struct cv_log_about about = {.client = call->client[0] ? call->client : NULL};

    cv_log_cause(call->config->loop, CV_CAUSE_DOOR_LOGIN, &about, "%s: %s: client %s refused: %s",
                 call->config->name, call->peer, call->client[0] ? call->client : "?", why);
    if (call->config->refused)
        call->config->refused(call->config->ctx);
    return false;
}

bool cv_gate_login(struct cv_gate_call *call, const char *user, size_t user_len,
                   const char *password, size_t password_len)
{
    const struct cv_gate_config *config = call->config;
    const struct cv_credentials *credentials = config->credentials(config->ctx);
    struct cv_access_answer answer = {.why = CV_ACCESS_UNKNOWN};

    if (!cv_key_valid(user, user_len))
        return refuse_login(call, "the user name is not a client key");
    memcpy(call->client, user, user_len);
    call->client[user_len] = '\0';
    if (!credentials)
        return true;
    if (cv_sha256(call->digest, password, password_len) < 0 ||
        cv_access_visitor(&answer, credentials, call->digest, user, user_len, NULL,
                          cv_wall_clock()) < 0)
        return refuse_login(call, cv_access_text(answer.why));
    call->has_digest = true;
    return true;
}

/* Hands the socket on. */
static void go(struct caller *caller)
{
    const struct cv_gate_config *config = &caller->gate->config;
    const struct cv_gate_call *call = &caller->call;
    struct cv_gate_visit visit = {.peer = caller->peer,
                                  .client = config->client ? config->client : call->client,
                                  .address = call->address,
                                  .early = call->early ? call->early : caller->in,
                                  .early_len = call->early ? call->early_len : caller->len,
                                  .digest = call->has_digest ? call->digest : NULL,
                                  .silent = call->silent};

    visit.fd = cv_stream_release(caller->stream);
    caller->stream = NULL;
    config->visit(config->ctx, &visit);
    end(caller);
}

/* Says what the protocol put down. The socket's buffer has room for these few bytes; who has filled
 * it with nothing but greetings is no visitor. */
static bool say(struct caller *caller)
{
    struct cv_gate_call *call = &caller->call;
    size_t len = call->out_len;

    call->out_len = 0;
    return len == 0 || cv_stream_send(caller->stream, call->out, len) == (ssize_t)len;
}

static void say_goodbye(struct caller *caller)
{
    if (say(caller)) {
        cv_stream_owner(caller->stream, NULL, NULL);
        cv_linger(caller->loop, caller->stream);
        caller->stream = NULL;
    }
    leave(caller);
}

/* Takes what came: false when the caller is dealt with. */
static bool take(struct caller *caller)
{
    const struct cv_gate_protocol *protocol = caller->gate->config.protocol;

    while (caller->len) {
        int n = protocol->read(&caller->call, caller->in, caller->len);

        if (n == CV_EMORE)
            return true;
        if (n == CV_ECLOSED) {
            say_goodbye(caller);
            return false;
        }
        if (n < 0 || !say(caller)) {
            cv_shed(caller->loop, n < 0 ? n : CV_EPROTO);
            leave(caller);
            return false;
        }
        caller->len -= (size_t)n;
        memmove(caller->in, caller->in + n, caller->len);
        if (caller->call.through) {
            go(caller);
            return false;
        }
    }
    return true;
}

/* Makes room for more. -ENOMEM; CV_EPROTO when a message is longer than any. */
static int grow(struct caller *caller)
{
    const struct cv_alloc *alloc = &caller->loop->alloc;
    size_t most = caller->gate->config.protocol->in_max;
    size_t size = cv_min_size(caller->size ? 2 * caller->size : IN_START, most);
    char *in;

    if (caller->len < caller->size)
        return 0;
    if (size <= caller->size)
        return CV_EPROTO;
    in = cv_alloc(alloc, size);
    if (!in)
        return -ENOMEM;
    if (caller->in) {
        memcpy(in, caller->in, caller->len);
        cv_secret_clear(caller->in, caller->size);
    }
    cv_free(alloc, caller->in);
    caller->in = in;
    caller->size = size;
    return 0;
}

static void on_ready(void *ctx, int events)
{
    struct caller *caller = ctx;

    (void)events;
    for (;;) {
        ssize_t n;
        int rc = grow(caller);

        if (rc < 0) {
            cv_shed(caller->loop, rc);
            leave(caller);
            return;
        }
        n = cv_stream_recv(caller->stream, caller->in + caller->len, caller->size - caller->len);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            leave(caller);
            return;
        }
        caller->len += (size_t)n;
        if (!take(caller))
            return;
    }
}

static void on_timeout(void *ctx)
{
    struct caller *caller = ctx;

    cv_shed(caller->loop, -ETIMEDOUT);
    leave(caller);
}

static int start(struct caller *caller, int fd)
{
    int rc = cv_stream_new(&caller->stream, caller->loop, fd);

    if (rc < 0) {
        close(fd);
        return rc;
    }
    rc = cv_timer_new(&caller->timer, caller->loop, on_timeout, caller);
    if (rc < 0)
        return rc;
    cv_timer_set(caller->timer, CV_GATE_WAIT);
    cv_stream_owner(caller->stream, on_ready, caller);
    return cv_stream_watch(caller->stream, CV_READABLE);
}

void cv_gate_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_gate *gate = ctx;
    struct cv_loop *loop = gate->config.loop;
    struct caller *caller;
    int rc;

    if (!gate->config.may_enter(gate->config.ctx, peer)) {
        close(fd);
        return;
    }
    if (gate->count >= CV_GATE_CALLERS_MAX) {
        cv_shed(loop, CV_EFULL);
        leave(cv_container_of(gate->callers.next, struct caller, link));
    }
    caller = cv_alloc_zero(&loop->alloc, sizeof(*caller));
    if (!caller) {
        cv_shed(loop, -ENOMEM);
        cv_log_cause(loop, CV_CAUSE_NO_ROOM, NULL, "%s: %s: turned away: %s", gate->config.name,
                     peer, cv_strerror(-ENOMEM));
        gate->config.left(gate->config.ctx, peer);
        close(fd);
        return;
    }
    caller->gate = gate;
    caller->loop = loop;
    memcpy(caller->peer, peer, cv_min_size(strlen(peer), sizeof(caller->peer) - 1));
    caller->call.config = &gate->config;
    caller->call.peer = caller->peer;
    cv_list_init(&caller->link);
    cv_list_push_back(&gate->callers, &caller->link);
    gate->count++;
    rc = start(caller, fd);
    if (rc < 0) {
        cv_shed(loop, rc);
        cv_log_cause(loop, CV_CAUSE_NO_ROOM, NULL, "%s: %s: turned away: %s", gate->config.name,
                     peer, cv_strerror(rc));
        leave(caller);
    }
}

int cv_gate_new(struct cv_gate **out, const struct cv_gate_config *config)
{
    struct cv_gate *gate = cv_alloc_zero(&config->loop->alloc, sizeof(*gate));

    if (!gate)
        return -ENOMEM;
    gate->config = *config;
    cv_list_init(&gate->callers);
    *out = gate;
    return 0;
}

void cv_gate_free(struct cv_gate *gate)
{
    if (!gate)
        return;
    cv_list_each_safe (link, &gate->callers)
        leave(cv_container_of(link, struct caller, link));
    cv_free(&gate->config.loop->alloc, gate);
}
