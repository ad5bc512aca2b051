#ifndef CV_NET_LISTENER_H
#define CV_NET_LISTENER_H

#include "net/loop.h"

/* A listening TCP or unix socket. Out of descriptors it neither spins nor leaves visitors hanging:
 * it sheds one at a time through a spare descriptor (accept and close), logs that once, and pauses
 * for a moment between two. */
struct cv_listener;

/* @fd is the callee's from then on, non-blocking and close-on-exec; TCP has TCP_NODELAY set. @peer
 * is its address as text, borrowed for the call. */
typedef void cv_listener_accepted(void *ctx, int fd, const char *peer);

/* @address is `127.0.0.1:80`, `[::1]:80`, `localhost:80` (resolved at once, blocking: start-up
 * only; IPv4 first), `:80` (everything, both families), or `unix:PATH` (an unused socket file in
 * the way is replaced, one in use or of another kind is not; the file is removed at close). Port 0
 * takes a free one. `[::]:80` is IPv6 alone, so that it can stand beside `0.0.0.0:80`.
 * `systemd:NAME` is a socket that was passed to the process (net/passed.h), and so is any other
 * address at which one was. @ctx is borrowed.
 *
 * CV_ESYNTAX    not an address
 * CV_ENOTPASSED no socket of that name was passed
 * -EADDRINUSE and other -errno from bind and listen; -ENOMEM */
int cv_listener_new(struct cv_listener **out, struct cv_loop *loop, const char *address,
                    cv_listener_accepted *accepted, void *ctx) CV_MUST_USE;

/* The same at a TCP address that listeners of other loops of this process may share; -EADDRINUSE
 * still when anybody else listens there. Errors as above. */
int cv_listener_new_shared(struct cv_listener **out, struct cv_loop *loop, const char *address,
                           cv_listener_accepted *accepted, void *ctx) CV_MUST_USE;

/* One more at the address of @first, which was made by cv_listener_new_shared(): the kernel spreads
 * the visitors over all of them. -EOPNOTSUPP for a unix socket, which cannot be shared; else as
 * above. */
int cv_listener_new_beside(struct cv_listener **out, struct cv_loop *loop,
                           const struct cv_listener *first, cv_listener_accepted *accepted,
                           void *ctx) CV_MUST_USE;

/* The same in two steps, for a loop of another thread: a socket that listens at the address of
 * @first, or -errno; and a listener on such a socket, which it takes, also on failure. */
int cv_listener_beside(const struct cv_listener *first) CV_MUST_USE;
int cv_listener_new_on(struct cv_listener **out, struct cv_loop *loop, int fd,
                       cv_listener_accepted *accepted, void *ctx) CV_MUST_USE;

/* Whether only one loop can listen at @address: a unix socket, or one that was passed. */
bool cv_listener_is_single(struct cv_loop *loop, const char *address);

/* Takes nobody for @time microseconds: whoever comes waits in the kernel's queue. From within
 * `accepted`, too, when the one at hand is the last. */
void cv_listener_hold(struct cv_listener *listener, uint64_t time);

/* Checks the form of an address only: 0 or CV_ESYNTAX. Ports are 0 to 65535. */
int cv_listener_check(const char *address) CV_MUST_USE;

/* The address it really listens at (the port filled in), for logs. */
const char *cv_listener_address(const struct cv_listener *listener);

/* Stops and frees; NULL is fine. */
void cv_listener_close(struct cv_listener *listener);

#endif
