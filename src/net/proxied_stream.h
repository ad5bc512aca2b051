#ifndef CV_NET_PROXIED_STREAM_H
#define CV_NET_PROXIED_STREAM_H

#include "net/curl_lib.h"
#include "net/stream.h"

/* Private to net: what libcurl has connected, as a socket or as a stream. */

/* What libcurl holds for one connection: an easy handle inside a multi of its own. libcurl forgets
 * a CONNECT_ONLY connection when its handle leaves the multi (curl issue 9244), and a dial in a
 * shared multi may prune the idle-looking connections of others. */
struct cv_curl {
    const struct cv_curl_lib *lib; /* borrowed */
    CURLM *multi;
    CURL *easy;
    int tls_layers; /* handshakes made: one with the server, one with a proxy of https:// */
};

/* Ends the connection and frees; NULL handles are fine. */
void cv_curl_close(struct cv_curl *curl);

/* A descriptor of the connection that outlives libcurl's, where no TLS is in between. Returns it or
 * -errno. */
int cv_curl_take_socket(const struct cv_curl *curl) CV_MUST_USE;

/* Makes the stream of a connection to a proxy by TLS; @tls: so it is to the server beyond. Takes
 * @curl's content on success. No handle may poll the socket any more. Returns 0, -ENOMEM or libuv's
 * code. */
int cv_stream_new_curl(struct cv_stream **out, struct cv_loop *loop, struct cv_curl *curl,
                       bool tls) CV_MUST_USE;

#endif
