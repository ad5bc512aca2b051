#ifndef CV_CONFIG_AGENT_H
#define CV_CONFIG_AGENT_H

#include "config/outward.h"

/* Everything that culvert-agent is told. */
struct cv_agent_config {
    struct cv_common_config common; /* first */
    struct cv_urls connects;        /* at least one, or discover */
    bool discover;                  /* find servers by SSDP */
    const char *discover_type;
    uint64_t discover_timeout;             /* microseconds */
    struct cv_strings discover_interfaces; /* none: every one */
    bool discover_insecure;
    const char *id; /* a valid client key */
    struct cv_outward outward;
    struct cv_headers headers;
    struct cv_patterns allows;
    struct cv_publications publishes; /* whose targets are allowed besides */
    const char *serve;                /* folder, or NULL */
    uint64_t drain_timeout;           /* microseconds */
};

/* What the caller finds outside of flags and file; borrowed for the call. */
struct cv_agent_surroundings {
    const char *token;     /* CULVERT_TOKEN, or NULL */
    const char *host_name; /* the default for --id, or NULL */
};

extern const struct cv_program cv_agent_program;

/* As cv_server_config_init(). Reads the token file, which wins over CULVERT_TOKEN; errors of
 * cv_file_read() besides. */
int cv_agent_config_init(struct cv_agent_config *config, const struct cv_alloc *alloc,
                         const struct cv_agent_surroundings *surroundings, int argc,
                         const char *const *argv, struct cv_config_error *error) CV_MUST_USE;

void cv_agent_config_deinit(struct cv_agent_config *config);

#endif
