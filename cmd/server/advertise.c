#include "advertise.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/ip.h"
#include "access/target.h"
#include "base/error.h"
#include "culvert_version.h"
#include "discovery/advertiser.h"
#include "discovery/description.h"
#include "discovery/url.h"
#include "net/log.h"
#include "net/timer.h"
#include "server.h"
#include "ssdp.h"
#include "state.h"

#define DOORS_MAX 16

/* Where the front door can be reached. */
struct entrance {
    bool any_v4, any_v6;
    struct cv_ip ip; /* when it is neither */
    uint16_t port;
};

struct advertise {
    struct cv_loop *loop;                  /* borrowed */
    const struct cv_server_config *config; /* borrowed */
    struct ssdp *ssdp;
    struct cv_advertiser *advertiser;
    struct cv_timer *timer;
    struct state state;
    struct advertise_page *page; /* borrowed */
    struct entrance doors[DOORS_MAX];
    size_t door_count;
    bool closing;
};

int advertise_check(const struct cv_server_config *config, struct cv_config_error *error)
{
    const struct cv_common_config *common = &config->common;
    const char *type = config->advertise_type, *uuid = config->advertise_uuid,
               *location = config->advertise_location;
    struct cv_ssdp_url url;

    if (type && !cv_ssdp_type_valid(type))
        return cv_options_refuse(common, "advertise-type", "not a URI of at most 100 bytes", type,
                                 error);
    if (uuid && !cv_ssdp_uuid_valid(uuid))
        return cv_options_refuse(common, "advertise-uuid", "not a UUID", uuid, error);
    if (location && (strlen(location) > CV_ADVERTISER_LOCATION_MAX ||
                     cv_ssdp_url_parse(&url, location, strlen(location)) < 0))
        return cv_options_refuse(common, "advertise-location",
                                 "not an http or https URL of at most 120 bytes", location, error);
    return 0;
}

/* Doors */

/* Reads `ADDR:PORT` as a listener shows it; @asked is what the operator wrote. */
static bool read_door(struct entrance *out, const char *asked, const char *shown)
{
    struct cv_span host, port;
    const char *problem;
    bool bracketed;

    *out = (struct entrance){.any_v4 = false};
    if (strncmp(shown, "unix:", 5) == 0 ||
        cv_host_split(&host, &port, &bracketed, (struct cv_span){shown, strlen(shown)}, &problem) <
            0 ||
        !cv_port_parse(&out->port, port, 1) || !cv_ip_parse(&out->ip, host.at, host.len))
        return false;
    for (size_t i = 0; i < sizeof(out->ip.bytes); i++)
        if (out->ip.bytes[i])
            return true;
    out->any_v6 = out->ip.family == 6;
    out->any_v4 = out->ip.family == 4 || asked[0] == ':';
    return true;
}

static const struct entrance *door_for(const struct advertise *advertise,
                                       const struct ssdp_link *link)
{
    struct cv_ip ip = {.family = link->address.family};

    memcpy(ip.bytes, link->address.ip, sizeof(ip.bytes));
    for (size_t i = 0; i < advertise->door_count; i++) {
        const struct entrance *door = &advertise->doors[i];

        if (door->any_v4 || door->any_v6 ? (ip.family == 4 ? door->any_v4 : door->any_v6)
                                         : cv_ip_equal(&door->ip, &ip))
            return door;
    }
    return NULL;
}

/* Whether the LOCATION that the operator gave can be reached from a link of this family. */
static bool location_suits(const char *location, uint8_t family)
{
    struct cv_ssdp_url url;
    struct cv_ip ip;

    return cv_ssdp_url_parse(&url, location, strlen(location)) == 0 &&
           (!cv_ip_parse(&ip, url.host.at, url.host.len) || ip.family == family);
}

/* Writes the LOCATION on @link; false when there is none. */
static bool make_location(const struct advertise *advertise, char *out, size_t size,
                          const struct ssdp_link *link)
{
    const char *location = advertise->config->advertise_location;
    const struct entrance *door;
    char host[CV_ADDRESS_SIZE];

    if (location) {
        snprintf(out, size, "%s", location);
        return location_suits(location, link->address.family);
    }
    door = door_for(advertise, link);
    if (!door)
        return false;
    ssdp_link_host(host, link);
    snprintf(out, size, "http%s://%s:%u%s", advertise->config->tls_cert ? "s" : "", host,
             (unsigned)door->port, CV_DESCRIPTION_PATH);
    return true;
}

