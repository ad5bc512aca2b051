#ifndef CV_NET_ADDRESS_H
#define CV_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/attr.h"

/* Room for the text of any address: brackets, 45 digits, a scope, a port, the NUL. */
#define CV_ADDRESS_SIZE 80

/* "127.0.0.1:4711", "[::1]:4711" or "unix"; an IPv4 address mapped into IPv6 shows as the IPv4 that
 * it is. Anything else is "unknown". */
void cv_address_text(char text[CV_ADDRESS_SIZE], const struct sockaddr *address);

/* The same without the port and without brackets. */
void cv_address_host(char text[CV_ADDRESS_SIZE], const struct sockaddr *address);

/* The text of the address that the socket @fd has at this end. */
void cv_address_local(char text[CV_ADDRESS_SIZE], int fd);

/* Reads a numeric IPv4 or IPv6 address (no brackets; a scope as in fe80::1%eth0 is fine). Returns 0
 * or CV_ESYNTAX. */
int cv_address_parse(struct sockaddr_storage *out, const char *host, uint16_t port) CV_MUST_USE;

/* The bytes of an IP address, 4 or 16 in network order; returns its family, 4 or 6. */
uint8_t cv_address_bytes(uint8_t bytes[16], const struct sockaddr *address);

/* 127.0.0.0/8 or ::1, also mapped. */
bool cv_address_is_loopback(const struct sockaddr *address);

/* Spares a socket to or at @address the pacing of its congestion control (BBR) where both ends are
 * this machine: it costs a timer a segment, for a road that has no congestion. Accepted sockets
 * inherit it from the listening one. */
void cv_address_unpace(int fd, const struct sockaddr *address);

/* The text of such bytes, IPv6 in brackets when @brackets. */
void cv_address_bytes_text(char text[CV_ADDRESS_SIZE], uint8_t family, const uint8_t bytes[16],
                           bool brackets);

/* Whether the first @bits bits are the same. */
bool cv_address_same_bits(const uint8_t *a, const uint8_t *b, unsigned bits);

/* Length of the structure, as bind() and connect() want it. */
socklen_t cv_address_len(const struct sockaddr *address);

#endif
