#ifndef CMD_SERVER_RULES_H
#define CMD_SERVER_RULES_H

#include <stdatomic.h>

#include "config/server.h"
#include "http/gateway.h"

/* What SIGHUP reads anew of the configuration: forwards, routes, policies and peers. All workers
 * share one that does not change; the last holder who lets go of it frees it. */
struct rules {
    const struct cv_server_config *config; /* whose other fields mean nothing here */
    struct cv_gateway_routes http;         /* its routes of HTTP, for the gateway */
    bool any_tls;                          /* there are routes of TLS besides */

    /* Private. */
    atomic_uint holders;
    struct cv_alloc heap;
    struct cv_server_config own; /* where config points to, when it was read anew */
    struct cv_http_route *match; /* owned; of http */
    struct cv_gateway_target *to;
};

/* Those of the start; @config is borrowed for good. The caller holds them. Returns 0 or -ENOMEM. */
int rules_new(struct rules **out, const struct cv_server_config *config) CV_MUST_USE;

/* Reads flags and file once more, as @start was read. The caller holds them. Errors of
 * cv_server_config_init(), with a line in @error. */
int rules_read(struct rules **out, const struct cv_server_config *start,
               struct cv_config_error *error) CV_MUST_USE;

/* From any thread. NULL is fine for the second. */
struct rules *rules_hold(struct rules *rules);
void rules_release(struct rules *rules);

#endif
