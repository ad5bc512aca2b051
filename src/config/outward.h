#ifndef CV_CONFIG_OUTWARD_H
#define CV_CONFIG_OUTWARD_H

#include "config/values.h"

/* How a program reaches a server, and who it says it is there: what agents and visitors have in
 * common. */
struct cv_outward {
    const char *token_file;      /* NULL: none */
    const char *token;           /* from the file or the environment; NULL: none. Secret */
    const char *ca;              /* PEM file, or NULL: the system's */
    const char *cert, *key;      /* both or none */
    const char *tls_server_name; /* or NULL */
    bool insecure;
    const char *proxy;           /* URL, or NULL: from the environment */
    const char *proxy_auth_file; /* or NULL */
    const char *proxy_auth;      /* what it holds: USER:PASSWORD. Secret */
};

/* Its rows in the table of a program whose configuration has the struct at @offset. */
#define CV_OPTION_TOKEN_FILE(offset)                                    \
    {                                                                   \
        .name = "token-file", .argument = "FILE", .take = cv_take_path, \
        .at = (offset) + offsetof(struct cv_outward, token_file),       \
        .help = "its first line is the token; else CULVERT_TOKEN is",   \
    }

#define CV_OPTIONS_OUTWARD(offset)                                           \
    {                                                                        \
        .name = "ca",                                                        \
        .argument = "FILE",                                                  \
        .take = cv_take_path,                                                \
        .at = (offset) + offsetof(struct cv_outward, ca),                    \
        .help = "PEM certificates to trust (default: the system's)",         \
    },                                                                       \
        {                                                                    \
            .name = "cert",                                                  \
            .argument = "FILE",                                              \
            .take = cv_take_path,                                            \
            .at = (offset) + offsetof(struct cv_outward, cert),              \
            .help = "PEM client certificate",                                \
        },                                                                   \
        {                                                                    \
            .name = "key",                                                   \
            .argument = "FILE",                                              \
            .take = cv_take_path,                                            \
            .at = (offset) + offsetof(struct cv_outward, key),               \
            .help = "its key",                                               \
        },                                                                   \
        {                                                                    \
            .name = "insecure",                                              \
            .take = cv_take_switch,                                          \
            .at = (offset) + offsetof(struct cv_outward, insecure),          \
            .fallback = "false",                                             \
            .help = "do not verify the server's certificate",                \
        },                                                                   \
        {                                                                    \
            .name = "tls-server-name",                                       \
            .argument = "NAME",                                              \
            .take = cv_take_name,                                            \
            .at = (offset) + offsetof(struct cv_outward, tls_server_name),   \
            .help = "name to verify (default: the URL's host)",              \
        },                                                                   \
        {                                                                    \
            .name = "proxy",                                                 \
            .argument = "URL",                                               \
            .take = cv_take_proxy,                                           \
            .at = (offset) + offsetof(struct cv_outward, proxy),             \
            .help = "way out (default: https_proxy, http_proxy, no_proxy)",  \
        },                                                                   \
    {                                                                        \
        .name = "proxy-auth-file", .argument = "FILE", .take = cv_take_path, \
        .at = (offset) + offsetof(struct cv_outward, proxy_auth_file),       \
        .help = "its first line is USER:PASSWORD for the proxy",             \
    }

/* Checks what no single value can say, and reads the files of token and proxy; the file wins over
 * @token, which is what CULVERT_TOKEN holds, or NULL. Errors of cv_file_read(), and CV_ESYNTAX with
 * a line in @error. */
int cv_outward_load(struct cv_outward *outward, struct cv_common_config *common, const char *token,
                    struct cv_config_error *error) CV_MUST_USE;

#endif
