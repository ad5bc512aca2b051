#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <uv.h>

#include "base/error.h"

/* Splits @address; an IPv4 address mapped into IPv6 becomes *@v4. Returns AF_INET, AF_INET6 or 0.
 */
static int unwrap(const struct sockaddr *address, struct sockaddr_in *v4, struct sockaddr_in6 *v6)
{
    if (address->sa_family == AF_INET) {
        memcpy(v4, address, sizeof(*v4));
        return AF_INET;
    }
    if (address->sa_family != AF_INET6)
        return 0;
    memcpy(v6, address, sizeof(*v6));
    if (!IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return AF_INET6;
    *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = v6->sin6_port};
    memcpy(&v4->sin_addr, &v6->sin6_addr.s6_addr[12], sizeof(v4->sin_addr));
    return AF_INET;
}

static void fallback(char text[CV_ADDRESS_SIZE], const struct sockaddr *address)
{
    snprintf(text, CV_ADDRESS_SIZE, "%s", address->sa_family == AF_UNIX ? "unix" : "unknown");
}

void cv_address_text(char text[CV_ADDRESS_SIZE], const struct sockaddr *address)
{
    char host[INET6_ADDRSTRLEN];
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    int family = unwrap(address, &v4, &v6);

    if (family == AF_INET && uv_ip4_name(&v4, host, sizeof(host)) == 0)
        snprintf(text, CV_ADDRESS_SIZE, "%s:%u", host, (unsigned)ntohs(v4.sin_port));
    else if (family == AF_INET6 && uv_ip6_name(&v6, host, sizeof(host)) == 0)
        snprintf(text, CV_ADDRESS_SIZE, "[%s]:%u", host, (unsigned)ntohs(v6.sin6_port));
    else
        fallback(text, address);
}

void cv_address_host(char text[CV_ADDRESS_SIZE], const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    int family = unwrap(address, &v4, &v6);

    if (family == AF_INET && uv_ip4_name(&v4, text, CV_ADDRESS_SIZE) == 0)
        return;
    if (family == AF_INET6 && uv_ip6_name(&v6, text, CV_ADDRESS_SIZE) == 0)
        return;
    fallback(text, address);
}

void cv_address_local(char text[CV_ADDRESS_SIZE], int fd)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);

    (void)getsockname(fd, (struct sockaddr *)&address, &len); /* else it is unknown */
    cv_address_text(text, (struct sockaddr *)&address);
}

int cv_address_parse(struct sockaddr_storage *out, const char *host, uint16_t port)
{
    memset(out, 0, sizeof(*out));
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)out) == 0)
        return 0;
    if (uv_ip6_addr(host, port, (struct sockaddr_in6 *)out) == 0)
        return 0;
    return CV_ESYNTAX;
}

socklen_t cv_address_len(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return sizeof(struct sockaddr_in);
    if (address->sa_family == AF_INET6)
        return sizeof(struct sockaddr_in6);
    return sizeof(struct sockaddr_un);
}

uint8_t cv_address_bytes(uint8_t bytes[16], const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
        return 4;
    }
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 16);
    return 6;
}

bool cv_address_is_loopback(const struct sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;

    switch (unwrap(address, &v4, &v6)) {
    case AF_INET:
        return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    default:
        return false;
    }
}

void cv_address_unpace(int fd, const struct sockaddr *address)
{
    static const char plain[] = "reno"; /* in every kernel, and open to everybody */

    if (cv_address_is_loopback(address))
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, plain, sizeof(plain) - 1);
}

void cv_address_bytes_text(char text[CV_ADDRESS_SIZE], uint8_t family, const uint8_t bytes[16],
                           bool brackets)
{
    char host[INET6_ADDRSTRLEN] = "";

    inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes, host, sizeof(host));
    snprintf(text, CV_ADDRESS_SIZE, brackets ? "[%s]" : "%s", host);
}

bool cv_address_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned rest = bits % 8;

    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}
