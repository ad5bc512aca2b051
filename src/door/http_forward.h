#ifndef CV_DOOR_HTTP_FORWARD_H
#define CV_DOOR_HTTP_FORWARD_H

#include "door/http_body.h"

/* Heads as a gateway passes them on (RFC 9110, 7.6). What belongs to one connection stays on it:
 * Connection and all that it names, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade;
 * framing is written anew from what was understood. A WebSocket's upgrade is the one that crosses.
 * No Via is added: many servers stop compressing when they see one. */

/* The longest head that is written: what the longest one that is read can become. */
#define CV_HTTP_FORWARD_MAX (CV_HTTP_HEAD_MAX + 1024)

/* How a request goes on. Everything is borrowed. */
struct cv_http_forward {
    struct cv_slice path;  /* starts with a slash */
    struct cv_slice query; /* without its question mark; `at` NULL: none */
    struct cv_slice host;  /* what Host says */
    struct cv_slice from;  /* the visitor's address, for X-Forwarded-For; empty: not said */
    struct cv_slice asked; /* the Host that the visitor asked for, for X-Forwarded-Host; empty: not
                              said */
    bool https;            /* the visitor came by TLS */
};

/* Writes the head of the request to a target, ended by NUL; returns its length without that.
 * Besides what belongs to the connection left out: Forwarded and X-Forwarded-*, which are said
 * anew; X-API-Tunnel-*, and X-Culvert-Token.
 *
 * CV_ETOOLONG  it does not fit into @size bytes */
int cv_http_forward_request(char *out, size_t size, const struct cv_http_head *head,
                            const struct cv_http_forward *how) CV_MUST_USE;

/* How a response goes back. */
struct cv_http_reply {
    enum cv_http_framing framing; /* of the body as it is sent on; a length is the head's own */
    bool close;                   /* the connection to the visitor ends behind it */
    bool keep_alive_said; /* the visitor speaks HTTP/1.0 and must be told that it does not */
};

/* The same for a response. A 101 is one to WebSocket. */
int cv_http_forward_response(char *out, size_t size, const struct cv_http_head *head,
                             const struct cv_http_reply *how) CV_MUST_USE;

#endif
