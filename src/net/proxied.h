#ifndef CV_NET_PROXIED_H
#define CV_NET_PROXIED_H

#include "net/curl_lib.h"
#include "net/outbound.h"

/* Private to net: a connection through a proxy, by libcurl (CURLOPT_CONNECT_ONLY on the loop),
 * which knows every kind of them. What lies beyond the proxy is a plain socket to us, except when
 * the proxy itself is spoken to by TLS: then libcurl speaks TLS to the server as well. */
struct cv_proxied;

/* Longer than any name of a host. */
#define CV_OUTBOUND_HOST_SIZE 256

/* The end, exactly once unless cancelled, never before cv_proxied_dial() returned: the callee's
 * @stream, through a hidden proxy, or its @fd; or @error with @why, borrowed for the call. */
typedef void cv_proxied_done(void *ctx, struct cv_stream *stream, int fd, int error,
                             const char *why);

/* Whether libcurl has to carry the bytes, since TLS hides them from the proxy's neighbours. */
bool cv_proxied_is_hidden(const char *proxy);

/* @lib is borrowed, and the stream borrows it. Has no deadline. Returns 0, -ENOMEM, CV_ESYNTAX for
 * a
 * @proxy that libcurl does not take, or libuv's code. */
int cv_proxied_dial(struct cv_proxied **out, struct cv_loop *loop, const struct cv_curl_lib *lib,
                    const struct cv_outbound_options *options, const char *proxy,
                    cv_proxied_done *done, void *ctx) CV_MUST_USE;

/* Stops it; `done` is not called any more. Must not be called after `done`. */
void cv_proxied_cancel(struct cv_proxied *proxied);

#endif
