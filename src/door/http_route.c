#include "door/http_route.h"

#include <string.h>

struct cv_slice cv_http_route_name(struct cv_slice host)
{
    const char *close = host.len ? memchr(host.at, ']', host.len) : NULL;
    size_t start = close ? (size_t)(close - host.at) : 0;
    const char *colon = host.len ? memchr(host.at + start, ':', host.len - start) : NULL;

    if (colon)
        host.len = (size_t)(colon - host.at);
    if (host.len && host.at[host.len - 1] == '.')
        host.len--;
    return host;
}

static bool has_prefix(struct cv_slice path, const char *prefix, size_t len)
{
    return path.len >= len && memcmp(path.at, prefix, len) == 0 &&
           (path.len == len || path.at[len] == '/');
}

int cv_http_route_find(const struct cv_http_route *routes, size_t count, struct cv_slice host,
                       struct cv_slice path)
{
    struct cv_slice name = cv_http_route_name(host);
    size_t best_len = 0;
    int best = -1;

    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(routes[i].prefix);

        if (!cv_slice_is(name, routes[i].host) || !has_prefix(path, routes[i].prefix, len) ||
            (best >= 0 && len <= best_len))
            continue;
        best = (int)i;
        best_len = len;
    }
    return best;
}
