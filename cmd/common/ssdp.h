#ifndef CMD_COMMON_SSDP_H
#define CMD_COMMON_SSDP_H

#include "discovery/searcher.h"
#include "net/address.h"
#include "net/interfaces.h"
#include "net/udp.h"

/* SSDP's sockets, between net and the machines of discovery: which links there are, and datagrams
 * on them. A link is an interface and a group; its number stays while the interface does. */
struct ssdp;

#define SSDP_LINKS_MAX 48

struct ssdp_link {
    unsigned id;
    enum cv_ssdp_group group;
    struct cv_interface_address address; /* its own: what it sends from */
};

struct ssdp_config {
    struct cv_loop *loop;          /* borrowed */
    const char *const *interfaces; /* borrowed; NULL: every one that can multicast, but loopback */
    size_t interface_count;
    bool listen; /* at port 1900, in the groups */
    bool search; /* from a port of our own */
    uint8_t ttl; /* of IPv4 datagrams to the group */

    /* Links have changed: ask ssdp_links(). Not called for those that there are at first. */
    void (*changed)(void *ctx);
    void (*datagram)(void *ctx, const struct cv_ssdp_from *from, const void *data, size_t len);
    void *ctx; /* borrowed */
};

/* Opens everything; it keeps the loop running. Returns 0, -ENOMEM, libuv's code or -errno;
 * -EADDRINUSE when somebody holds port 1900 and does not share it. */
int ssdp_new(struct ssdp **out, const struct ssdp_config *config) CV_MUST_USE;

/* The links as they are now; borrowed until they change. */
size_t ssdp_links(const struct ssdp *ssdp, const struct ssdp_link **out);

/* The address of this machine on the link, as it stands in a URL: IPv6 in brackets, no zone. */
void ssdp_link_host(char out[CV_ADDRESS_SIZE], const struct ssdp_link *link);

/* Sends a datagram, a search from the port of our own. What cannot be sent is lost: UDP. */
void ssdp_send(struct ssdp *ssdp, const struct cv_ssdp_out *out, bool search);

/* Whether @ip lies in a network of the link's interface. */
bool ssdp_on_link(const struct ssdp *ssdp, unsigned link, uint8_t family, const uint8_t ip[16]);

/* Tells a searcher the links as they are now. Returns 0 or CV_EFULL. */
int ssdp_search_links(const struct ssdp *ssdp, struct cv_searcher *searcher,
                      uint64_t now) CV_MUST_USE;

/* Does not keep the loop running any longer. */
void ssdp_unref(struct ssdp *ssdp);

/* `Linux/6.1 UPnP/1.1 Culvert/0.1.0`. */
#define SSDP_SERVER_SIZE 64
void ssdp_server(char out[SSDP_SERVER_SIZE]);

/* NULL is fine. */
void ssdp_free(struct ssdp *ssdp);

#endif
