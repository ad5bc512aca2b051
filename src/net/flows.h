#ifndef CV_NET_FLOWS_H
#define CV_NET_FLOWS_H

#include "net/loop.h"

/* A UDP address at which visitors are told apart by where they come from: each has a flow, which is
 * a pair of sockets of messages. One end is handed out, the other is pumped here. Datagrams that
 * either does not take are lost. A flow ends when whoever has its socket closes that. */
struct cv_flows;

/* @fd is the callee's: a message is a datagram, from the visitor and to it. @peer is its address as
 * text, borrowed for the call. */
typedef void cv_flows_arrived(void *ctx, int fd, const char *peer);

#define CV_FLOWS_MAX 1024 /* flows at an address; a datagram that would begin one more is lost */

/* @address as of cv_listener_new(), without `unix:`. @ctx is borrowed. Returns 0, -ENOMEM, or
 * errors of cv_listener_new(). */
int cv_flows_open(struct cv_flows **out, struct cv_loop *loop, const char *address,
                  cv_flows_arrived *arrived, void *ctx) CV_MUST_USE;

/* Where it really listens. */
const char *cv_flows_address(const struct cv_flows *flows);

/* Ends all flows, and frees; not from its own callback. NULL is fine. */
void cv_flows_close(struct cv_flows *flows);

#endif
