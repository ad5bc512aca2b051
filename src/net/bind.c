#include "net/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "net/keepalive.h"
#include "net/passed.h"
#include "net/stream.h"

/* The kernel cuts it to net.core.somaxconn. */
#define BACKLOG 4096

static int parse_unix(struct cv_bind_target *out, const char *path)
{
    size_t len = strlen(path);

    if (len == 0 || len >= CV_BIND_PATH_SIZE)
        return CV_ESYNTAX;
    out->is_unix = true;
    memcpy(out->host, path, len + 1);
    return 0;
}

static int parse_passed(struct cv_bind_target *out, const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > CV_PASSED_NAME)
        return CV_ESYNTAX;
    out->is_passed = true;
    memcpy(out->host, name, len + 1);
    return 0;
}

static int parse_port(uint16_t *out, const char *text)
{
    int64_t port;

    if (strlen(text) > 5 || !cv_text_to_i64(text, strlen(text), &port) || port > UINT16_MAX)
        return CV_ESYNTAX;
    *out = (uint16_t)port;
    return 0;
}

/* A name: labels of letters, digits, - and _. One that ends in a number would be a mistyped address
 * (RFC 1123, 2.1). */
static bool is_name(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot ? dot + 1 : host;

    if (strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") !=
        strlen(host))
        return false;
    return last[strspn(last, "0123456789")] != '\0';
}

static int parse_host(struct cv_bind_target *out, const char *host, size_t len)
{
    bool bracketed = len >= 2 && host[0] == '[' && host[len - 1] == ']';
    struct sockaddr_storage address;
    bool numeric;

    if (bracketed) {
        host++;
        len -= 2;
    }
    if (len >= sizeof(out->host))
        return CV_ESYNTAX;
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    numeric = cv_address_parse(&address, out->host, out->port) == 0;
    if (numeric)
        return bracketed == (address.ss_family == AF_INET6) ? 0 : CV_ESYNTAX;
    if (bracketed)
        return CV_ESYNTAX;
    return len == 0 || is_name(out->host) ? 0 : CV_ESYNTAX;
}

int cv_bind_parse(struct cv_bind_target *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    int rc;

    *out = (struct cv_bind_target){0};
    if (strncmp(text, CV_PASSED_PREFIX, strlen(CV_PASSED_PREFIX)) == 0)
        return parse_passed(out, text + strlen(CV_PASSED_PREFIX));
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(out, text + 5);
    if (!colon)
        return CV_ESYNTAX;
    rc = parse_port(&out->port, colon + 1);
    return rc < 0 ? rc : parse_host(out, text, (size_t)(colon - text));
}

static int fail(int fd, int error)
{
    close(fd);
    return error;
}

/* What sockets have that accepted ones inherit. */
static void tune(int fd, const struct sockaddr *address)
{
    const int on = 1, unsent = CV_STREAM_TRIAL_UNSENT;

    if (address->sa_family == AF_UNIX)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
    cv_keepalive(fd);
}

/* @only: an IPv6 socket takes no IPv4, so that both families can be listed side by side. @shared:
 * other such sockets may stand beside it at the same address. */
static int listen_at(struct cv_bound *out, const struct sockaddr *address, bool only, bool shared)
{
    const int on = 1, v6only = only;
    bool stream = out->type == SOCK_STREAM;
    int fd = socket(address->sa_family, out->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (address->sa_family != AF_UNIX && stream)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (stream)
        tune(fd, address);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (address->sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    cv_address_unpace(fd, address);
    if (bind(fd, address, cv_address_len(address)) < 0 || (stream && listen(fd, BACKLOG) < 0))
        return fail(fd, -errno);
    out->fd = fd;
    return 0;
}

/* All addresses of both families on one socket; of IPv4 alone where the kernel has no IPv6. */
static int listen_all(struct cv_bound *out, uint16_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    int rc = listen_at(out, (struct sockaddr *)&v6, false, false);

    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL)
        rc = listen_at(out, (struct sockaddr *)&v4, false, false);
    return rc;
}

/* The first address of @family in @list that can be had; @rc when there is none. */
static int listen_family(struct cv_bound *out, const struct addrinfo *list, int family, int rc)
{
    for (const struct addrinfo *info = list; info && rc < 0; info = info->ai_next)
        if (info->ai_family == family)
            rc = listen_at(out, info->ai_addr, true, false);
    return rc;
}

/* IPv4 first: of a name with both, as localhost, it is the one that people then type as numbers. */
static int listen_name(struct cv_bound *out, uv_loop_t *loop, const struct cv_bind_target *target)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    uv_getaddrinfo_t request;
    char port[8];
    int rc;

    snprintf(port, sizeof(port), "%u", (unsigned)target->port);
    rc = uv_getaddrinfo(loop, &request, NULL, target->host, port, &hints);
    if (rc < 0)
        return rc;
    rc = listen_family(out, request.addrinfo, AF_INET, UV_EAI_NONAME);
    rc = listen_family(out, request.addrinfo, AF_INET6, rc);
    uv_freeaddrinfo(request.addrinfo);
    return rc;
}

