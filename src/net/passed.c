#include "net/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/address.h"
#include "net/bind.h"
#include "net/log.h"

struct passed_socket {
    int fd; /* -1: taken */
    int type;
    bool any; /* every address of its family, and of IPv4 where that is not cut off */
    uint16_t port;
    char text[CV_BIND_TEXT_SIZE]; /* where it is bound */
    char name[CV_PASSED_NAME + 1];
};

struct cv_passed {
    struct cv_alloc alloc;
    size_t count;
    struct passed_socket sockets[];
};

/* What was passed. */

static void copy_name(struct passed_socket *socket, const char **names)
{
    size_t len = *names ? strcspn(*names, ":") : 0;

    snprintf(socket->name, sizeof(socket->name), "%.*s", (int)len, len ? *names : "");
    if (len == 0)
        snprintf(socket->name, sizeof(socket->name), "unknown"); /* as sd_listen_fds(3) has it */
    if (*names)
        *names += len + ((*names)[len] == ':');
}

static bool is_any(const struct sockaddr_storage *address)
{
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    const struct in_addr *v4 = &((const struct sockaddr_in *)(const void *)address)->sin_addr;

    return address->ss_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(v6) : v4->s_addr == INADDR_ANY;
}

/* Where @socket is bound; nowhere, if it is none, or one that is connected. */
static void look_at(struct passed_socket *socket)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address), size = sizeof(socket->type);
    int listens = 0;

    if (getsockopt(socket->fd, SOL_SOCKET, SO_TYPE, &socket->type, &size) < 0 ||
        getsockname(socket->fd, (struct sockaddr *)&address, &len) < 0)
        return;
    size = sizeof(listens);
    getsockopt(socket->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    if (socket->type == SOCK_STREAM && !listens)
        socket->type = 0;
    cv_bind_text(socket->text, (struct sockaddr *)&address);
    if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
        socket->any = is_any(&address);
        socket->port = ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
    }
}

int cv_passed_new(struct cv_passed **out, const struct cv_alloc *alloc, int64_t count,
                  const char *names)
{
    struct cv_passed *passed;

    if (count < 0 || count > CV_PASSED_MAX)
        return CV_EFULL;
    passed = cv_alloc_zero(alloc, sizeof(*passed) + (size_t)count * sizeof(passed->sockets[0]));
    if (!passed)
        return -ENOMEM;
    passed->alloc = *alloc;
    passed->count = (size_t)count;
    for (size_t i = 0; i < passed->count; i++) {
        struct passed_socket *socket = &passed->sockets[i];

        socket->fd = CV_PASSED_FIRST + (int)i;
        fcntl(socket->fd, F_SETFD, FD_CLOEXEC);
        copy_name(socket, &names);
        look_at(socket);
    }
    *out = passed;
    return 0;
}

/* Which one an address means. */

static bool is_of_name(const struct passed_socket *socket, const struct cv_bind_target *target,
                       uv_loop_t *loop)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8], text[CV_ADDRESS_SIZE];
    uv_getaddrinfo_t request;
    bool found = false;

    snprintf(port, sizeof(port), "%u", (unsigned)target->port);
    if (uv_getaddrinfo(loop, &request, NULL, target->host, port, &hints) < 0)
        return false;
    for (const struct addrinfo *info = request.addrinfo; info && !found; info = info->ai_next) {
        cv_address_text(text, info->ai_addr);
        found = strcmp(text, socket->text) == 0;
    }
    uv_freeaddrinfo(request.addrinfo);
    return found;
}

static bool is_meant(const struct passed_socket *socket, const struct cv_bind_target *target,
                     uv_loop_t *loop)
{
    struct sockaddr_storage address;
    char text[CV_ADDRESS_SIZE];

    if (target->is_passed)
        return strcmp(socket->name, target->host) == 0;
    if (target->is_unix)
        return strncmp(socket->text, "unix:", 5) == 0 &&
               strcmp(socket->text + 5, target->host) == 0;
    if (target->port == 0 || target->port != socket->port)
        return false;
    if (target->host[0] == '\0')
        return socket->any;
    if (cv_address_parse(&address, target->host, target->port) < 0)
        return is_of_name(socket, target, loop);
    cv_address_text(text, (struct sockaddr *)&address);
    return strcmp(text, socket->text) == 0;
}

static const struct passed_socket *find(const struct cv_passed *passed, uv_loop_t *loop,
                                        const char *text, int type)
{
    struct cv_bind_target target;

    if (!passed || cv_bind_parse(&target, text) < 0)
        return NULL;
    for (size_t i = 0; i < passed->count; i++) {
        const struct passed_socket *socket = &passed->sockets[i];

        if (socket->fd >= 0 && socket->type == type && is_meant(socket, &target, loop))
            return socket;
    }
    return NULL;
}

bool cv_passed_has(const struct cv_passed *passed, uv_loop_t *loop, const char *text, int type)
{
    return find(passed, loop, text, type) != NULL;
}

int cv_passed_take(struct cv_passed *passed, uv_loop_t *loop, const char *text, int type)
{
    const struct passed_socket *found = find(passed, loop, text, type);
    int fd;

    if (!found)
        return -ENOENT;
    fd = found->fd;
    passed->sockets[found - passed->sockets].fd = -1;
    return fd;
}

void cv_passed_close(struct cv_passed *passed, const struct cv_log *log)
{
    if (!passed)
        return;
    for (size_t i = 0; i < passed->count; i++) {
        const struct passed_socket *socket = &passed->sockets[i];

        if (socket->fd < 0)
            continue;
        close(socket->fd);
        cv_log(log, CV_LOG_WARN, "systemd passed %s at %s, where nothing is to listen: closed",
               socket->name, socket->text[0] ? socket->text : "no address");
    }
    cv_free(&passed->alloc, passed);
}
