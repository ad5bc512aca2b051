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
    {
        .name = "token-file",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(token_file),
        .help = "its first line is the token; else CULVERT_TOKEN is",
    },
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
    {
        .name = "ca",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(ca),
        .help = "PEM certificates to trust (default: the system's)",
    },
    {
        .name = "cert",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(cert),
        .help = "PEM client certificate",
    },
    {
        .name = "key",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(key),
        .help = "its key",
    },
    {
        .name = "insecure",
        .take = cv_take_switch,
        .at = AT(insecure),
        .fallback = "false",
        .help = "do not verify the server's certificate",
    },
    {
        .name = "tls-server-name",
        .argument = "NAME",
        .take = cv_take_name,
        .at = AT(tls_server_name),
        .help = "name to verify (default: the URL's host)",
    },
    {
        .name = "proxy",
        .argument = "URL",
        .take = cv_take_proxy,
        .at = AT(proxy),
        .help = "way out (default: https_proxy, http_proxy, no_proxy)",
    },
    {
        .name = "proxy-auth-file",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(proxy_auth_file),
        .help = "its first line is USER:PASSWORD for the proxy",
    },
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
    if (config->cert && !config->key)
        return cv_options_refuse(common, "cert", "needs --key besides", NULL, error);
    if (config->key && !config->cert)
        return cv_options_refuse(common, "key", "needs --cert besides", NULL, error);
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

static int find_token(struct cv_agent_config *config, const char *token,
                      struct cv_config_error *error)
{
    struct cv_text text;

    if (config->token_file)
        return cv_token_load(&config->token, &config->common.arena, cv_agent_program.name,
                             config->token_file, error);
    if (!token || token[0] == '\0')
        return 0;
    if (!cv_token_valid(token, strlen(token))) {
        cv_config_error_start(&text, error, cv_agent_program.name);
        cv_text_str(&text, "CULVERT_TOKEN: holds no token");
        return CV_ESYNTAX;
    }
    config->token = cv_arena_copy(&config->common.arena, token, strlen(token));
    return config->token ? 0 : cv_config_error_memory(error, cv_agent_program.name);
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
        rc = find_token(config, surroundings->token, error);
    if (rc == 0 && config->proxy_auth_file)
        rc = cv_proxy_auth_load(&config->proxy_auth, &config->common.arena, cv_agent_program.name,
                                config->proxy_auth_file, error);
    return rc;
}

void cv_agent_config_deinit(struct cv_agent_config *config)
{
    cv_options_deinit(&config->common);
}
