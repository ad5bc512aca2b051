#include <string.h>

#include "base/error.h"
#include "door/socks.h"
#include "http/gate.h"

enum stage { HELLO, LOGIN, REQUEST };

_Static_assert(CV_SOCKS_ADDRESS_MAX <= CV_GATE_ADDRESS_MAX, "an address has room");

/* At a gate that is one client's no login is asked for, and one that is offered is let pass. */
static int read_hello(struct cv_gate_call *call, const uint8_t *in, size_t len)
{
    struct cv_socks_hello hello;
    int n = cv_socks_hello_read(&hello, in, len);
    uint8_t method = CV_SOCKS_NONE;

    if (n < 0)
        return n;
    if (call->config->client && hello.no_auth)
        method = CV_SOCKS_NO_AUTH;
    else if (hello.password)
        method = CV_SOCKS_PASSWORD;
    cv_socks_method_write((uint8_t *)call->out, method);
    call->out_len = CV_SOCKS_METHOD_LEN;
    call->stage = method == CV_SOCKS_NO_AUTH ? REQUEST : LOGIN;
    if (method != CV_SOCKS_NONE)
        return n;
    cv_gate_log(call, "it offers no user name and password");
    return CV_ECLOSED;
}

static int read_login(struct cv_gate_call *call, const uint8_t *in, size_t len)
{
    struct cv_socks_login login;
    int n = cv_socks_login_read(&login, in, len);
    bool yes;

    if (n < 0)
        return n;
    yes = call->config->client ||
          cv_gate_login(call, login.user, login.user_len, login.password, login.password_len);
    cv_socks_verdict_write((uint8_t *)call->out, yes);
    call->out_len = CV_SOCKS_VERDICT_LEN;
    call->stage = REQUEST;
    return yes ? n : CV_ECLOSED;
}

static int read_request(struct cv_gate_call *call, const uint8_t *in, size_t len)
{
    struct cv_socks_request request;
    int n = cv_socks_request_read(&request, in, len);

    if (n < 0)
        return n;
    if (request.problem != CV_SOCKS_OK) {
        cv_gate_log(call, request.text);
        cv_socks_reply_write((uint8_t *)call->out, (uint8_t)request.problem);
        call->out_len = CV_SOCKS_REPLY_LEN;
        return CV_ECLOSED;
    }
    memcpy(call->address, request.address, sizeof(request.address));
    call->through = true;
    return n;
}

static int read_socks(struct cv_gate_call *call, const char *in, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)in;

    switch ((enum stage)call->stage) {
    case HELLO:
        return read_hello(call, bytes, len);
    case LOGIN:
        return read_login(call, bytes, len);
    case REQUEST:
        return read_request(call, bytes, len);
    }
    return CV_EPROTO;
}

/* What comes behind the longest message in one read is kept for the target. */
const struct cv_gate_protocol cv_gate_socks = {.read = read_socks,
                                               .in_max = (size_t)4 * CV_SOCKS_MESSAGE_MAX};
