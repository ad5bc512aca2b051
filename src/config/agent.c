#include "config/agent.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "config/common.h"
#include "config/file.h"

#define AT(field) offsetof(struct cv_agent_config, field)

static const struct cv_option options[] = {
    CV_OPTIONS_FIRST,
    {
        .name = "connect",
        .argument = "URL",
        .take = cv_take_url,
        .at = AT(connects),
        .repeat = true,
        .help = "ws:// or wss:// of a server; a session is kept with each",
    },
    {
        .name = "discover",
        .take = cv_take_switch,
        .at = AT(discover),
        .fallback = "false",
        .help = "find a server by SSDP; what is found is an address, not trust",
    },
    {
        .name = "discover-type",
        .argument = "URN",
        .take = cv_take_path,
        .at = AT(discover_type),
        .fallback = "urn:culvert-tunnel:device:TunnelServer:1",
        .help = "what to search for",
    },
    {
        .name = "discover-timeout",
        .argument = "SECONDS",
        .take = cv_take_seconds,
        .at = AT(discover_timeout),
        .min = 1,
        .max = 86400,
        .fallback = "30",
        .help = "how long one search lasts; the next one comes after as long a pause",
    },
    {
        .name = "discover-interface",
        .argument = "IFACE",
        .take = cv_take_interface,
        .at = AT(discover_interfaces),
        .repeat = true,
        .help = "search only there (default: every one)",
    },
    {
        .name = "discover-insecure",
        .take = cv_take_switch,
        .at = AT(discover_insecure),
        .fallback = "false",
        .help = "send the token to whoever answers, unverified",
    },
    {
        .name = "id",
        .argument = "KEY",
        .take = cv_take_key,
        .at = AT(id),
        .help = "client key (default: the host name)",
    },
    CV_OPTION_TOKEN_FILE(AT(outward)),
    {
        .name = "header",
        .argument = "'NAME: VALUE'",
        .take = cv_take_header,
        .at = AT(headers),
        .repeat = true,
        .secret = true,
        .help = "further request header",
    },
    {
        .name = "allow",
        .argument = "PATTERN",
        .take = cv_take_allow,
        .at = AT(allows),
        .repeat = true,
        .help = "what the server may dial: HOST:PORT, CIDR:PORT, *:PORT, HOST:*, ports 8000-8100, "
                "unix/PATH (default: loopback only)",
    },
    {
        .name = "publish",
        .argument = "SPEC",
        .take = cv_take_publication,
        .at = AT(publishes),
        .repeat = true,
        .help = "ask the server to expose a service: tcp:PORT=HOST:PORT, http:NAME=HOST:PORT",
    },
    {
        .name = "serve",
        .argument = "DIR",
        .take = cv_take_path,
        .at = AT(serve),
        .help = "read-only file service at the target culvert.files:80",
    },
    CV_OPTIONS_OUTWARD(AT(outward)),
    {
        .name = "drain-timeout",
        .argument = "SECONDS",
        .take = cv_take_seconds,
        .at = AT(drain_timeout),
        .max = 86400,
        .fallback = "30",
        .help = "how long SIGTERM waits for open connections",
    },
    CV_OPTIONS_LAST,
};

const struct cv_program cv_agent_program = {
    .name = "culvert-agent",
    .synopsis = "CULVERT_TOKEN=... culvert-agent (--connect URL | --discover) [FLAG]...",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
};

_Static_assert(sizeof(options) / sizeof(options[0]) <= CV_CONFIG_OPTIONS_MAX, "too many options");

/* What no single value can say. */
static int check(const struct cv_agent_config *config, struct cv_config_error *error)
{
    const struct cv_common_config *common = &config->common;

    if (config->connects.count == 0 && !config->discover)
        return cv_options_refuse(common, "connect",
                                 "needed, such as --connect wss://HOST/connect, or --discover",
                                 NULL, error);
    return 0;
}

/* The host name stands in for --id. */
static int default_id(struct cv_agent_config *config, const char *host_name,
                      struct cv_config_error *error)
{
    if (config->id)
        return 0;
    if (!host_name || !cv_key_valid(host_name, strlen(host_name)))
        return cv_options_refuse(&config->common, "id",
                                 "needed, since the host name is not a client key", host_name,
                                 error);
    config->id = cv_arena_copy(&config->common.arena, host_name, strlen(host_name));
    return config->id ? 0 : cv_config_error_memory(error, cv_agent_program.name);
}

int cv_agent_config_init(struct cv_agent_config *config, const struct cv_alloc *alloc,
                         const struct cv_agent_surroundings *surroundings, int argc,
                         const char *const *argv, struct cv_config_error *error)
{
    int rc;

    memset(config, 0, sizeof(*config));
    cv_options_init(&config->common, &cv_agent_program, alloc);
    rc = cv_options_load(config, argc, argv, error);
    if (rc < 0 || !config->common.values)
        return rc;
    rc = check(config, error);
    if (rc == 0)
        rc = default_id(config, surroundings->host_name, error);
    if (rc == 0)
        rc = cv_outward_load(&config->outward, &config->common, surroundings->token, error);
    return rc;
}

void cv_agent_config_deinit(struct cv_agent_config *config)
{
    cv_options_deinit(&config->common);
}
