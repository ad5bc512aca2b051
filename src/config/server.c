#include "config/server.h"

#include <string.h>

#include "config/common.h"
#include "config/file.h"

#define AT(field) offsetof(struct cv_server_config, field)

static const struct cv_option options[] = {
    CV_OPTIONS_FIRST,
    {
        .name = "listen",
        .argument = "ADDR:PORT",
        .take = cv_take_front,
        .at = AT(listens),
        .repeat = true,
        .suffixes = true,
        .help = "front door for agents; [::1]:8123, unix:PATH; ,proxy-protocol behind it: a proxy "
                "says who comes",
    },
    {
        .name = "forward",
        .argument = "LISTEN=CLIENT/HOST:PORT",
        .take = cv_take_forward,
        .at = AT(forwards),
        .repeat = true,
        .reloads = true,
        .suffixes = true,
        .help =
            "listen here, dial there through that agent; udp/HOST:PORT, unix/PATH, "
            "ranges of ports 9000-9010; ,proxy-protocol, and ,send-proxy=v2: the target is told",
    },
    {
        .name = "socks",
        .argument = "ADDR:PORT[=CLIENT]",
        .take = cv_take_door,
        .at = AT(socks),
        .repeat = true,
        .suffixes = true,
        .help = "SOCKS5 door: user is the client key, password a visitor token; =CLIENT: that "
                "client's, without a login",
    },
    {
        .name = "http-proxy",
        .argument = "ADDR:PORT[=CLIENT]",
        .take = cv_take_door,
        .at = AT(http_proxies),
        .repeat = true,
        .suffixes = true,
        .help = "the same for HTTP: CONNECT, and http URLs",
    },
    {
        .name = "route",
        .argument = "HOST[/PREFIX]=CLIENT/HOST:PORT",
        .take = cv_take_route,
        .at = AT(routes),
        .repeat = true,
        .reloads = true,
        .help = "HTTP requests for that name, or *.NAME, go there; tls:HOST: TLS for it, untouched",
    },
    {
        .name = "balance",
        .argument = "POLICY",
        .take = cv_take_balance,
        .at = AT(balances),
        .repeat = true,
        .reloads = true,
        .help = "of several sessions of a client the newest is dialled (default), with round-robin "
                "each in turn, with least-conns the least busy; CLIENT=POLICY, START*=POLICY: of "
                "those clients",
    },
    {
        .name = "publish-address",
        .argument = "ADDR",
        .take = cv_take_publish_address,
        .at = AT(publish_address),
        .fallback = "127.0.0.1",
        .help = "where ports that agents publish listen; * is every address",
    },
    {
        .name = "publish-allow",
        .argument = "PATTERN",
        .take = cv_take_publish,
        .at = AT(publish_allow),
        .repeat = true,
        .help = "with --insecure-no-auth: what any agent may publish, tcp:8000-8100, http:*.NAME",
    },
    {
        .name = "target-ca",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(target_ca),
        .help = "PEM authorities of https targets, in place of the system's",
    },
    {
        .name = "max-body",
        .argument = "BYTES",
        .take = cv_take_size,
        .at = AT(max_body),
        .min = 1,
        .max = CV_LIMIT_BUDGET_MAX,
        .help = "of a request through the HTTP door; with K, M or G",
    },
    {
        .name = "http-body-timeout",
        .argument = "SECONDS",
        .take = cv_take_seconds,
        .at = AT(http_stall),
        .min = 1,
        .max = 86400,
        .fallback = "60",
        .help = "at the HTTP door, for an end that neither sends nor takes what it must of a body",
    },
    {
        .name = "http-idle-timeout",
        .argument = "SECONDS",
        .take = cv_take_seconds,
        .at = AT(http_idle),
        .min = 1,
        .max = 86400,
        .help = "a response, or a WebSocket, ends when nothing has passed for that long",
    },
    {
        .name = "token-file",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(token_file),
        .help = "one credential a line; must not be readable by others",
    },
    {
        .name = "insecure-no-auth",
        .take = cv_take_switch,
        .at = AT(insecure_no_auth),
        .fallback = "false",
        .help = "accept any client key without a token",
    },
    {
        .name = "tls-cert",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(tls_cert),
        .help = "PEM certificate: the front door speaks wss",
    },
    {
        .name = "tls-key",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(tls_key),
        .help = "its key",
    },
    {
        .name = "tls-client-ca",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(tls_client_ca),
        .help = "PEM authorities: agents may show a certificate of theirs in place of a token",
    },
    {
        .name = "admin",
        .argument = "ADDR:PORT",
        .take = cv_take_listen,
        .at = AT(admins),
        .repeat = true,
        .help = "dashboard, admin API, /metrics, /healthz, /readyz; loopback or unix:PATH without "
                "a token file",
    },
    {
        .name = "admin-token-file",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(admin_token_file),
        .help = "lines of the role admin: who may use the admin API",
    },
    {
        .name = "peer",
        .argument = "ID:TOKEN:URL",
        .take = cv_take_peer,
        .at = AT(peers),
        .repeat = true,
        .reloads = true,
        .secret = true,
        .help = "server to share clients with: what it presents to us, where we dial it",
    },
    {
        .name = "peers-file",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(peers_file),
        .help = "ID:TOKEN:URL lines; must not be readable by others; read anew at SIGHUP",
    },
    {
        .name = "peer-id",
        .argument = "ID",
        .take = cv_take_key,
        .at = AT(peer_id),
        .help = "who we are to peers",
    },
    {
        .name = "peer-token",
        .argument = "TOKEN",
        .take = cv_take_token,
        .at = AT(peer_token),
        .secret = true,
        .help = "what we present to peers; shows in lists of processes",
    },
    {
        .name = "peer-token-file",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(peer_token_file),
        .help = "its first line is the token that we present to peers",
    },
    {
        .name = "peer-ca",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(peer_ca),
        .help = "PEM certificates to trust of peers (default: the system's)",
    },
    {
        .name = "peer-insecure",
        .take = cv_take_switch,
        .at = AT(peer_insecure),
        .fallback = "false",
        .help = "do not verify the certificates of peers",
    },
    CV_OPTIONS_DIRECTORY(AT(directory)),
    {
        .name = "advertise",
        .argument = "IFACE",
        .take = cv_take_interface,
        .at = AT(advertise),
        .repeat = true,
        .help = "announce the front door by SSDP on that interface",
    },
    {
        .name = "advertise-type",
        .argument = "URN",
        .take = cv_take_path,
        .at = AT(advertise_type),
        .help = "as what (default: urn:culvert-tunnel:device:TunnelServer:1)",
    },
    {
        .name = "advertise-uuid",
        .argument = "UUID",
        .take = cv_take_path,
        .at = AT(advertise_uuid),
        .help = "under which name (default: a random one, kept in --state-dir)",
    },
    {
        .name = "advertise-location",
        .argument = "URL",
        .take = cv_take_path,
        .at = AT(advertise_location),
        .help = "of the description (default: /ssdp/description.xml of the front door)",
    },
    {
        .name = "advertise-ttl",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(advertise_ttl),
        .min = 1,
        .max = 255,
        .fallback = "2",
        .help = "routers that IPv4 announcements may pass, and one",
    },
    {
        .name = "state-dir",
        .argument = "DIR",
        .take = cv_take_path,
        .at = AT(state_dir),
        .help = "what is kept between runs (default: STATE_DIRECTORY, else /var/lib/culvert)",
    },
    {
        .name = "rooms",
        .argument = "ADDR:PORT",
        .take = cv_take_listen,
        .at = AT(rooms),
        .help = "rooms in which two ends of WebRTC meet",
    },
    {
        .name = "rooms-secret",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(rooms_secret),
        .help = "only rooms that `culvertctl room new` signed with it; must not be readable by "
                "others",
    },
    {
        .name = "rooms-origin",
        .argument = "ORIGIN",
        .take = cv_take_origin,
        .at = AT(rooms_origins),
        .repeat = true,
        .help = "of pages that may use rooms, such as https://example.org (default: all)",
    },
    {
        .name = "rooms-tls-cert",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(rooms_tls_cert),
        .help = "PEM certificate: rooms are served by TLS",
    },
    {
        .name = "rooms-tls-key",
        .argument = "FILE",
        .take = cv_take_path,
        .at = AT(rooms_tls_key),
        .help = "its key",
    },
    {
        .name = "rooms-bye-url",
        .argument = "URL",
        .take = cv_take_http_url,
        .at = AT(rooms_bye),
        .help = "of a room server that is told of each client that is gone, by POST to "
                "URL/bye/ROOM/CLIENT",
    },
    {
        .name = "rooms-demo",
        .take = cv_take_switch,
        .at = AT(rooms_demo),
        .help = "a page at /demo of --rooms: chat and files between two browsers",
    },
    {
        .name = "rooms-max",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(rooms_max),
        .min = 1,
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = "10000",
        .help = "rooms at once",
    },
    {
        .name = "rooms-max-per-source",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(rooms_max_per_source),
        .min = 1,
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = "1000",
        .help = "rooms at once that one address made",
    },
    {
        .name = "rooms-budget",
        .argument = "BYTES",
        .take = cv_take_size,
        .at = AT(rooms_budget),
        .min = CV_LIMIT_BUDGET_MIN,
        .max = CV_LIMIT_BUDGET_MAX,
        .fallback = "64M",
        .help = "that messages in all rooms together may hold; with K, M or G",
    },
    {
        .name = "max-sessions",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.max_sessions),
        .min = 1,
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_SESSIONS,
        .help = "agents connected at once",
    },
    {
        .name = "max-conns",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.max_conns),
        .min = 1,
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_CONNS,
        .help = "connections at once",
    },
    {
        .name = "max-conns-per-session",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.max_conns_per_session),
        .min = 1,
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_CONNS_PER_SESSION,
        .help = "connections at once through one agent",
    },
    {
        .name = "max-conns-per-address",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.max_conns_per_address),
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_CONNS_PER_ADDRESS,
        .help = "connections at once from one address, loopback excepted; 0: no limit",
    },
    {
        .name = "max-rate-per-address",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.rate_per_address),
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_RATE_PER_ADDRESS,
        .help = "connections a second from one address, loopback excepted; 0: no limit",
    },
    {
        .name = "max-rate",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.rate),
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_RATE,
        .help = "connections a second that each thread takes at the front door; more wait; 0: no "
                "limit",
    },
    {
        .name = "max-pending-dials",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(limits.max_pending_dials),
        .min = 1,
        .max = CV_LIMIT_COUNT_MAX,
        .fallback = CV_LIMIT_PENDING_DIALS,
        .help = "visitors who wait for their target's answer",
    },
    {
        .name = "buffer-budget",
        .argument = "BYTES",
        .take = cv_take_size,
        .at = AT(limits.buffer_budget),
        .min = CV_LIMIT_BUDGET_MIN,
        .max = CV_LIMIT_BUDGET_MAX,
        .fallback = CV_LIMIT_BUFFER_BUDGET,
        .help = "that all connections together may hold; with K, M or G",
    },
    {
        .name = "threads",
        .argument = "N",
        .take = cv_take_count,
        .at = AT(threads),
        .min = 1,
        .max = CV_LIMIT_THREADS_MAX,
        .fallback = "1",
        .help = "event loops, each on a core of its own; one carries several Gbit/s",
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

const struct cv_program cv_server_program = {
    .name = "culvert-server",
    .synopsis =
        "culvert-server --listen ADDR:PORT (--token-file FILE | --insecure-no-auth) [FLAG]...",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
};

_Static_assert(sizeof(options) / sizeof(options[0]) <= CV_CONFIG_OPTIONS_MAX, "too many options");

static int check_rooms(const struct cv_server_config *config, struct cv_config_error *error)
{
    const struct cv_common_config *common = &config->common;

    if (!config->rooms.count && config->rooms_secret)
        return cv_options_refuse(common, "rooms-secret", "needs --rooms besides", NULL, error);
    if (!config->rooms.count && config->rooms_bye.host)
        return cv_options_refuse(common, "rooms-bye-url", "needs --rooms besides", NULL, error);
    if (!config->rooms.count && config->rooms_demo)
        return cv_options_refuse(common, "rooms-demo", "needs --rooms besides", NULL, error);
    if (!config->rooms.count && config->rooms_tls_cert)
        return cv_options_refuse(common, "rooms-tls-cert", "needs --rooms besides", NULL, error);
    if (config->rooms_tls_cert && !config->rooms_tls_key)
        return cv_options_refuse(common, "rooms-tls-cert", "needs --rooms-tls-key besides", NULL,
                                 error);
    if (config->rooms_tls_key && !config->rooms_tls_cert)
        return cv_options_refuse(common, "rooms-tls-key", "needs --rooms-tls-cert besides", NULL,
                                 error);
    return 0;
}

/* The same of peers. */
static int check_peers(const struct cv_server_config *config, struct cv_config_error *error)
{
    const struct cv_common_config *common = &config->common;
    const char *first = config->peers.count ? "peer" : "peers-file";

    if (config->peer_token && config->peer_token_file)
        return cv_options_refuse(common, "peer-token", "contradicts --peer-token-file", NULL,
                                 error);
    if (config->peers.count == 0 && !config->peers_file)
        return 0;
    if (!config->peer_id)
        return cv_options_refuse(common, first, "needs --peer-id besides", NULL, error);
    if (!config->peer_token && !config->peer_token_file)
        return cv_options_refuse(common, first, "needs --peer-token-file besides", NULL, error);
    for (size_t i = 0; i < config->peers.count; i++)
        if (strcmp(config->peers.at[i].id, config->peer_id) == 0)
            return cv_options_refuse(common, "peer-id", "is the ID of a --peer", config->peer_id,
                                     error);
    return 0;
}

/* What no single value can say. */
static int check(const struct cv_server_config *config, struct cv_config_error *error)
{
    const struct cv_common_config *common = &config->common;
    int rc;

    if (config->listens.count == 0)
        return cv_options_refuse(common, "listen", "needed, such as --listen 127.0.0.1:8123", NULL,
                                 error);
    if (!config->token_file && !config->insecure_no_auth)
        return cv_options_refuse(common, "token-file",
                                 "needed, or --insecure-no-auth to let anybody join (`culvertctl "
                                 "token new` makes a token)",
                                 NULL, error);
    if (config->token_file && config->insecure_no_auth)
        return cv_options_refuse(common, "insecure-no-auth", "contradicts --token-file", NULL,
                                 error);
    if (config->token_file && config->publish_allow.count)
        return cv_options_refuse(common, "publish-allow",
                                 "is for --insecure-no-auth: with --token-file each agent's line "
                                 "says it, by publish=",
                                 NULL, error);
    if (config->tls_cert && !config->tls_key)
        return cv_options_refuse(common, "tls-cert", "needs --tls-key besides", NULL, error);
    if (config->tls_key && !config->tls_cert)
        return cv_options_refuse(common, "tls-key", "needs --tls-cert besides", NULL, error);
    if (config->tls_client_ca && !config->tls_cert)
        return cv_options_refuse(common, "tls-client-ca", "needs --tls-cert besides", NULL, error);
    rc = check_rooms(config, error);
    if (rc == 0)
        rc = check_peers(config, error);
    return rc < 0 ? rc
                  : cv_directory_options_check(&config->directory, common, config->peer_id, error);
}

static void start(struct cv_server_config *config, const struct cv_alloc *alloc)
{
    memset(config, 0, sizeof(*config));
    cv_options_init(&config->common, &cv_server_program, alloc);
}

int cv_server_config_init(struct cv_server_config *config, const struct cv_alloc *alloc, int argc,
                          const char *const *argv, struct cv_config_error *error)
{
    int rc;

    start(config, alloc);
    rc = cv_options_load(config, argc, argv, error);
    if (rc < 0 || !config->common.values)
        return rc;
    rc = check(config, error);
    if (rc == 0 && config->peer_token_file)
        rc = cv_token_load(&config->peer_token, &config->common.arena, cv_server_program.name,
                           config->peer_token_file, error);
    return rc < 0 ? rc : cv_directory_options_load(&config->directory, &config->common, error);
}

int cv_server_config_init_text(struct cv_server_config *config, const struct cv_alloc *alloc,
                               const char *file, const char *text, size_t len,
                               struct cv_config_error *error)
{
    int rc;

    start(config, alloc);
    rc = cv_options_load_text(config, file, text, len, error);
    return rc < 0 ? rc : check(config, error);
}

void cv_server_config_deinit(struct cv_server_config *config)
{
    cv_options_deinit(&config->common);
}
