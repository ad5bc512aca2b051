#include "config/visit.h"

#include <string.h>

#include "base/error.h"

#define AT(field) offsetof(struct cv_visit_config, field)

#define HOW_TO_GET_THERE                                                                 \
    {                                                                                    \
        .name = "server",                                                                \
        .argument = "URL",                                                               \
        .take = cv_take_url,                                                             \
        .at = AT(servers),                                                               \
        .help = "ws:// or wss:// of the server, as agents have it; else CULVERT_SERVER", \
    },                                                                                   \
        CV_OPTION_TOKEN_FILE(AT(outward)), CV_OPTIONS_OUTWARD(AT(outward)),              \
        {.name = "help", .flag_only = true, .help = "print this"},                       \
    {                                                                                    \
        .name = "version", .flag_only = true, .help = "print name, version and commit"   \
    }

static const struct cv_option connect_options[] = {
    {
        .name = "destination",
        .argument = "CLIENT/HOST:PORT",
        .take = cv_take_destination,
        .at = AT(destination),
        .repeat = true,
        .bare = true,
        .help = "what to reach: CLIENT/HOST:PORT, CLIENT HOST:PORT, or CLIENT/unix/PATH",
    },
    HOW_TO_GET_THERE,
};

static const struct cv_option forward_options[] = {
    {
        .name = "forward",
        .argument = "LISTEN=CLIENT/HOST:PORT",
        .take = cv_take_forward,
        .at = AT(forwards),
        .repeat = true,
        .bare = true,
        .help = "listen here (ADDR:PORT or unix:PATH), and dial that for each visitor; as many as "
                "you like",
    },
    {
        .name = "udp-idle",
        .argument = "SECONDS",
        .take = cv_take_seconds,
        .at = AT(udp_idle),
        .min = 1,
        .max = 86400,
        .fallback = "60",
        .help = "a flow of datagrams ends when none has come for that long",
    },
    HOW_TO_GET_THERE,
};

const struct cv_program cv_connect_program = {
    .name = "culvertctl: connect",
    .synopsis = "culvertctl connect --server URL [FLAG]... CLIENT/HOST:PORT",
    .options = connect_options,
    .option_count = sizeof(connect_options) / sizeof(connect_options[0]),
};

const struct cv_program cv_forward_program = {
    .name = "culvertctl: forward",
    .synopsis = "culvertctl forward --server URL [FLAG]... LISTEN=CLIENT/HOST:PORT...",
    .options = forward_options,
    .option_count = sizeof(forward_options) / sizeof(forward_options[0]),
};

static int check(const struct cv_visit_config *config, struct cv_config_error *error)
{
    const struct cv_common_config *common = &config->common;
    bool connects = common->program == &cv_connect_program;

    if (connects && !config->destination.address)
        return cv_options_refuse(common, "destination", "say what to reach: CLIENT/HOST:PORT",
                                 config->destination.client, error);
    if (!connects && config->forwards.count == 0)
        return cv_options_refuse(common, "forward", "say what to forward: LISTEN=CLIENT/HOST:PORT",
                                 NULL, error);
    for (size_t i = 0; i < config->forwards.count; i++) {
        const struct cv_forward *forward = &config->forwards.at[i];

        if (forward->proxy_protocol || forward->send_proxy)
            return cv_options_refuse(common, "forward",
                                     "the PROXY protocol needs a --forward of the server", NULL,
                                     error);
    }
    if (config->servers.count == 0)
        return cv_options_refuse(common, "server",
                                 "needed, such as --server wss://HOST/connect, or CULVERT_SERVER",
                                 NULL, error);
    return 0;
}

int cv_visit_config_init(struct cv_visit_config *config, const struct cv_program *program,
                         const struct cv_alloc *alloc, const char *token, int argc,
                         const char *const *argv, struct cv_config_error *error)
{
    int rc;

    memset(config, 0, sizeof(*config));
    cv_options_init(&config->common, program, alloc);
    rc = cv_options_load(config, argc, argv, error);
    if (rc < 0 || !config->common.values)
        return rc;
    rc = check(config, error);
    return rc < 0 ? rc : cv_outward_load(&config->outward, &config->common, token, error);
}

void cv_visit_config_deinit(struct cv_visit_config *config)
{
    cv_options_deinit(&config->common);
}
