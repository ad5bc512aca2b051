#ifndef CV_HTTP_GATEWAY_CORE_H
#define CV_HTTP_GATEWAY_CORE_H

#include "base/list.h"
#include "http/body_flow.h"
#include "http/gateway.h"
#include "http/head_buf.h"
#include "net/address.h"
#include "net/log.h"
#include "net/timer.h"

/* Private to the gateway's files. */

struct cv_gateway {
    struct cv_gateway_config config;
    struct cv_gateway_routes routes;
    struct cv_upstreams *upstreams;
    struct cv_list callers; /* who has been idle for longest comes first */
    size_t caller_count;
    bool draining;
};

enum cv_caller_state {
    CV_CALLER_HEAD,   /* a request is awaited, or its head is coming */
    CV_CALLER_DIALS,  /* it has no target yet */
    CV_CALLER_RUNS,   /* request and response are under way */
    CV_CALLER_LEAVES, /* our own answer is sent, then the connection ends */
};

/* A visitor's connection. */
struct cv_caller {
    struct cv_list link;
    struct cv_gateway *gateway; /* borrowed */
    struct cv_stream *stream;   /* owned */
    char peer[CV_ADDRESS_SIZE];
    struct cv_timer *timer; /* owned */
    uint64_t timer_at;      /* when it rings, CV_NEVER when it does not */
    enum cv_caller_state state;
    uint64_t moved_at;        /* when anything moved last */
    struct cv_head_buf in;    /* of the visitor, not dealt with yet */
    struct cv_head_buf back;  /* of the target */
    struct cv_body_flow to;   /* to the target */
    struct cv_body_flow from; /* to the visitor */
    struct cv_upstream *upstream;
    struct cv_upstream_target target;
    uint64_t wait;           /* microseconds for the response's head */
    unsigned interims;       /* heads of 1xx that have come in front of it */
    bool counted;            /* among the requests of its token */
    bool by_route;           /* else by its path */
    bool to_head;            /* the request is HEAD */
    bool old;                /* the visitor speaks HTTP/1.0 */
    bool keep_alive;         /* the visitor would like to go on */
    bool websocket;          /* it asks for one */
    bool can_repeat;         /* the request may be sent a second time */
    bool reused;             /* the target's connection has carried another request before */
    bool answered;           /* the response's head is there, and no 1xx */
    bool raw;                /* both directions carry another protocol */
    bool closes;             /* the visitor's connection ends behind the response */
    bool clean;              /* the target's may carry another request */
    bool deaf;               /* the target takes nothing more */
    bool shut_to, shut_from; /* of raw directions: the end was told */
    bool hung;               /* the visitor said its last while it was not read */
};

/* gateway.c: whether the name that @host asks for is published; see cv_gateway_config. */
bool cv_gateway_published(const struct cv_gateway *gateway, struct cv_slice host,
                          struct cv_upstream_target *out);

/* gateway_caller.c */

/* Goes on with whatever can. The caller may be gone after it. */
void cv_caller_run(struct cv_caller *caller);

/* Whom lines about its request are about: nobody before that is known. */
#define CV_CALLER_ABOUT(caller)                                                                  \
    (&(const struct cv_log_about){.client = (caller)->target.client[0] ? (caller)->target.client \
                                                                       : NULL})

/* Answers by ourselves, and closes behind it. */
void cv_caller_answer(struct cv_caller *caller, int status, const char *text);

/* Ends it without another word: a visitor that is owed more of a response sees a reset. */
void cv_caller_drop(struct cv_caller *caller);

/* Reads up to CV_GATEWAY_READ bytes to the loop's buffer; as cv_stream_recv(). */
ssize_t cv_caller_read(struct cv_caller *caller, struct cv_stream *stream);

/* gateway_admit.c: finds the target of a request, opens a connection to it, and lays down the head.
 * What cannot be is answered: CV_ECLOSED, and the caller may be gone. */
int cv_caller_admit(struct cv_caller *caller, const struct cv_http_head *head) CV_MUST_USE;

/* A request is over, or answered by ourselves: its token has room for another one. */
void cv_caller_uncount(struct cv_caller *caller);

/* Opens a connection. 0, or CV_ECLOSED as above. */
int cv_caller_dial(struct cv_caller *caller) CV_MUST_USE;

/* gateway_exchange.c: one turn of request and response. Returns 1 when both are over and the caller
 * awaits the next, 0 when it waits, CV_ECLOSED when the caller is gone or leaves. */
int cv_caller_exchange(struct cv_caller *caller) CV_MUST_USE;

#endif
