#include "http/body_flow.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

void cv_body_flow_init(struct cv_body_flow *flow, const struct cv_alloc *alloc)
{
    *flow = (struct cv_body_flow){.alloc = alloc};
}

void cv_body_flow_clear(struct cv_body_flow *flow)
{
    cv_free(flow->alloc, flow->out);
    cv_body_flow_init(flow, flow->alloc);
}

/* Room for @len bytes behind what waits. */
static char *reserve(struct cv_body_flow *flow, size_t len)
{
    size_t start = flow->again ? 0 : flow->out_sent;
    size_t before = flow->out_len - start;
    char *out = cv_alloc(flow->alloc, before + len);

    if (!out)
        return NULL;
    if (before)
        memcpy(out, flow->out + start, before);
    cv_free(flow->alloc, flow->out);
    flow->out = out;
    flow->out_len = before;
    flow->out_sent -= start;
    return out + before;
}

static void append(struct cv_body_flow *flow, const char *data, size_t len)
{
    memcpy(flow->out + flow->out_len, data, len);
    flow->out_len += len;
}

int cv_body_flow_put(struct cv_body_flow *flow, const char *data, size_t len)
{
    if (!reserve(flow, len))
        return -ENOMEM;
    append(flow, data, len);
    return 0;
}

void cv_body_flow_begin(struct cv_body_flow *flow, const struct cv_http_body *body,
                        enum cv_http_framing framing)
{
    flow->body = *body;
    flow->framing = framing;
    flow->ended = body->done;
}

static void put_payload(struct cv_body_flow *flow, struct cv_slice payload)
{
    char head[CV_HTTP_CHUNK_HEAD_MAX];

    flow->payload += payload.len;
    if (flow->framing == CV_HTTP_CHUNKED)
        append(flow, head, cv_http_chunk_head(head, payload.len));
    append(flow, payload.at, payload.len);
    if (flow->framing == CV_HTTP_CHUNKED)
        append(flow, CV_HTTP_CHUNK_END, sizeof(CV_HTTP_CHUNK_END) - 1);
}

static void put_end(struct cv_body_flow *flow)
{
    flow->ended = true;
    if (flow->framing == CV_HTTP_CHUNKED)
        append(flow, CV_HTTP_LAST_CHUNK, sizeof(CV_HTTP_LAST_CHUNK) - 1);
}

/* A chunk is never longer when it is written than when it was read, but for the first and the last
 * piece of a read, which may have been cut in two. */
#define GROWTH (2 * (CV_HTTP_CHUNK_HEAD_MAX + 2) + 5)

ssize_t cv_body_flow_take(struct cv_body_flow *flow, const char *data, size_t len)
{
    size_t taken = 0;

    if (flow->ended || len == 0)
        return 0;
    if (!reserve(flow, len + GROWTH))
        return -ENOMEM;
    while (taken < len && !flow->body.done) {
        struct cv_slice payload;
        int n = cv_http_body_read(&flow->body, data + taken, len - taken, &payload);

        if (n < 0)
            return n;
        if (payload.len)
            put_payload(flow, payload);
        taken += (size_t)n;
    }
    if (flow->body.done)
        put_end(flow);
    return (ssize_t)taken;
}

int cv_body_flow_eof(struct cv_body_flow *flow)
{
    if (flow->body.framing != CV_HTTP_CLOSE)
        return CV_ESYNTAX;
    if (!reserve(flow, sizeof(CV_HTTP_LAST_CHUNK)))
        return -ENOMEM;
    flow->body.done = true;
    put_end(flow);
    return 0;
}

int cv_body_flow_send(struct cv_body_flow *flow, struct cv_stream *to)
{
    while (flow->out_sent < flow->out_len) {
        ssize_t n = cv_stream_send(to, flow->out + flow->out_sent, flow->out_len - flow->out_sent);

        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        flow->out_sent += (size_t)n;
    }
    if (flow->again)
        return 1;
    cv_free(flow->alloc, flow->out);
    flow->out = NULL;
    flow->out_len = flow->out_sent = 0;
    return 1;
}

bool cv_body_flow_waits(const struct cv_body_flow *flow)
{
    return flow->out_sent < flow->out_len;
}

bool cv_body_flow_done(const struct cv_body_flow *flow)
{
    return flow->ended && !cv_body_flow_waits(flow);
}

void cv_body_flow_rewind(struct cv_body_flow *flow)
{
    flow->out_sent = 0;
}
