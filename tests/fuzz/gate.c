/* Paths of the HTTP door, with a query behind them, and how its heads are passed on. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "door/http_forward.h"
#include "door/http_gate.h"

static void require(bool fine)
{
    if (!fine)
        abort();
}

static void check_path(const char *data, size_t size)
{
    const char *mark = memchr(data, '?', size);
    struct cv_slice path = {data, mark ? (size_t)(mark - data) : size};
    struct cv_slice query = {mark ? mark + 1 : NULL, mark ? size - path.len - 1 : 0};
    unsigned wait = cv_http_gate_wait(query);
    struct cv_http_gate gate;

    require(wait >= 1 && wait <= CV_HTTP_GATE_WAIT_MAX);
    if (!cv_http_gate_is(path))
        return;
    if (cv_http_gate_parse(&gate, path) < 0) {
        require(gate.error != NULL);
        return;
    }
    require(cv_key_valid(gate.client, strlen(gate.client)));
    require(gate.path.len > 0 && gate.path.at[0] == '/');
    require(strpbrk(gate.host, "/?#@\\ \r\n") == NULL &&
            strlen(gate.host) <= CV_HTTP_GATE_HOST_MAX);
    require(strncmp(gate.address, gate.host, strlen(gate.host)) == 0);
}

/* What a target is sent means what the visitor said: the same method, the same body. */
static void check_forward(const char *data, size_t size)
{
    static char out[CV_HTTP_FORWARD_MAX], again[CV_HTTP_FORWARD_MAX];
    struct cv_http_forward how = {.path = {"/", 1}, .host = {"h", 1}};
    struct cv_http_head head, sent;
    size_t head_len, sent_len;
    int n;

    if (cv_http_request_parse(&head, data, size, &head_len) < 0 ||
        cv_http_target_split(head.target, &how.path, &how.query) < 0)
        return;
    n = cv_http_forward_request(out, sizeof(out), &head, &how);
    require(n > 0 && !strstr(out, "\nX-Culvert-Token:"));
    if (cv_http_request_parse(&sent, out, (size_t)n, &sent_len) < 0)
        require(sent.refusal == 431 || sent.refusal == 414); /* it has grown over a limit */
    else {
        require(sent_len == (size_t)n && sent.chunked == head.chunked);
        require(sent.content_length == head.content_length && sent.websocket == head.websocket);
        require(sent.method.len == head.method.len);
        require(cv_http_forward_request(again, sizeof(again), &sent, &how) == n);
        require(strcmp(out, again) == 0);
    }
}

static void check_reply(const char *data, size_t size)
{
    static char out[CV_HTTP_FORWARD_MAX];
    struct cv_http_body body, sent_body;
    struct cv_http_head head, sent;
    size_t head_len, sent_len;
    int n;

    if (cv_http_response_parse(&head, data, size, &head_len) < 0)
        return;
    cv_http_body_of_response(&body, &head, false);
    n = cv_http_forward_response(out, sizeof(out), &head,
                                 &(struct cv_http_reply){.framing = body.framing});
    require(n > 0);
    if (cv_http_response_parse(&sent, out, (size_t)n, &sent_len) < 0)
        require(sent.refusal == 431 || sent.refusal == 414);
    else {
        cv_http_body_of_response(&sent_body, &sent, false);
        require(sent_len == (size_t)n && sent.status == head.status);
        require(sent_body.framing == body.framing && sent_body.left == body.left);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    check_path((const char *)data, size);
    check_forward((const char *)data, size);
    check_reply((const char *)data, size);
    return 0;
}
