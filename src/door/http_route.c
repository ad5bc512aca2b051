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

bool cv_http_route_wild(const char *host)
{
    return host[0] == '*' && host[1] == '.';
}

size_t cv_http_route_fit(struct cv_slice name, const char *host)
{
    size_t len = strlen(host), front;

    if (!cv_http_route_wild(host))
        return cv_slice_is(name, host) ? SIZE_MAX : 0;
    len--; /* of what is behind the `*`, its dot included */
    if (name.len <= len)
        return 0;
    front = name.len - len;
    return name.at[front - 1] != '.' &&
                   cv_slice_is((struct cv_slice){name.at + front, len}, host + 1)
               ? len
               : 0;
}

int cv_http_route_find(const struct cv_http_route *routes, size_t count, struct cv_slice host,
                       struct cv_slice path)
{
    struct cv_slice name = cv_http_route_name(host);
    size_t best_fit = 0, best_len = 0;
    int best = -1;

    for (size_t i = 0; i < count; i++) {
        size_t fit = cv_http_route_fit(name, routes[i].host), len = strlen(routes[i].prefix);

        if (fit == 0 || fit < best_fit || !has_prefix(path, routes[i].prefix, len) ||
            (fit == best_fit && len <= best_len && best >= 0))
            continue;
        best = (int)i;
        best_fit = fit;
        best_len = len;
    }
    return best;
}
