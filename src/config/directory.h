#ifndef CV_CONFIG_DIRECTORY_H
#define CV_CONFIG_DIRECTORY_H

#include "config/values.h"

/* A Redis: `redis://HOST[:PORT][/DB]`, `rediss://` for TLS, `unix:PATH`. */
struct cv_redis_url {
    const char *text; /* the whole, for logs; NULL: none */
    const char *path; /* of a unix socket; else: */
    const char *host; /* without brackets */
    uint16_t port;
    bool tls;
    uint64_t database;
};

#define CV_REDIS_PORT         6379
#define CV_REDIS_DATABASE_MAX 15

cv_option_take cv_take_redis_url; /* struct cv_redis_url */

/* The directory that a server shares with others. */
struct cv_directory_options {
    struct cv_redis_url redis;
    struct cv_urls url;           /* what others dial us at: one, with redis */
    const char *credentials_file; /* NULL: Redis asks for none */
    const char *ca;               /* PEM file, or NULL: the system's */
    const char *peer_token_file;  /* set with redis */
    uint64_t link_idle;           /* microseconds */
    const char *user, *password;  /* what the credentials file holds. Secret */
    const char *peer_token;       /* the same. Secret */
};

/* Its rows in the table of a program whose configuration has the struct at @offset. */
#define CV_OPTIONS_DIRECTORY(offset)                                                       \
    {                                                                                      \
        .name = "directory",                                                               \
        .argument = "URL",                                                                 \
        .take = cv_take_redis_url,                                                         \
        .at = (offset) + offsetof(struct cv_directory_options, redis),                     \
        .help = "Redis in which many servers find each other's clients; redis://HOST/DB, " \
                "rediss://HOST, unix:PATH",                                                \
    },                                                                                     \
        {                                                                                  \
            .name = "directory-url",                                                       \
            .argument = "URL",                                                             \
            .take = cv_take_url,                                                           \
            .at = (offset) + offsetof(struct cv_directory_options, url),                   \
            .help = "where other servers of the directory dial us",                        \
        },                                                                                 \
        {                                                                                  \
            .name = "directory-credentials-file",                                          \
            .argument = "FILE",                                                            \
            .take = cv_take_path,                                                          \
            .at = (offset) + offsetof(struct cv_directory_options, credentials_file),      \
            .help = "its first line is USER:PASSWORD for Redis",                           \
        },                                                                                 \
        {                                                                                  \
            .name = "directory-ca",                                                        \
            .argument = "FILE",                                                            \
            .take = cv_take_path,                                                          \
            .at = (offset) + offsetof(struct cv_directory_options, ca),                    \
            .help = "PEM certificates to trust of rediss:// (default: the system's)",      \
        },                                                                                 \
        {                                                                                  \
            .name = "directory-link-idle",                                                 \
            .argument = "SECONDS",                                                         \
            .take = cv_take_seconds,                                                       \
            .at = (offset) + offsetof(struct cv_directory_options, link_idle),             \
            .min = 1,                                                                      \
            .max = 86400,                                                                  \
            .fallback = "60",                                                              \
            .help = "a link to another server closes when nothing uses it for that long",  \
        },                                                                                 \
    {                                                                                      \
        .name = "directory-peer-token-file", .argument = "FILE", .take = cv_take_path,     \
        .at = (offset) + offsetof(struct cv_directory_options, peer_token_file),           \
        .help = "its first line is the token that all servers of the directory share",     \
    }

/* Checks what no single value can say; @id is --peer-id, or NULL. CV_ESYNTAX with a line in @error.
 */
int cv_directory_options_check(const struct cv_directory_options *options,
                               const struct cv_common_config *common, const char *id,
                               struct cv_config_error *error) CV_MUST_USE;

/* Reads the files of credentials and token. Errors of cv_file_read(), and CV_ESYNTAX. */
int cv_directory_options_load(struct cv_directory_options *options, struct cv_common_config *common,
                              struct cv_config_error *error) CV_MUST_USE;

#endif
