#ifndef CV_NET_KEEPALIVE_H
#define CV_NET_KEEPALIVE_H

/* The kernel's own probes (tcp(7), SO_KEEPALIVE) on the sockets of visitors and targets: of one
 * that lost its power, or its way, no packet says so, and a socket that has nothing to send would
 * be kept for ever. Probed after CV_KEEPALIVE_IDLE seconds without a word, then every
 * CV_KEEPALIVE_EVERY, until as many as net.ipv4.tcp_keepalive_probes (9) were not answered: 165 s.
 * The socket then has the error ETIMEDOUT; ECONNRESET when a machine answers that has forgotten it.
 *
 * The numbers are what users of tunnels are used to: Go's net package, which most are written with,
 * begins after 15 s and repeats every 15 s unless told otherwise, cloudflared has 30 s for targets.
 * NATs forget a silent connection after a minute or more. */
#define CV_KEEPALIVE_IDLE  30
#define CV_KEEPALIVE_EVERY 15

/* Of a TCP socket; accepted sockets inherit it from the listening one. */
void cv_keepalive(int fd);

#endif
