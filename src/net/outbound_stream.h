#ifndef CV_NET_OUTBOUND_STREAM_H
#define CV_NET_OUTBOUND_STREAM_H

#include <curl/curl.h>

#include "net/stream.h"

/* Private to net: streams over connections that libcurl has made. */

/* What libcurl holds for one connection: an easy handle inside a multi of its own. libcurl forgets
 * a CONNECT_ONLY connection when its handle leaves the multi (curl issue 9244), and a dial in a
 * shared multi may prune the idle-looking connections of others. */
struct cv_curl {
    CURLM *multi;
    CURL *easy;
    int tls_layers; /* handshakes made: one with the server, one with a proxy of https:// */
};

/* Ends the connection and frees; NULL handles are fine. */
void cv_curl_close(struct cv_curl *curl);

/* Makes the stream of a connection that stands; @tls: to the server, whatever lies between. Takes
 * @curl's content on success. No handle may poll the socket any more. Returns 0, -ENOMEM, -errno or
 * libuv's code. */
int cv_stream_new_curl(struct cv_stream **out, struct cv_loop *loop, struct cv_curl *curl,
                       bool tls) CV_MUST_USE;

#endif
