#ifndef CV_CONFIG_SERVER_H
#define CV_CONFIG_SERVER_H

#include "access/limits.h"
#include "config/directory.h"
#include "config/values.h"

/* Everything that culvert-server is told. */
struct cv_server_config {
    struct cv_common_config common; /* first */
    struct cv_listens listens;      /* front doors; at least one */
    struct cv_forwards forwards;
    struct cv_door_rules socks, http_proxies;
    struct cv_route_rules routes;
    struct cv_balance_rules balances;
    const char *publish_address;              /* where ports of agents listen; "": everywhere */
    struct cv_publish_patterns publish_allow; /* what any agent may publish; insecure_no_auth */
    const char *target_ca;                    /* of https targets; NULL: the system's */
    uint64_t max_body;      /* bytes of a request through the HTTP door; 0: no limit */
    uint64_t http_stall;    /* microseconds until a body that stands still is given up */
    uint64_t http_idle;     /* microseconds of silence in a response; 0: no limit */
    const char *token_file; /* NULL: insecure_no_auth */
    bool insecure_no_auth;
    struct cv_strings admins;       /* admin listeners */
    const char *admin_token_file;   /* NULL: they are local */
    const char *tls_cert, *tls_key; /* both or none */
    const char *tls_client_ca;      /* NULL, or with the two */
    struct cv_peer_servers peers;   /* of flags and file; those of peers_file are read later */
    const char *peers_file;         /* NULL: none */
    const char *peer_id;            /* our own; set with peers or peers_file */
    const char *peer_token;         /* what we present; of peer_token_file too. Secret */
    const char *peer_token_file;    /* NULL: none */
    const char *peer_ca;            /* PEM file, or NULL: the system's */
    bool peer_insecure;
    struct cv_directory_options directory;
    struct cv_strings advertise; /* interfaces to announce the front door on; none: not at all */
    const char *advertise_type, *advertise_uuid, *advertise_location; /* NULL: our own */
    uint64_t advertise_ttl;
    const char *state_dir;                      /* NULL: the default */
    struct cv_strings rooms;                    /* where rooms are served; one, or none */
    struct cv_strings rooms_origins;            /* of pages that may use them; none: all */
    const char *rooms_secret;                   /* NULL: anyone may use any room */
    const char *rooms_tls_cert, *rooms_tls_key; /* both or none */
    bool rooms_demo;                            /* whether rooms have a page of their own, /demo */
    struct cv_url rooms_bye; /* who is told of clients that are gone; host NULL: nobody */
    uint64_t rooms_max, rooms_max_per_source, rooms_budget;
    struct cv_limits limits;
    uint64_t threads;       /* event loops */
    uint64_t udp_idle;      /* microseconds */
    uint64_t drain_timeout; /* microseconds */
};

extern const struct cv_program cv_server_program;

/* Fills @config from flags and file, and checks the whole. Deinit also after a failure. When
 * config->common.action is CV_CONFIG_HELP or CV_CONFIG_VERSION nothing else is set. The files of
 * credentials and of peers are not read: see cv_credentials_load() and cv_peers_load(); that of the
 * peers' token is.
 *
 * CV_ESYNTAX, -ENOMEM and those of cv_file_read(): see @error */
int cv_server_config_init(struct cv_server_config *config, const struct cv_alloc *alloc, int argc,
                          const char *const *argv, struct cv_config_error *error) CV_MUST_USE;

/* The same from a file's text alone. */
int cv_server_config_init_text(struct cv_server_config *config, const struct cv_alloc *alloc,
                               const char *file, const char *text, size_t len,
                               struct cv_config_error *error) CV_MUST_USE;

void cv_server_config_deinit(struct cv_server_config *config);

#endif
