#include "net/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"

/* Datagrams a wake, so that a flood leaves room for everything else. */
#define READS_MAX 64

/* linux/in6.h has it, which cannot stand beside netinet/in.h */
#define OPTION_V6_MULTICAST_ALL 29

struct cv_udp {
    struct cv_loop *loop; /* borrowed */
    uv_poll_t poll;
    int fd;
    uint8_t family;
    bool closed;
    cv_udp_recv *recv;
    void *ctx; /* borrowed */
};

/* Room for the address that a datagram came to or leaves from. */
union control {
    struct cmsghdr align;
    char v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    char v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static socklen_t address_of(struct sockaddr_storage *out, const struct cv_peer *peer)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof(*out));
    if (peer->family == 4) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(peer->port);
        memcpy(&v4->sin_addr, peer->ip, sizeof(v4->sin_addr));
        return sizeof(*v4);
    }
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(peer->port);
    v6->sin6_scope_id = peer->scope;
    memcpy(&v6->sin6_addr, peer->ip, sizeof(v6->sin6_addr));
    return sizeof(*v6);
}

static void peer_of(struct cv_peer *out, const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    *out = (struct cv_peer){.family = 4};
    out->family = cv_address_bytes(out->ip, (const struct sockaddr *)address);
    if (out->family == 6)
        out->scope = v6->sin6_scope_id;
    out->port =
        ntohs(out->family == 6 ? v6->sin6_port : ((const struct sockaddr_in *)address)->sin_port);
}

/* Where the datagram was sent to: false when the kernel did not say. */
static bool read_control(struct cv_udp_from *from, struct msghdr *head)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c; c = CMSG_NXTHDR(head, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(from->to, &info.ipi_addr, 4);
            from->interface = (unsigned)info.ipi_ifindex;
            from->multicast = IN_MULTICAST(ntohl(info.ipi_addr.s_addr));
            return true;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;

            memcpy(&info, CMSG_DATA(c), sizeof(info));
            memcpy(from->to, &info.ipi6_addr, 16);
            from->interface = info.ipi6_ifindex;
            from->multicast = IN6_IS_ADDR_MULTICAST(&info.ipi6_addr);
            return true;
        }
    }
    return false;
}

/* Reads one datagram: false when there is none. */
static bool read_one(struct cv_udp *udp)
{
    struct sockaddr_storage source;
    union control control;
    struct iovec bytes = {.iov_base = udp->loop->read_buf, .iov_len = CV_READ_SIZE};
    struct msghdr head = {.msg_name = &source,
                          .msg_namelen = sizeof(source),
                          .msg_iov = &bytes,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof(control)};
    struct cv_udp_from from = {.multicast = false};
    ssize_t n = recvmsg(udp->fd, &head, MSG_DONTWAIT);

    if (n < 0)
        return errno == EINTR || errno == ECONNREFUSED; /* an earlier datagram was refused */
    if (!read_control(&from, &head))
        return true;
    peer_of(&from.peer, &source);
    udp->recv(udp->ctx, &from, udp->loop->read_buf, (size_t)n);
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct cv_udp *udp = poll->data;

    (void)status, (void)events;
    for (unsigned i = 0; i < READS_MAX && !udp->closed; i++)
        if (!read_one(udp))
            return;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int set_v4(int fd, const struct cv_udp_options *options)
{
    int rc = set(fd, IPPROTO_IP, IP_PKTINFO, 1);

    /* else every group that any socket of this host has joined comes in here */
    if (rc == 0)
        rc = set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
    if (rc == 0)
        rc = set(fd, IPPROTO_IP, IP_MULTICAST_TTL, options->ttl);
    return rc == 0 ? set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1) : rc;
}

static int set_v6(int fd, const struct cv_udp_options *options)
{
    int rc = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);

    if (rc == 0)
        rc = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    if (rc == 0)
        rc = set(fd, IPPROTO_IPV6, OPTION_V6_MULTICAST_ALL, 0);
    if (rc == 0)
        rc = set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, options->ttl);
    return rc == 0 ? set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) : rc;
}

/* Both of the options that share a port: some stacks set one, some the other, and minissdpd lets in
 * only who sets both. */
static int share(int fd)
{
    int rc = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);

    return rc == 0 ? set(fd, SOL_SOCKET, SO_REUSEPORT, 1) : rc;
}

/* Returns a bound socket or -errno. */
static int open_socket(const struct cv_udp_options *options)
{
    const struct cv_peer any = {.family = options->family, .port = options->port};
    struct sockaddr_storage address;
    socklen_t len = address_of(&address, &any);
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0)
        return -errno;
    rc = options->family == 4 ? set_v4(fd, options) : set_v6(fd, options);
    if (rc == 0 && options->port)
        rc = share(fd);
    if (rc == 0 && bind(fd, (struct sockaddr *)&address, len) < 0)
        rc = -errno;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

