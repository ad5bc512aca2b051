#include "ssdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "culvert_version.h"
#include "net/log.h"

#define V6_HOPS 10 /* of datagrams to a group of IPv6 (UDA 2.0, annex A) */

/* The sockets: two of IPv4, two of IPv6; NULL when there is no such. */
enum role { LISTEN, SEARCH, ROLES };

struct ssdp {
    struct ssdp_config config;
    struct cv_udp *v4[ROLES], *v6[ROLES];
    struct cv_interface_watch *watch;
    struct cv_interfaces interfaces; /* all there are */
    struct ssdp_link links[SSDP_LINKS_MAX];
    size_t link_count;
};

static const uint8_t groups[][16] = {
    [CV_SSDP_V4] = {239, 255, 255, 250},
    [CV_SSDP_V6_LINK] = {0xff, 0x02, [15] = 0x0c},
    [CV_SSDP_V6_SITE] = {0xff, 0x05, [15] = 0x0c},
};

void ssdp_server(char out[SSDP_SERVER_SIZE])
{
    struct utsname name;
    int major = 0, minor = 0;

    if (uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) < 2)
        minor = 0;
    snprintf(out, SSDP_SERVER_SIZE, "Linux/%d.%d UPnP/1.1 Culvert/%s", major, minor,
             CULVERT_VERSION);
}

/* Links */

static enum cv_ssdp_group group_of(const struct cv_interface_address *address)
{
    if (address->family == 4)
        return CV_SSDP_V4;
    return address->link_local ? CV_SSDP_V6_LINK : CV_SSDP_V6_SITE;
}

static unsigned id_of(unsigned interface, enum cv_ssdp_group group)
{
    return interface * 4 + (unsigned)group;
}

static bool is_wanted(const struct ssdp *ssdp, const struct cv_interface_address *address)
{
    const struct ssdp_config *config = &ssdp->config;

    if (!config->interfaces)
        return address->multicast && !address->loopback;
    for (size_t i = 0; i < config->interface_count; i++)
        if (strcmp(config->interfaces[i], address->name) == 0)
            return true;
    return false;
}

static struct ssdp_link *link_find(struct ssdp_link *links, size_t count, unsigned id)
{
    for (size_t i = 0; i < count; i++)
        if (links[i].id == id)
            return &links[i];
    return NULL;
}

/* The first address of each group on each interface; a lasting one before a temporary one. */
static size_t make_links(const struct ssdp *ssdp, struct ssdp_link out[SSDP_LINKS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < ssdp->interfaces.count; i++) {
        const struct cv_interface_address *address = &ssdp->interfaces.at[i];
        struct ssdp_link *link, fresh = {.group = group_of(address), .address = *address};

        if (!is_wanted(ssdp, address))
            continue;
        fresh.id = id_of(address->index, fresh.group);
        link = link_find(out, count, fresh.id);
        if (!link && count < SSDP_LINKS_MAX)
            out[count++] = fresh;
        else if (link && link->address.temporary && !address->temporary)
            *link = fresh;
    }
    return count;
}

static bool same_links(const struct ssdp_link *a, const struct ssdp_link *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i].id != b[i].id || a[i].address.family != b[i].address.family ||
            memcmp(a[i].address.ip, b[i].address.ip, sizeof(a[i].address.ip)) != 0)
            return false;
    return true;
}

static void join(struct ssdp *ssdp, const struct ssdp_link *link)
{
    struct cv_udp *udp = link->group == CV_SSDP_V4 ? ssdp->v4[LISTEN] : ssdp->v6[LISTEN];
    int rc = udp ? cv_udp_join(udp, groups[link->group], link->address.index) : 0;

    if (rc < 0)
        cv_log(&ssdp->config.loop->log, CV_LOG_WARN,
               "discovery: %s: cannot listen to the group: %s", link->address.name,
               cv_strerror(rc));
}

/* Reads interfaces anew; true when links have changed. Groups are joined again each time: an
 * interface that went away and came back has forgotten them. */
static bool refresh(struct ssdp *ssdp)
{
    struct ssdp_link links[SSDP_LINKS_MAX];
    size_t count;
    bool changed;
    int rc = cv_interfaces_read(&ssdp->interfaces);

    if (rc < 0) {
        cv_log(&ssdp->config.loop->log, CV_LOG_WARN, "discovery: interfaces cannot be read: %s",
               cv_strerror(rc));
        return false;
    }
    count = make_links(ssdp, links);
    changed = count != ssdp->link_count || !same_links(links, ssdp->links, count);
    memcpy(ssdp->links, links, count * sizeof(links[0]));
    ssdp->link_count = count;
    for (size_t i = 0; i < count; i++)
        join(ssdp, &links[i]);
    return changed;
}

static void on_interfaces(void *ctx)
{
    struct ssdp *ssdp = ctx;

    if (refresh(ssdp))
        ssdp->config.changed(ssdp->config.ctx);
}

size_t ssdp_links(const struct ssdp *ssdp, const struct ssdp_link **out)
{
    *out = ssdp->links;
    return ssdp->link_count;
}

void ssdp_link_host(char out[CV_ADDRESS_SIZE], const struct ssdp_link *link)
{
    cv_address_bytes_text(out, link->address.family, link->address.ip, link->address.family == 6);
}

int ssdp_search_links(const struct ssdp *ssdp, struct cv_searcher *searcher, uint64_t now)
{
    enum cv_ssdp_group of[SSDP_LINKS_MAX];
    unsigned ids[SSDP_LINKS_MAX];

    for (size_t i = 0; i < ssdp->link_count; i++) {
        ids[i] = ssdp->links[i].id;
        of[i] = ssdp->links[i].group;
    }
    return cv_searcher_links(searcher, ids, of, ssdp->link_count, now);
}

