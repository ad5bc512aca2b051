#ifndef CV_HTTP_FRONT_H
#define CV_HTTP_FRONT_H

#include "access/credential.h"
#include "http/features.h"
#include "http/gateway.h"
#include "net/listener.h"
#include "net/tls.h"

#define CV_FRONT_DESCRIPTION "/ssdp/description.xml" /* its path */

/* The front door: one request on each accepted connection. `GET /connect` with the right credential
 * becomes a tunnel; what the HTTP door claims becomes its visitor; everything else is answered and
 * closed. */
struct cv_front;

/* An agent that may come in: its handshake is answered. */
struct cv_front_guest {
    struct cv_stream *stream; /* the callee's */
    const void *early;        /* bytes that came behind the request; borrowed for the call */
    size_t early_len;
    const char *key;       /* its client key; borrowed for the call */
    const uint8_t *digest; /* of its token, CV_TOKEN_DIGEST bytes, borrowed for the call; NULL where
                              anyone may come in */
    const char *subject;   /* of the certificate that it came in with, in place of a token; or NULL.
                              Borrowed for the call */
    bool visitor; /* a visitor with a session; @key is what it calls itself. Its place in the
                     limits, that may_knock gave, is the callee's */
    bool peer;    /* a server that peers with us; @key is its id, @digest of its token */
    bool culvert; /* it sent X-Culvert-Features */
    unsigned features;
    const char *version; /* of the agent, at most CV_AGENT_VERSION_MAX bytes; NULL: it says none.
                            Borrowed for the call */
    const char *publish; /* what it wants published, a line each (http/publish.h); NULL: nothing.
                            Borrowed for the call */
};

/* Somebody who wants in. Everything is borrowed for the call. */
struct cv_front_claim {
    bool visitor;
    const char *key;     /* as in struct cv_front_guest */
    const char *peer;    /* its address, as listeners say it */
    const char *token;   /* secret: a bearer token; NULL: it shows none */
    const char *subject; /* of the certificate that it showed; NULL: none */
    const struct cv_http_head *head;
};

/* TLS that goes to its target as it is. */
struct cv_front_passage {
    int fd;           /* the callee's */
    const char *peer; /* borrowed for the call; its place in the limits, that may_knock gave, is the
                         callee's too */
    const void *early; /* what was read already; borrowed for the call */
    size_t early_len;
};

struct cv_front_config {
    struct cv_loop *loop; /* borrowed */
    struct cv_tls *tls;   /* borrowed; NULL: plain */

    /* Borrowed, and may be another table at each call: credentials are reloaded. NULL: anyone may
     * come in. */
    const struct cv_credentials *(*credentials)(void *ctx);

    /* In place of credentials: 0 lets it in, CV_EDENIED is answered with 401, another code with
     * 503. NULL: the credentials decide. */
    int (*authorize)(void *ctx, const struct cv_front_claim *claim);
    unsigned lacking; /* features (CV_FEATURE_*) that this server does not share */

    /* Whether one more connection of @peer may knock; `left` gives its place back when the request
     * was dealt with, on whichever way; the gateway's does when it took the visitor. NULL, both:
     * anybody. */
    bool (*may_knock)(void *ctx, const char *peer);
    void (*left)(void *ctx, const char *peer);

    /* Whether the server @id that presents a token of @digest (CV_TOKEN_DIGEST bytes) is a peer.
     * NULL: none is. */
    bool (*peer)(void *ctx, const char *id, const uint8_t *digest);

    /* Whether there is room for one more session; else 503. */
    bool (*room)(void *ctx);
    void (*welcome)(void *ctx, const struct cv_front_guest *guest);

    /* A request is answered with @status, which is an error's. NULL: nobody counts. */
    void (*refused)(void *ctx, int status);

    /* Nobody is left of those that cv_front_drain() let stay. */
    void (*emptied)(void *ctx);

    /* Writes the description for discovery that @host (HOST:PORT; NULL: not said) asks for and
     * returns its length; 0 when there is none to be had. NULL: never. */
    int (*describe)(void *ctx, const char *host, char *out, size_t size);
    void *describe_ctx; /* borrowed */

    /* The route of TLS for @name that is passed on as it is: its number, or -1. Asked for only when
     * cv_front_expect_tls() says so. */
    int (*tls_route)(void *ctx, const char *name);
    void (*pass)(void *ctx, int route, const struct cv_front_passage *passage);

    struct cv_gateway *gateway; /* borrowed; NULL: no HTTP door */
    void *ctx;                  /* borrowed */
};

#define CV_FRONT_HEAD_WAIT (10 * CV_SEC) /* until the request's head is there, TLS included */
#define CV_FRONT_HOST_MAX  255           /* bytes of a Host that a description repeats */
#define CV_FRONT_PENDING_MAX \
    4096 /* connections whose head is not there yet: one more, and the oldest goes */

/* Returns 0 or -ENOMEM. @config is copied. */
int cv_front_new(struct cv_front **out, const struct cv_front_config *config) CV_MUST_USE;

/* Whether a ClientHello is looked into for its name, of those who come from now on: when there are
 * routes of TLS. At first it is not. */
void cv_front_expect_tls(struct cv_front *front, bool expected);

/* Takes an accepted socket; see cv_listener_accepted. @ctx is the front. */
void cv_front_accepted(void *ctx, int fd, const char *peer);

/* No more are to come: who has said nothing goes at once. Whose request has begun is answered when
 * it is there, agents with 503. `emptied` may be called from within. */
void cv_front_drain(struct cv_front *front);

/* Whether anybody is being answered, or may be. NULL is fine. */
bool cv_front_busy(const struct cv_front *front);

/* Drops those whose head is not there yet. NULL is fine. */
void cv_front_free(struct cv_front *front);

#endif
