#ifndef CV_DOOR_HTTP_ROUTE_H
#define CV_DOOR_HTTP_ROUTE_H

#include "door/http.h"

/* Which of several routes a request takes: by the name that it asks for, and where its path begins.
 */
struct cv_http_route {
    const char *host;   /* name or address (IPv6 in brackets), without port; or `*.` and a name */
    const char *prefix; /* of the path: "" or `/a/b`, without a slash at its end */
};

/* The index of the route for @host (a Host header, with or without port; case and a dot at its end
 * do not count) and @path: of those that match the one whose host fits best, and of these the one
 * with the longest prefix, which ends where a segment of the path does. -1 when there is none. */
int cv_http_route_find(const struct cv_http_route *routes, size_t count, struct cv_slice host,
                       struct cv_slice path);

/* @host without port and without a dot at its end. */
struct cv_slice cv_http_route_name(struct cv_slice host);

/* Whether @host of a route is `*.` and a name: one or more labels in front of that. */
bool cv_http_route_wild(const char *host);

/* How well @name, as of cv_http_route_name(), fits the @host of a route: 0 not at all, and the more
 * the better. The name itself is best, then the longest behind a `*`. */
size_t cv_http_route_fit(struct cv_slice name, const char *host);

#endif