/* Datagrams */

static bool holds(const struct ssdp *ssdp, unsigned interface, uint8_t family, const uint8_t *ip)
{
    for (size_t i = 0; i < ssdp->interfaces.count; i++) {
        const struct cv_interface_address *address = &ssdp->interfaces.at[i];

        if (address->index == interface && cv_interface_holds(address, family, ip))
            return true;
    }
    return false;
}

bool ssdp_on_link(const struct ssdp *ssdp, unsigned link, uint8_t family, const uint8_t ip[16])
{
    return holds(ssdp, link / 4, family, ip);
}

/* What this machine sends to an address of its own comes in by loopback: it belongs to the
 * interface that has the sender's address. */
static unsigned real_interface(const struct ssdp *ssdp, const struct cv_udp_from *from)
{
    bool loopback = false;
    unsigned owner = from->interface;

    for (size_t i = 0; i < ssdp->interfaces.count; i++) {
        const struct cv_interface_address *address = &ssdp->interfaces.at[i];

        loopback = loopback || (address->index == from->interface && address->loopback);
        if (address->family == from->peer.family &&
            memcmp(address->ip, from->peer.ip, sizeof(address->ip)) == 0)
            owner = address->index;
    }
    return loopback ? owner : from->interface;
}

static enum cv_ssdp_group group_for(const struct cv_udp_from *from)
{
    const uint8_t *address = from->multicast ? from->to : from->peer.ip;

    if (from->peer.family == 4)
        return CV_SSDP_V4;
    if (from->multicast)
        return address[1] == 0x02 ? CV_SSDP_V6_LINK : CV_SSDP_V6_SITE;
    return address[0] == 0xfe && (address[1] & 0xc0) == 0x80 ? CV_SSDP_V6_LINK : CV_SSDP_V6_SITE;
}

static void on_datagram(void *ctx, const struct cv_udp_from *from, const void *data, size_t len)
{
    struct ssdp *ssdp = ctx;
    unsigned interface = real_interface(ssdp, from);
    struct cv_ssdp_from out = {.peer = from->peer, .multicast = from->multicast};

    out.link = id_of(interface, group_for(from));
    out.on_link = holds(ssdp, interface, from->peer.family, from->peer.ip);
    if (len <= CV_SSDP_IN_MAX && link_find(ssdp->links, ssdp->link_count, out.link))
        ssdp->config.datagram(ssdp->config.ctx, &out, data, len);
}

void ssdp_send(struct ssdp *ssdp, const struct cv_ssdp_out *out, bool search)
{
    const struct ssdp_link *link = link_find(ssdp->links, ssdp->link_count, out->link);
    struct cv_peer to = out->peer;
    struct cv_udp *udp;
    int rc;

    if (!link)
        return;
    if (out->multicast) {
        to = (struct cv_peer){.family = link->address.family, .port = CV_SSDP_PORT};
        memcpy(to.ip, groups[link->group], sizeof(to.ip));
        to.scope = to.family == 6 ? link->address.index : 0;
    }
    udp = (to.family == 4 ? ssdp->v4 : ssdp->v6)[search ? SEARCH : LISTEN];
    rc = udp ? cv_udp_send(udp, &to, link->address.index, link->address.ip, out->data, out->len)
             : -EAFNOSUPPORT;
    if (rc < 0)
        cv_log(&ssdp->config.loop->log, CV_LOG_DEBUG, "discovery: %s: cannot send: %s",
               link->address.name, cv_strerror(rc));
}

/* Opening */

/* A machine may lack IPv6; it has IPv4. */
static int open_pair(struct ssdp *ssdp, enum role role, uint16_t port)
{
    struct cv_udp_options options = {.family = 4, .port = port, .ttl = ssdp->config.ttl};
    struct cv_loop *loop = ssdp->config.loop;
    int rc = cv_udp_new(&ssdp->v4[role], loop, &options, on_datagram, ssdp);

    if (rc < 0)
        return rc;
    options.family = 6;
    options.ttl = V6_HOPS;
    rc = cv_udp_new(&ssdp->v6[role], loop, &options, on_datagram, ssdp);
    return rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL ? 0 : rc;
}

int ssdp_new(struct ssdp **out, const struct ssdp_config *config)
{
    struct ssdp *ssdp = calloc(1, sizeof(*ssdp));
    int rc = 0;

    if (!ssdp)
        return -ENOMEM;
    ssdp->config = *config;
    if (config->listen)
        rc = open_pair(ssdp, LISTEN, CV_SSDP_PORT);
    if (rc == 0 && config->search)
        rc = open_pair(ssdp, SEARCH, 0);
    if (rc == 0)
        rc = cv_interface_watch_new(&ssdp->watch, config->loop, on_interfaces, ssdp);
    if (rc < 0) {
        ssdp_free(ssdp);
        return rc;
    }
    refresh(ssdp);
    *out = ssdp;
    return 0;
}

void ssdp_unref(struct ssdp *ssdp)
{
    for (size_t i = 0; i < ROLES; i++) {
        if (ssdp->v4[i])
            cv_udp_unref(ssdp->v4[i]);
        if (ssdp->v6[i])
            cv_udp_unref(ssdp->v6[i]);
    }
}

void ssdp_free(struct ssdp *ssdp)
{
    if (!ssdp)
        return;
    for (size_t i = 0; i < ROLES; i++) {
        cv_udp_close(ssdp->v4[i]);
        cv_udp_close(ssdp->v6[i]);
    }
    cv_interface_watch_free(ssdp->watch);
    free(ssdp);
}
