#ifndef CV_NET_PROXY_H
#define CV_NET_PROXY_H

#include <stdbool.h>

#include "base/attr.h"

/* Private to net: which proxy a connection goes through. libcurl would find that out by itself, but
 * the names have to be looked up before it is asked. */

/* The environment, or a test's idea of it. */
typedef char *cv_proxy_env(const char *name);

/* The proxy's URL for a connection to @host, borrowed, or NULL for none: from https_proxy or
 * HTTPS_PROXY when @tls, from http_proxy when not (upper case is left out: in a CGI program a
 * request could set it), then from all_proxy or ALL_PROXY; unless no_proxy or NO_PROXY names @host.
 */
const char *cv_proxy_find(const char *host, bool tls, cv_proxy_env *env);

/* Whether @list, as in no_proxy, names @host: entries between commas or blanks; `*`, a domain (with
 * or without a dot in front, its subdomains too), an address, or a block of them as 10.0.0.0/8. */
bool cv_proxy_excepted(const char *list, const char *host);

#endif
