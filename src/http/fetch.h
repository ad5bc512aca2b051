#ifndef CV_HTTP_FETCH_H
#define CV_HTTP_FETCH_H

#include "net/connect.h"
#include "net/outbound.h"

/* Asks a stranger for one small document by HTTP or HTTPS, or tells it something. No redirect is
 * followed, nothing but a body of 200 is taken, and everything has its bound. */
struct cv_fetch;

#define CV_FETCH_BODY_MAX ((size_t)64 * 1024)
#define CV_FETCH_WAIT     (3 * CV_SEC) /* for everything together */

struct cv_fetch_options {
    bool post;        /* POST without a body: any 2xx is success, and no body is waited for */
    const char *host; /* name or address, without brackets; copied */
    uint16_t port;
    const char *host_header; /* as it stands in the URL; copied */
    const char *target;      /* path and query, starts with a slash; copied */
    cv_connect_allow *allow; /* of HTTP: asked about each address that the host resolves to */
    const struct cv_outbound_options *tls; /* of HTTPS: how to dial, and what to verify; the caller
                                              has judged its host. NULL: HTTP. Borrowed for the call
                                            */
};

/* The end, exactly once unless cancelled, never before cv_fetch_start() returned. */
struct cv_fetch_end {
    const char *body; /* borrowed for the call; NULL when it failed */
    size_t len;
    int error; /* -errno or one of ours: CV_ETOOLONG, CV_ESYNTAX for an answer that is none or
                  no 200 (of POST: no 2xx), CV_EDENIED for an address or a certificate */
    const char *text; /* what went wrong, one line; borrowed for the call */
};
typedef void cv_fetch_done(void *ctx, const struct cv_fetch_end *end);

/* @outbound may be NULL for HTTP. Returns 0, -ENOMEM, CV_ETOOLONG or libuv's code. */
int cv_fetch_start(struct cv_fetch **out, struct cv_loop *loop, struct cv_outbound *outbound,
                   const struct cv_fetch_options *options, cv_fetch_done *done,
                   void *ctx) CV_MUST_USE;

/* Stops it; `done` is not called any more. Must not be called after `done`. */
void cv_fetch_cancel(struct cv_fetch *fetch);

#endif
