#ifndef CV_CONFIG_VISIT_H
#define CV_CONFIG_VISIT_H

#include "config/outward.h"

/* What `culvertctl connect` and `culvertctl forward` are told. */
struct cv_visit_config {
    struct cv_common_config common; /* first */
    struct cv_urls servers;         /* one */
    struct cv_outward outward;
    struct cv_destination destination; /* of connect */
    struct cv_forwards forwards;       /* of forward: at least one, none with suffixes */
    uint64_t udp_idle;                 /* of forward: microseconds */
};

extern const struct cv_program cv_connect_program, cv_forward_program;

/* As cv_server_config_init(), for one of the two programs; @token is what CULVERT_TOKEN holds, or
 * NULL. Errors as of cv_outward_load(). */
int cv_visit_config_init(struct cv_visit_config *config, const struct cv_program *program,
                         const struct cv_alloc *alloc, const char *token, int argc,
                         const char *const *argv, struct cv_config_error *error) CV_MUST_USE;

void cv_visit_config_deinit(struct cv_visit_config *config);

#endif
