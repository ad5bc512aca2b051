#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "door/absolute.h"
#include "door/basic.h"
#include "door/http_text.h"
#include "http/gate.h"
#include "net/digest.h"

#define REALM "Basic realm=\"culvert: user is the client key, password a visitor token\""

_Static_assert(CV_ABSOLUTE_ADDRESS_MAX <= CV_GATE_ADDRESS_MAX, "an address has room");

/* Answers with a status and a line, and closes. */
static int refuse(struct cv_gate_call *call, int status, const char *why)
{
    struct cv_http_text head;
    size_t len = strlen(why);
    int n;

    if (status != 407) /* that was said, with the reason that the other end is not told */
        cv_gate_log(call, why);
    cv_http_text_init(&head, call->out, sizeof(call->out), status);
    cv_http_text_header(&head, "Content-Type", "text/plain; charset=utf-8");
    if (status == 407)
        cv_http_text_header(&head, "Proxy-Authenticate", REALM);
    cv_http_text_number(&head, "Content-Length", len + 1);
    cv_http_text_header(&head, "Connection", "close");
    n = cv_http_text_end(&head);
    if (n < 0 || (size_t)n + len + 1 > sizeof(call->out))
        return CV_EPROTO;
    memcpy(call->out + n, why, len);
    call->out[(size_t)n + len] = '\n';
    call->out_len = (size_t)n + len + 1;
    return CV_ECLOSED;
}

static bool login(struct cv_gate_call *call, const struct cv_http_head *head)
{
    const struct cv_slice *value = cv_http_find(head, "Proxy-Authorization");
    struct cv_basic basic;
    bool yes = false;

    if (call->config->client)
        return true;
    if (value && cv_basic_read(&basic, *value) == 0)
        yes = cv_gate_login(call, basic.user, strlen(basic.user), basic.password,
                            strlen(basic.password));
    if (value)
        cv_secret_clear(&basic, sizeof(basic));
    return yes;
}

static int connect_to(struct cv_gate_call *call, const struct cv_http_head *head)
{
    if (head->target.len >= sizeof(call->address))
        return refuse(call, 400, "the target is too long");
    memcpy(call->address, head->target.at, head->target.len);
    call->address[head->target.len] = '\0';
    return 0;
}

/* A request for an http URL goes to its origin in the origin's form, with what has come behind it
 * of its body. */
static int fetch(struct cv_gate_call *call, const struct cv_http_head *head, const char *behind,
                 size_t len)
{
    const struct cv_alloc *alloc = &call->config->loop->alloc;
    size_t size = CV_HTTP_HEAD_MAX + 64;
    int n;

    if (cv_absolute_address(head, call->address) < 0)
        return refuse(call, 400, "a proxy takes CONNECT, and http URLs");
    call->early = cv_alloc(alloc, size + len);
    if (!call->early)
        return -ENOMEM;
    n = cv_absolute_rewrite(head, call->early, size);
    if (n < 0)
        return refuse(call, 431, "the request's head is too long");
    memcpy(call->early + n, behind, len);
    call->early_len = (size_t)n + len;
    call->silent = true;
    return 0;
}

static int read_http(struct cv_gate_call *call, const char *in, size_t len)
{
    struct cv_http_head head;
    size_t head_len;
    int rc = cv_http_request_parse(&head, in, len, &head_len);

    if (rc == CV_EMORE)
        return rc;
    if (rc < 0)
        return refuse(call, head.refusal ? head.refusal : 400,
                      head.error ? head.error : "bad request");
    if (!login(call, &head))
        return refuse(call, 407, "a client key and a visitor token are needed");
    if (cv_slice_is(head.method, "CONNECT"))
        rc = connect_to(call, &head);
    else if (cv_absolute_is(&head))
        rc = fetch(call, &head, in + head_len, len - head_len);
    else
        rc = refuse(call, 400, "this is a proxy: it takes CONNECT, and http URLs");
    if (rc < 0)
        return rc;
    call->through = true;
    return (int)head_len;
}

/* What comes behind the longest head in one read is kept for the target. */
const struct cv_gate_protocol cv_gate_http = {.read = read_http, .in_max = 2 * CV_HTTP_HEAD_MAX};
