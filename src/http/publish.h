#ifndef CV_HTTP_PUBLISH_H
#define CV_HTTP_PUBLISH_H

#include "base/alloc.h"
#include "door/http.h"

/* The header in which an agent's handshake asks for services to be exposed, once for each:
 * `X-Culvert-Publish: tcp:8022=127.0.0.1:22`. What becomes of them is told inside the session. */
#define CV_PUBLISH_HEADER "X-Culvert-Publish"

/* What all such headers of @head ask for, a line each and each ended by a newline; a proxy on the
 * way may have joined several by commas. From @alloc, ended by NUL. *@out is NULL where there is
 * none. Returns 0 or -ENOMEM. */
int cv_publish_wanted(char **out, const struct cv_http_head *head,
                      const struct cv_alloc *alloc) CV_MUST_USE;

#endif