static void on_closed(uv_handle_t *handle)
{
    struct cv_udp *udp = handle->data;

    close(udp->fd);
    cv_free(&udp->loop->alloc, udp);
}

int cv_udp_new(struct cv_udp **out, struct cv_loop *loop, const struct cv_udp_options *options,
               cv_udp_recv *recv, void *ctx)
{
    struct cv_udp *udp = cv_alloc_zero(&loop->alloc, sizeof(*udp));
    int rc;

    if (!udp)
        return -ENOMEM;
    udp->loop = loop;
    udp->family = options->family;
    udp->recv = recv;
    udp->ctx = ctx;
    udp->fd = rc = open_socket(options);
    if (rc >= 0)
        rc = uv_poll_init(loop->uv, &udp->poll, udp->fd);
    if (rc < 0) {
        if (udp->fd >= 0)
            close(udp->fd);
        cv_free(&loop->alloc, udp);
        return rc;
    }
    udp->poll.data = udp;
    rc = uv_poll_start(&udp->poll, UV_READABLE, on_readable);
    if (rc < 0) {
        cv_udp_close(udp);
        return rc;
    }
    *out = udp;
    return 0;
}

/* Joins or leaves, by the numbers of the two families. */
static int member(struct cv_udp *udp, const uint8_t group[16], unsigned interface, bool join)
{
    struct ip_mreqn v4 = {.imr_ifindex = (int)interface};
    struct ipv6_mreq v6 = {.ipv6mr_interface = interface};
    int rc;

    if (udp->family == 4) {
        memcpy(&v4.imr_multiaddr, group, sizeof(v4.imr_multiaddr));
        rc = setsockopt(udp->fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &v4,
                        sizeof(v4));
    } else {
        memcpy(&v6.ipv6mr_multiaddr, group, sizeof(v6.ipv6mr_multiaddr));
        rc = setsockopt(udp->fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &v6,
                        sizeof(v6));
    }
    return rc < 0 && errno != EADDRINUSE ? -errno : 0;
}

int cv_udp_join(struct cv_udp *udp, const uint8_t group[16], unsigned interface)
{
    return member(udp, group, interface, true);
}

void cv_udp_leave(struct cv_udp *udp, const uint8_t group[16], unsigned interface)
{
    (void)!member(udp, group, interface, false); /* a group that is not joined is left */
}

/* Says where the datagram leaves from. */
static void write_control(struct msghdr *head, union control *control, unsigned interface,
                          const uint8_t *source, uint8_t family)
{
    struct in_pktinfo v4 = {.ipi_ifindex = (int)interface};
    struct in6_pktinfo v6 = {.ipi6_ifindex = interface};
    bool is_v4 = family == 4;
    struct cmsghdr *c;

    memset(control, 0, sizeof(*control));
    head->msg_control = control;
    head->msg_controllen = is_v4 ? sizeof(control->v4) : sizeof(control->v6);
    c = CMSG_FIRSTHDR(head);
    c->cmsg_level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6;
    c->cmsg_type = is_v4 ? IP_PKTINFO : IPV6_PKTINFO;
    c->cmsg_len = is_v4 ? CMSG_LEN(sizeof(v4)) : CMSG_LEN(sizeof(v6));
    if (source) {
        memcpy(&v4.ipi_spec_dst, source, sizeof(v4.ipi_spec_dst));
        memcpy(&v6.ipi6_addr, source, sizeof(v6.ipi6_addr));
    }
    if (is_v4)
        memcpy(CMSG_DATA(c), &v4, sizeof(v4));
    else
        memcpy(CMSG_DATA(c), &v6, sizeof(v6));
}

int cv_udp_send(struct cv_udp *udp, const struct cv_peer *to, unsigned interface,
                const uint8_t *source, const void *data, size_t len)
{
    struct sockaddr_storage address;
    union control control;
    struct iovec bytes = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr head = {.msg_name = &address, .msg_iov = &bytes, .msg_iovlen = 1};
    ssize_t n;

    head.msg_namelen = address_of(&address, to);
    write_control(&head, &control, interface, source, udp->family);
    do
        n = sendmsg(udp->fd, &head, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

void cv_udp_unref(struct cv_udp *udp)
{
    uv_unref((uv_handle_t *)&udp->poll);
}

void cv_udp_close(struct cv_udp *udp)
{
    if (!udp || udp->closed)
        return;
    udp->closed = true;
    uv_close((uv_handle_t *)&udp->poll, on_closed);
}