/* The machine at work */

static void finish(struct advertise *advertise)
{
    ssdp_free(advertise->ssdp);
    cv_advertiser_free(advertise->advertiser);
    cv_timer_free(advertise->timer);
    state_close(&advertise->state);
    free(advertise);
}

/* Sends what is due and sets the timer to what comes next. */
static void pump(struct advertise *advertise)
{
    uint64_t now = cv_loop_now(advertise->loop), deadline;
    struct cv_ssdp_out out;

    while (cv_advertiser_next(advertise->advertiser, &out, cv_wall_clock(), now))
        ssdp_send(advertise->ssdp, &out, false);
    deadline = cv_advertiser_deadline(advertise->advertiser);
    if (deadline == CV_NEVER && advertise->closing)
        finish(advertise);
    else
        cv_timer_at(advertise->timer, deadline);
}

static void on_timer(void *ctx)
{
    pump(ctx);
}

static void on_datagram(void *ctx, const struct cv_ssdp_from *from, const void *data, size_t len)
{
    struct advertise *advertise = ctx;

    cv_advertiser_recv(advertise->advertiser, from, data, len, cv_loop_now(advertise->loop));
    pump(advertise);
}

static void keep_boot(struct advertise *advertise)
{
    uint32_t boot = cv_advertiser_boot(advertise->advertiser);
    int rc;

    if (boot == advertise->state.boot)
        return;
    advertise->state.boot = boot;
    rc = state_save(&advertise->state);
    if (rc < 0)
        cv_log(&advertise->loop->log, CV_LOG_WARN, "advertise: BOOTID cannot be kept: %s",
               cv_strerror(rc));
}

/* Tells the advertiser where it is announced now. */
static void take_links(struct advertise *advertise)
{
    struct cv_advertiser_link links[SSDP_LINKS_MAX];
    char locations[SSDP_LINKS_MAX][CV_ADVERTISER_LOCATION_MAX + 1];
    const struct ssdp_link *found;
    size_t count = ssdp_links(advertise->ssdp, &found), used = 0;
    int rc;

    for (size_t i = 0; i < count; i++) {
        if (!make_location(advertise, locations[used], sizeof(locations[used]), &found[i]))
            continue;
        links[used] = (struct cv_advertiser_link){found[i].id, found[i].group, locations[used]};
        cv_log(&advertise->loop->log, CV_LOG_INFO, "advertise on %s: %s", found[i].address.name,
               locations[used]);
        used++;
    }
    if (used == 0)
        cv_log(&advertise->loop->log, CV_LOG_WARN,
               "advertise: no --listen address can be reached from there now");
    rc = cv_advertiser_links(advertise->advertiser, links, used, cv_loop_now(advertise->loop));
    if (rc < 0)
        cv_log(&advertise->loop->log, CV_LOG_ERROR, "advertise: %s", cv_strerror(rc));
    keep_boot(advertise);
    pump(advertise);
}

static void on_changed(void *ctx)
{
    take_links(ctx);
}

/* Starting */

static void describe(const struct advertise_page *page, struct cv_description *out)
{
    *out = (struct cv_description){.identity = &page->identity,
                                   .name = page->name,
                                   .version = CULVERT_VERSION,
                                   .tls = page->tls};
}

int advertise_describe(void *ctx, const char *host, char *out, size_t size)
{
    const struct advertise_page *page = ctx;
    struct cv_description description;

    if (!page->shown)
        return 0;
    describe(page, &description);
    description.authority = host;
    return cv_description_write(out, size, &description);
}

static int open_state(struct advertise *advertise, struct cv_config_error *error)
{
    const struct cv_server_config *config = advertise->config;
    const char *dir = config->state_dir ? config->state_dir : state_default_dir();
    struct cv_loop *loop = advertise->loop;
    uint8_t fresh[16];
    int rc;

    loop->random.fill(loop->random.ctx, fresh, sizeof(fresh));
    rc = state_open(&advertise->state, dir, fresh, cv_wall_clock());
    if (rc == -EWOULDBLOCK) {
        snprintf(error->line, sizeof(error->line),
                 PROGRAM ": %s: in use by another server: give each a --state-dir of its own", dir);
        return EXIT_OPEN;
    }
    return rc < 0 ? server_fail(error, EXIT_OPEN, dir, rc) : EXIT_OK;
}

