#ifndef CV_NET_STREAM_H
#define CV_NET_STREAM_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/loop.h"

/* A non-blocking stream of bytes on the loop: a plain socket, TLS over a socket (OpenSSL), or a
 * connection through a proxy that is spoken to by TLS (libcurl, net/outbound.h). Whoever holds it
 * reads and writes by itself and asks to be woken. */
struct cv_stream;

#define CV_READABLE 1
#define CV_WRITABLE 2
#define CV_HANGUP \
    4 /* the other end sends no more, or is gone: ask cv_stream_error(). Stays, so unwatch it */

#define CV_REST                                                                                   \
    8 /* with CV_READABLE alone: it is enough to look every CV_REST_MS (net/poll.h), many at once \
       */

/* @events is some of those that are watched for; an error shows as all there are, and the next call
 * says which. */
typedef void cv_stream_ready(void *ctx, int events);

/* Takes @fd on success; on failure the caller keeps it. Returns 0 or -ENOMEM. */
int cv_stream_new(struct cv_stream **out, struct cv_loop *loop, int fd) CV_MUST_USE;

/* Whom to wake; to be set before the first cv_stream_watch(). @ctx is borrowed; NULL and NULL unset
 * it and stop. */
void cv_stream_owner(struct cv_stream *stream, cv_stream_ready *ready, void *ctx);

/* Wakes the owner while any of @events holds (level-triggered; also for bytes that TLS holds
 * decrypted); 0 stops, and then errors go unnoticed too. No system call when nothing changes. With
 * TLS the wish may wait for the other direction of the socket; the stream knows. Returns 0, -ENOMEM
 * or another -errno. */
int cv_stream_watch(struct cv_stream *stream, int events) CV_MUST_USE;

/* Up to @len bytes. Reading until it would block saves wakes, with TLS most of all.
 *
 * 0        the other end closed its side in order (with TLS: by close_notify)
 * -EAGAIN  nothing now
 * else     -errno; -ECONNRESET also for TLS cut off without close_notify, -EPROTO for a TLS error
 */
ssize_t cv_stream_recv(struct cv_stream *stream, void *buf, size_t len) CV_MUST_USE;

/* As cv_stream_recv(), but the bytes stay to be received, and CV_READABLE holds for them. Of a
 * plain stream only. */
ssize_t cv_stream_peek(struct cv_stream *stream, void *buf, size_t len) CV_MUST_USE;

/* Sends some of @len bytes; returns how many. After less than all, and after -EAGAIN, the next call
 * must go on with the bytes that were not taken (they may have moved, and more may follow): TLS may
 * hold them already. -EPIPE and the like as -errno; SIGPIPE is never raised. */
ssize_t cv_stream_send(struct cv_stream *stream, const void *buf, size_t len) CV_MUST_USE;

/* Whether bytes can go between the stream and a pipe, as those of a plain one. The next three are
 * for such a stream, on a loop that lends pipes. */
bool cv_stream_pours(const struct cv_stream *stream);

/* Whether @error, of one of the next two, says that this socket has nothing to do with pipes;
 * nothing went either way then. */
bool cv_stream_cannot_pour(ssize_t error);

/* As cv_stream_recv(), but the bytes go to @pipe, an empty one; less than all may mean that the
 * pipe is full. */
ssize_t cv_stream_pour_to(struct cv_stream *stream, int pipe, size_t len) CV_MUST_USE;

/* As cv_stream_send(), of the first @len bytes in @pipe, which holds as many. */
ssize_t cv_stream_pour_from(struct cv_stream *stream, int pipe, size_t len) CV_MUST_USE;

/* As cv_stream_send(); more follows at once, and goes out with it. */
ssize_t cv_stream_send_more(struct cv_stream *stream, const void *buf, size_t len) CV_MUST_USE;

/* Sends TLS's close_notify if possible and FIN, waiting for room by itself; reading goes on,
 * writing does not. Bytes that were not taken are lost, or, with TLS, the first of them may still
 * arrive. */
void cv_stream_shutdown(struct cv_stream *stream);

/* Makes the coming close send RST in place of FIN, so that the other end sees an error. */
void cv_stream_reset(struct cv_stream *stream);

/* The error that the socket has met since it was last asked, as -errno, or 0. */
int cv_stream_error(const struct cv_stream *stream);

/* Whether the other end can hear nothing any more: of a unix socket that it is closed, of TCP that
 * it has reset; an end of TCP says only that no more comes. */
bool cv_stream_gone(const struct cv_stream *stream);

/* Bytes that the kernel has received and nobody has read. */
size_t cv_stream_unread(const struct cv_stream *stream);

/* Bytes in the kernel's send buffer that the other end has not acknowledged. */
size_t cv_stream_unsent(const struct cv_stream *stream);

/* Keeps at most about @bytes in the kernel's send buffer that the network has not taken
 * (TCP_NOTSENT_LOWAT), so that what is more urgent later does not wait behind them. Does nothing to
 * a unix socket. */
void cv_stream_limit_unsent(struct cv_stream *stream, int bytes);

/* Until a visitor has taken CV_STREAM_TRIAL bytes, the kernel holds at most about
 * CV_STREAM_TRIAL_UNSENT that the network has not taken, and its own measure from then on. Who
 * reads slowly, or not at all, would else be given up to the last of net.ipv4.tcp_wmem, 4 MiB; a
 * thousand of them would, and all that passes the tunnel at once, before others. Accepted sockets
 * have it from their listener. */
#define CV_STREAM_TRIAL        ((size_t)1024 * 1024)
#define CV_STREAM_TRIAL_UNSENT (256 * 1024)

/* Closes and frees; the owner hears no more, and may call it from its own `ready`. An end that was
 * not announced by cv_stream_shutdown() is announced now as far as the socket takes it at once.
 * NULL is fine. */
void cv_stream_close(struct cv_stream *stream);

/* Gives a plain stream's socket back, which the loop forgets, and frees the rest; not for TLS. May
 * be called by the owner from its own `ready`. */
int cv_stream_release(struct cv_stream *stream) CV_MUST_USE;

int cv_stream_fd(const struct cv_stream *stream);
bool cv_stream_is_tls(const struct cv_stream *stream);

/* "127.0.0.1:4711", "[::1]:4711" or "unix" of the other end, for logs; never NULL. Whoever asks
 * while the other end is there gets the same answer later. */
const char *cv_stream_peer(struct cv_stream *stream);

/* Names the other end: somebody in between has said who it is. @peer is copied. */
void cv_stream_name_peer(struct cv_stream *stream, const char *peer);

#endif
