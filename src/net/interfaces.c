#include "net/interfaces.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/address.h"

#define UNUSABLE (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)

static int open_netlink(uint32_t groups, int flags)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

/* What the interface is; false when it is not up. */
static bool read_flags(int fd, struct cv_interface_address *out)
{
    struct ifreq request = {0};

    if (!if_indextoname(out->index, out->name))
        return false;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", out->name);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return false;
    out->multicast = (request.ifr_flags & IFF_MULTICAST) != 0;
    out->loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
    return (request.ifr_flags & IFF_UP) && (request.ifr_flags & IFF_RUNNING);
}

/* Reads one address; false for one that cannot be used. */
static bool read_address(int fd, struct cv_interface_address *out, const struct ifaddrmsg *message,
                         size_t len)
{
    size_t size = message->ifa_family == AF_INET ? 4 : 16;
    uint32_t flags = message->ifa_flags;
    bool found = false, local = false;

    if (message->ifa_family != AF_INET && message->ifa_family != AF_INET6)
        return false;
    *out = (struct cv_interface_address){.index = message->ifa_index,
                                         .family = message->ifa_family == AF_INET ? 4 : 6,
                                         .prefix = message->ifa_prefixlen};
    for (struct rtattr *at = IFA_RTA(message); RTA_OK(at, len); at = RTA_NEXT(at, len)) {
        /* IFA_LOCAL is ours where IFA_ADDRESS is the other end's */
        if (at->rta_type == IFA_FLAGS && RTA_PAYLOAD(at) >= sizeof(flags))
            memcpy(&flags, RTA_DATA(at), sizeof(flags));
        if ((at->rta_type != IFA_LOCAL && (at->rta_type != IFA_ADDRESS || local)) ||
            RTA_PAYLOAD(at) < size)
            continue;
        memcpy(out->ip, RTA_DATA(at), size);
        found = true;
        local = at->rta_type == IFA_LOCAL;
    }
    out->temporary = out->family == 6 && (flags & IFA_F_TEMPORARY);
    out->link_local = out->family == 6 ? out->ip[0] == 0xfe && (out->ip[1] & 0xc0) == 0x80
                                       : out->ip[0] == 169 && out->ip[1] == 254;
    return found && !(flags & UNUSABLE) && read_flags(fd, out);
}

/* Takes the answers of one read: 1 when they were the last, 0 when more come, or -errno. */
static int take_answers(struct cv_interfaces *out, int fd, char *buf, size_t len)
{
    for (struct nlmsghdr *head = (struct nlmsghdr *)(void *)buf; NLMSG_OK(head, len);
         head = NLMSG_NEXT(head, len)) {
        if (head->nlmsg_type == NLMSG_DONE)
            return 1;
        if (head->nlmsg_type == NLMSG_ERROR)
            return -EIO;
        if (head->nlmsg_type != RTM_NEWADDR || out->count == CV_INTERFACE_ADDR_MAX)
            continue;
        if (read_address(fd, &out->at[out->count], NLMSG_DATA(head),
                         head->nlmsg_len - NLMSG_LENGTH(sizeof(struct ifaddrmsg))))
            out->count++;
    }
    return 0;
}

static int dump(struct cv_interfaces *out, int netlink, int fd)
{
    struct {
        struct nlmsghdr head;
        struct ifaddrmsg body;
    } request = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
                 .nlmsg_type = RTM_GETADDR,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.ifa_family = AF_UNSPEC},
    };
    _Alignas(struct nlmsghdr) char buf[16384];
    int rc = 0;

    if (send(netlink, &request, request.head.nlmsg_len, 0) < 0)
        return -errno;
    while (rc == 0) { /* the kernel has the answers ready: this does not wait */
        ssize_t n = recv(netlink, buf, sizeof(buf), 0);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            rc = take_answers(out, fd, buf, (size_t)n);
    }
    return rc < 0 ? rc : 0;
}

int cv_interfaces_read(struct cv_interfaces *out)
{
    int netlink = open_netlink(0, 0), fd, rc;

    out->count = 0;
    if (netlink < 0)
        return netlink;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    rc = fd < 0 ? -errno : dump(out, netlink, fd);
    if (fd >= 0)
        close(fd);
    close(netlink);
    return rc;
}

bool cv_interface_exists(const char *name)
{
    return if_nametoindex(name) != 0;
}

bool cv_interface_holds(const struct cv_interface_address *address, uint8_t family,
                        const uint8_t ip[16])
{
    return address->family == family && cv_address_same_bits(address->ip, ip, address->prefix);
}

/* Watching. */

struct cv_interface_watch {
    struct cv_loop *loop; /* borrowed */
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    int handles; /* not yet closed */
    void (*changed)(void *ctx);
    void *ctx; /* borrowed */
};

static void on_settled(uv_timer_t *timer)
{
    struct cv_interface_watch *watch = timer->data;

    watch->changed(watch->ctx);
}

/* What has changed is not looked at: everything is read anew, also after messages were lost. */
static void on_news(uv_poll_t *poll, int status, int events)
{
    struct cv_interface_watch *watch = poll->data;
    char buf[8192];

    (void)status, (void)events;
    while (recv(watch->fd, buf, sizeof(buf), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
        errno = 0;
    uv_timer_start(&watch->timer, on_settled, CV_INTERFACE_SETTLE / CV_MSEC, 0);
    uv_unref((uv_handle_t *)&watch->timer);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct cv_interface_watch *watch = handle->data;

    if (--watch->handles > 0)
        return;
    close(watch->fd);
    cv_free(&watch->loop->alloc, watch);
}

int cv_interface_watch_new(struct cv_interface_watch **out, struct cv_loop *loop,
                           void (*changed)(void *ctx), void *ctx)
{
    struct cv_interface_watch *watch = cv_alloc_zero(&loop->alloc, sizeof(*watch));
    int rc;

    if (!watch)
        return -ENOMEM;
    watch->loop = loop;
    watch->changed = changed;
    watch->ctx = ctx;
    watch->fd = rc =
        open_netlink(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, SOCK_NONBLOCK);
    if (rc >= 0)
        rc = uv_poll_init(loop->uv, &watch->poll, watch->fd);
    if (rc < 0) {
        if (watch->fd >= 0)
            close(watch->fd);
        cv_free(&loop->alloc, watch);
        return rc;
    }
    uv_timer_init(loop->uv, &watch->timer);
    watch->poll.data = watch->timer.data = watch;
    watch->handles = 2;
    rc = uv_poll_start(&watch->poll, UV_READABLE, on_news);
    uv_unref((uv_handle_t *)&watch->poll);
    if (rc < 0) {
        cv_interface_watch_free(watch);
        return rc;
    }
    *out = watch;
    return 0;
}

void cv_interface_watch_free(struct cv_interface_watch *watch)
{
    if (!watch || uv_is_closing((uv_handle_t *)&watch->poll))
        return;
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
    uv_close((uv_handle_t *)&watch->timer, on_watch_closed);
}