static void name_device(struct advertise *advertise)
{
    const struct cv_server_config *config = advertise->config;
    char host[256] = "";
    struct advertise_page *page = advertise->page;
    struct cv_ssdp_identity *identity = &page->identity;

    snprintf(identity->uuid, sizeof(identity->uuid), "%s",
             config->advertise_uuid ? config->advertise_uuid : advertise->state.uuid);
    snprintf(identity->type, sizeof(identity->type), "%s",
             config->advertise_type ? config->advertise_type : CV_SSDP_TYPE);
    if (!config->advertise_type)
        snprintf(identity->service, sizeof(identity->service), "%s", CV_SSDP_SERVICE);
    gethostname(host, sizeof(host) - 1);
    snprintf(page->name, sizeof(page->name), "Culvert on %s", host);
    page->tls = config->tls_cert != NULL;
}

static int open_advertiser(struct advertise *advertise)
{
    struct cv_advertiser_config machine = {.boot = advertise->state.boot, .age = CV_ADVERTISER_AGE};
    struct cv_loop *loop = advertise->loop;
    struct cv_description description;
    char server[SSDP_SERVER_SIZE];
    int rc;

    ssdp_server(server);
    describe(advertise->page, &description);
    machine.identity = advertise->page->identity;
    machine.server = server;
    machine.config = cv_description_config(&description);
    rc = cv_advertiser_new(&advertise->advertiser, &machine, &loop->alloc, &loop->random);
    return rc < 0 ? rc : cv_timer_new(&advertise->timer, loop, on_timer, advertise);
}

static int open_sockets(struct advertise *advertise, struct cv_config_error *error)
{
    const struct cv_server_config *config = advertise->config;
    const struct ssdp_config sockets = {.loop = advertise->loop,
                                        .interfaces = config->advertise.at,
                                        .interface_count = config->advertise.count,
                                        .listen = true,
                                        .ttl = (uint8_t)config->advertise_ttl,
                                        .changed = on_changed,
                                        .datagram = on_datagram,
                                        .ctx = advertise};
    int rc;

    for (size_t i = 0; i < config->advertise.count; i++)
        if (!cv_interface_exists(config->advertise.at[i]))
            return server_fail(error, EXIT_OPEN, config->advertise.at[i], -ENODEV);
    rc = ssdp_new(&advertise->ssdp, &sockets);
    return rc < 0 ? server_fail(error, EXIT_OPEN, "port 1900 of --advertise", rc) : EXIT_OK;
}

int advertise_open(struct advertise **out, struct advertise_page *page, struct cv_loop *loop,
                   const struct cv_server_config *config, struct cv_listener *const *doors,
                   struct cv_config_error *error)
{
    struct advertise *advertise;
    int code, rc;

    if (config->advertise.count == 0)
        return EXIT_OK;
    advertise = calloc(1, sizeof(*advertise));
    if (!advertise)
        return server_fail(error, EXIT_RUNTIME, "advertise", -ENOMEM);
    advertise->loop = loop;
    advertise->page = page;
    advertise->config = config;
    for (size_t i = 0; i < config->listens.count && advertise->door_count < DOORS_MAX; i++)
        if (!config->listens.at[i].proxy_protocol) /* else an agent would have to speak it */
            advertise->door_count +=
                read_door(&advertise->doors[advertise->door_count], config->listens.at[i].address,
                          cv_listener_address(doors[i]));
    code = open_state(advertise, error);
    if (code == EXIT_OK) {
        name_device(advertise);
        rc = open_advertiser(advertise);
        code = rc < 0 ? server_fail(error, EXIT_RUNTIME, "advertise", rc)
                      : open_sockets(advertise, error);
    }
    if (code != EXIT_OK) {
        finish(advertise);
        return code;
    }
    take_links(advertise);
    page->shown = true;
    *out = advertise;
    return EXIT_OK;
}

void advertise_close(struct advertise *advertise)
{
    if (!advertise)
        return;
    advertise->closing = true;
    cv_advertiser_stop(advertise->advertiser, cv_loop_now(advertise->loop));
    pump(advertise);
}
