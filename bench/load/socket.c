#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 4096, SOURCES = 64 };

static struct sockaddr_in loopback(unsigned host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + host);
    return address;
}

/* Closes @fd and keeps the errno that made it useless. */
static int give_up(int fd)
{
    int reason = errno;

    close(fd);
    errno = reason;
    return -1;
}

static int new_socket(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    int on = 1;

    if (fd >= 0 && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        return give_up(fd);
    return fd;
}

int cv_load_listen(uint16_t port)
{
    struct sockaddr_in address = loopback(0, port);
    int fd = new_socket(SOCK_NONBLOCK);
    int on = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, BACKLOG) != 0)
        return give_up(fd);
    return fd;
}

int cv_load_connect(uint16_t port)
{
    struct sockaddr_in address = loopback(0, port);
    struct timeval patience = {.tv_sec = CV_LOAD_PATIENCE_S};
    int fd = new_socket(0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return give_up(fd);
    return fd;
}

int cv_load_connect_start(uint16_t port, unsigned source)
{
    struct sockaddr_in from = loopback(source % SOURCES, 0);
    struct sockaddr_in address = loopback(0, port);
    int fd = new_socket(SOCK_NONBLOCK);
    int on = 1;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
        return give_up(fd);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
        return give_up(fd);
    return fd;
}

int cv_load_set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool cv_load_is_open(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got > 0 || (got < 0 && errno == EAGAIN);
}

int cv_load_send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);

        if (sent < 0)
            return -1;
        at += sent;
        len -= (size_t)sent;
    }
    return 0;
}

uint64_t cv_load_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * CV_LOAD_NS + (uint64_t)now.tv_nsec;
}

int cv_load_wait_ms(uint64_t now, uint64_t deadline)
{
    return now >= deadline ? 0 : (int)((deadline - now + 999999) / 1000000);
}

void cv_load_wait_for_end(void)
{
    char sink[64];
    ssize_t got;

    do
        got = read(STDIN_FILENO, sink, sizeof(sink));
    while (got > 0 || (got < 0 && errno == EINTR));
}
