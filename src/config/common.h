#ifndef CV_CONFIG_COMMON_H
#define CV_CONFIG_COMMON_H

#include "config/values.h"

/* Inside the layer: the rows that every program's table has. */

#define CV_OPTIONS_FIRST                                                               \
    {                                                                                  \
        .name = "config", .argument = "FILE", .take = cv_take_path, .flag_only = true, \
        .at = offsetof(struct cv_common_config, config_file),                          \
        .help = "YAML; every flag has a key of the same name, a flag wins",            \
    }

#define CV_OPTIONS_LAST                                                                \
    {                                                                                  \
        .name = "log-level",                                                           \
        .argument = "LEVEL",                                                           \
        .take = cv_take_log_level,                                                     \
        .fallback = "info",                                                            \
        .at = offsetof(struct cv_common_config, log_level),                            \
        .help = "error, warn, info or debug, to standard error",                       \
    },                                                                                 \
        {                                                                              \
            .name = "log-format",                                                      \
            .argument = "FORMAT",                                                      \
            .take = cv_take_log_format,                                                \
            .fallback = "text",                                                        \
            .at = offsetof(struct cv_common_config, log_format),                       \
            .help = "text or json",                                                    \
        },                                                                             \
        {                                                                              \
            .name = "user",                                                            \
            .argument = "NAME[:GROUP]",                                                \
            .take = cv_take_path,                                                      \
            .at = offsetof(struct cv_common_config, user),                             \
            .help = "become that user once everything is open",                        \
        },                                                                             \
        {                                                                              \
            .name = "unconfined",                                                      \
            .take = cv_take_switch,                                                    \
            .fallback = "false",                                                       \
            .at = offsetof(struct cv_common_config, unconfined),                       \
            .help = "do without the filter of system calls",                           \
        },                                                                             \
        {                                                                              \
            .name = "check",                                                           \
            .take = cv_take_switch,                                                    \
            .flag_only = true,                                                         \
            .at = offsetof(struct cv_common_config, check),                            \
            .help = "validate flags and file, print what would run, exit",             \
        },                                                                             \
        {.name = "help", .flag_only = true, .help = "print this"},                     \
    {                                                                                  \
        .name = "version", .flag_only = true, .help = "print name, version and commit" \
    }

#endif
