#ifndef CV_NET_OUTBOUND_H
#define CV_NET_OUTBOUND_H

#include "net/stream.h"

/* Connections that an agent or a dialling peer makes to a server: happy eyeballs, TLS with CAs and
 * client certificates by our own means; and through a proxy, from options or environment, by
 * libcurl, which is loaded when the first one is met. */
struct cv_outbound; /* one a loop */

int cv_outbound_new(struct cv_outbound **out, struct cv_loop *loop) CV_MUST_USE;

/* All streams of it must be closed before; ends attempts under way without a callback. NULL is
 * fine. */
void cv_outbound_free(struct cv_outbound *outbound);

struct cv_outbound_options { /* strings are copied */
    const char *host;        /* name, IPv4, or IPv6 without brackets */
    uint16_t port;
    bool tls;
    bool insecure;                    /* do not verify the certificate */
    const char *ca_file;              /* NULL: the system's */
    const char *cert_file, *key_file; /* client certificate, or NULL for both */
    const char *server_name;          /* name to verify and to send as SNI, NULL: host */
    const char *proxy;                /* URL, NULL: from https_proxy, http_proxy, no_proxy */
    const char *proxy_auth;           /* USER:PASSWORD, where the proxy's URL says none; or NULL */
    uint64_t timeout;                 /* microseconds, until TLS stands */
};

/* The end, exactly once unless cancelled, never before cv_outbound_dial() returned. @stream is the
 * callee's, or NULL with @error (-errno or one of ours; -ECONNREFUSED, -ETIMEDOUT, CV_EDENIED for a
 * certificate that does not verify, CV_ESYNTAX for a file or proxy that cannot be used, -ELIBACC
 * without libcurl) and @text, one line that says what failed and why, borrowed for the call. */
typedef void cv_outbound_done(void *ctx, struct cv_stream *stream, int error, const char *text);

struct cv_dialling;

int cv_outbound_dial(struct cv_dialling **out, struct cv_outbound *outbound,
                     const struct cv_outbound_options *options, cv_outbound_done *done,
                     void *ctx) CV_MUST_USE;

/* TLS over a socket that leads there already; @options->tls is taken for set, and no proxy is
 * looked for. Takes @fd on success. */
int cv_outbound_over(struct cv_dialling **out, struct cv_outbound *outbound, int fd,
                     const struct cv_outbound_options *options, cv_outbound_done *done,
                     void *ctx) CV_MUST_USE;

/* Stops it; `done` is not called any more. Must not be called after `done`. */
void cv_outbound_cancel(struct cv_dialling *dialling);

#endif
