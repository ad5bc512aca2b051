#ifndef CV_NET_DATAGRAMS_H
#define CV_NET_DATAGRAMS_H

#include "net/relay.h"

/* A local socket of datagrams (a connected UDP socket, or one of a pair of messages) relayed
 * through a virtual connection of `udp`: one datagram is one Data frame. What the socket does not
 * take is lost, as datagrams are. It ends, in order, when nothing has come either way for @idle
 * microseconds, or when the other end of the pair is closed. */

/* Takes @fd, also on failure. Everything else as cv_relay_new(). */
int cv_datagrams_new(struct cv_tunnel *tunnel, int64_t conn_id, int fd, bool is_pair, uint64_t idle,
                     cv_relay_ended *ended, void *ctx) CV_MUST_USE;

#endif