static int listen_ip(struct cv_bound *out, uv_loop_t *loop, const struct cv_bind_target *target)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    int rc;

    if (target->host[0] == '\0')
        rc = listen_all(out, target->port);
    else if (cv_address_parse(&address, target->host, target->port) == 0)
        rc = listen_at(out, (struct sockaddr *)&address, true, false);
    else
        rc = listen_name(out, loop, target);
    if (rc < 0)
        return rc;
    if (getsockname(out->fd, (struct sockaddr *)&address, &len) < 0)
        return fail(out->fd, -errno);
    cv_address_text(out->text, (struct sockaddr *)&address);
    return 0;
}

/* Whether somebody listens at the socket file @address; a full queue (EAGAIN) is somebody's too. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused;

    if (fd < 0)
        return true;
    refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
              errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

static int listen_path(struct cv_bound *out, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat file;
    size_t len = strlen(path); /* cv_bind_parse() has seen that it fits, here and below */
    int rc;

    memcpy(address.sun_path, path, len + 1);
    /* A file of another kind refuses connections as well: only a socket that nobody serves may go.
     */
    if (lstat(path, &file) == 0 && S_ISSOCK(file.st_mode) && !is_served(&address))
        unlink(path);
    rc = listen_at(out, (struct sockaddr *)&address, false, false);
    if (rc < 0)
        return rc;
    if (lstat(path, &file) < 0)
        return fail(out->fd, -errno);
    out->device = file.st_dev;
    out->inode = file.st_ino;
    memcpy(out->path, path, len + 1);
    memcpy(stpcpy(out->text, "unix:"), path, len + 1);
    return 0;
}

void cv_bind_text(char text[CV_BIND_TEXT_SIZE], const struct sockaddr *address)
{
    const struct sockaddr_un *file = (const struct sockaddr_un *)(const void *)address;

    if (address->sa_family == AF_UNIX)
        snprintf(text, CV_BIND_TEXT_SIZE, "unix:%.*s", (int)sizeof(file->sun_path), file->sun_path);
    else
        cv_address_text(text, address);
}

/* -ENOENT when none was passed for @text. */
static int take_passed(struct cv_bound *out, struct cv_loop *loop, const char *text)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    int fd = cv_passed_take(loop->passed, loop->uv, text, out->type);

    if (fd < 0)
        return fd;
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return fail(fd, -errno);
    if (out->type == SOCK_STREAM)
        tune(fd, (struct sockaddr *)&address);
    cv_address_unpace(fd, (struct sockaddr *)&address);
    out->passed = true;
    out->fd = fd;
    cv_bind_text(out->text, (struct sockaddr *)&address);
    return 0;
}

static int bind_to(struct cv_bound *out, struct cv_loop *loop, const char *text, int type)
{
    struct cv_bind_target target;
    int rc = cv_bind_parse(&target, text);

    if (rc < 0)
        return rc;
    if (target.is_unix && type == SOCK_DGRAM)
        return CV_ESYNTAX;
    out->path[0] = '\0';
    out->type = type;
    out->passed = false;
    rc = take_passed(out, loop, text);
    if (rc != -ENOENT)
        return rc;
    if (target.is_passed)
        return CV_ENOTPASSED;
    return target.is_unix ? listen_path(out, target.host) : listen_ip(out, loop->uv, &target);
}

int cv_bind(struct cv_bound *out, struct cv_loop *loop, const char *text)
{
    return bind_to(out, loop, text, SOCK_STREAM);
}

int cv_bind_datagrams(struct cv_bound *out, struct cv_loop *loop, const char *text)
{
    return bind_to(out, loop, text, SOCK_DGRAM);
}

/* Where a TCP socket is bound. */
struct place {
    struct sockaddr_storage address;
    int v6only;
};

/* Returns 0, or -errno. */
static int place_of(struct place *out, int fd)
{
    socklen_t len = sizeof(out->address), v6only_len = sizeof(out->v6only);

    out->v6only = 0;
    out->address.ss_family = AF_UNSPEC;
    if (getsockname(fd, (struct sockaddr *)&out->address, &len) < 0)
        return -errno;
    if (out->address.ss_family == AF_INET6 &&
        getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &out->v6only, &v6only_len) < 0)
        return -errno;
    return 0;
}

int cv_bind_shared(struct cv_bound *out, struct cv_loop *loop, const char *text)
{
    struct place place;
    int rc = cv_bind(out, loop, text);

    if (rc < 0 || out->path[0] || out->passed)
        return rc;
    /* The kernel lets sockets with SO_REUSEPORT in beside those of another server of the same user.
     * That we had the address alone for a moment shows that there is none. */
    rc = place_of(&place, out->fd);
    close(out->fd);
    return rc < 0 ? rc : listen_at(out, (struct sockaddr *)&place.address, place.v6only, true);
}

int cv_bind_beside(struct cv_bound *out, const struct cv_bound *first)
{
    struct place place;
    int rc;

    if (first->path[0] || first->passed)
        return -EOPNOTSUPP;
    *out = *first;
    rc = place_of(&place, first->fd);
    return rc < 0 ? rc : listen_at(out, (struct sockaddr *)&place.address, place.v6only, true);
}

void cv_unbind(struct cv_bound *bound)
{
    struct stat file;

    close(bound->fd);
    if (bound->path[0] == '\0')
        return;
    /* Somebody else may have put a file of their own there in the meantime. */
    if (lstat(bound->path, &file) == 0 && file.st_dev == bound->device &&
        file.st_ino == bound->inode)
        unlink(bound->path);
}
