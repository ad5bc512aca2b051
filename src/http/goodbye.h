#ifndef CV_HTTP_GOODBYE_H
#define CV_HTTP_GOODBYE_H

#include <libwebsockets.h>

#include "base/attr.h"

/* In a WRITEABLE callback, as its one write: sends a close frame with @code, after which
 * libwebsockets waits two seconds for the other's. lws_close_reason() sends one only where a
 * message is being received: from elsewhere, or by a time-out, libwebsockets takes the socket for a
 * broken one. Returns 0, or -1 to close at once. */
int cv_goodbye(struct lws *wsi, unsigned code) CV_MUST_USE;

#endif
