#ifndef CV_NET_LINK_H
#define CV_NET_LINK_H

#include "net/ending.h"
#include "session/session.h"

/* A session on a WebSocket, without the socket: bytes in, bytes out. The simulator runs it as the
 * programs do.
 *
 * Output is laid into one buffer that exists only while something waits. Frames follow each other
 * without gaps, so that one send carries many; payload is read from its source to its final place,
 * and masked there. */
struct cv_link;

/* What one send carries: whole segments of loopback's MTU, 65,483 bytes, since a tail packet behind
 * them costs more than half of the throughput. One segment, so that what is urgent waits for
 * little; up to four while the socket takes them at once, for then nothing waits, and a system
 * call, an acknowledgement and a wake of the other end serve four times the bytes. */
#define CV_LINK_SEGMENT ((size_t)65483)

/* Four records of TLS 1.3, 22 bytes longer each, make a segment. */
#define CV_LINK_SEND_MIN (CV_LINK_SEGMENT - 4 * 22)
#define CV_LINK_SEND_MAX (4 * CV_LINK_SEND_MIN)

/* The most that an output buffer takes, but for a list that needs more; or one of records. */
#define CV_LINK_BUFFER (4 * CV_LINK_SEGMENT + CV_WS_HEAD_MAX + CV_WS_CONTROL_MAX)

/* One tunnel message may be that long; a reference server sends whatever its application wrote at
 * once. Nothing of it is collected, so this bounds no memory. */
#define CV_LINK_MESSAGE_MAX (UINT64_C(1) << 30)

/* Takes the session on success. @alloc, @buffers (for output: up to CV_LINK_BUFFER bytes that come
 * and go) and @random are borrowed for the link's life. Returns 0 or -ENOMEM. */
int cv_link_new(struct cv_link **out, struct cv_session *session, const struct cv_alloc *alloc,
                const struct cv_alloc *buffers, const struct cv_random *random) CV_MUST_USE;
void cv_link_free(struct cv_link *link);

/* Borrowed. Poll its events after each cv_link_recv() and cv_link_tick(). */
struct cv_session *cv_link_session(struct cv_link *link);

/* Reads up to one piece of a message; returns the bytes it took (> 0 for @len > 0): poll the
 * events, then feed the rest. Payload is unmasked where it lies.
 *
 * After an error a close frame is queued: flush and close.
 * CV_ECLOSED  the other end closed in order
 * CV_EPROTO   it broke the protocol (and CV_EUTF8, CV_ETOOLONG)
 * -ENOMEM */
int cv_link_recv(struct cv_link *link, uint8_t *data, size_t len, uint64_t now) CV_MUST_USE;

/* How many bytes that come next are payload of Data that may go to the sink by themselves, without
 * being fed, and in *@user whose; 0: none. */
size_t cv_link_passing(struct cv_link *link, void **user);

/* The first @len (> 0) of these did. Poll the events. */
void cv_link_passed(struct cv_link *link, size_t len, uint64_t now);

/* The length of all that stands before the payload, where a Data frame begins at @data, the bytes
 * that come next, and has at least @payload bytes of it, unmasked; else 0. Nothing is fed. */
size_t cv_link_data_head(const struct cv_link *link, uint8_t *data, size_t len, size_t payload);

/* A turn of a connection: up to @max bytes from its source go to @into, or, where they are not
 * masked, aside. */
struct cv_link_turn {
    int64_t conn_id;
    void *user;
    uint8_t *into;
    size_t max;
    bool may_aside;
};

/* Lays down what waits until a connection has its turn (1), or until nothing more waits or fits
 * (0). After 1 answer with cv_link_laid(), or tell the session why there is nothing (not ready,
 * finish, abort). -ENOMEM  no buffer: try again later */
int cv_link_fill(struct cv_link *link, uint64_t now, struct cv_link_turn *turn) CV_MUST_USE;

/* @len (> 0) bytes were read to the turn's place. */
void cv_link_laid(struct cv_link *link, size_t len, uint64_t now);

/* @len (> 0) bytes were read, and the caller keeps them aside: their head alone is laid down, and
 * they are to be sent behind it. Only where `may_aside` is set. Until they are sent nothing more is
 * laid down but a close frame, which comes behind them. */
void cv_link_laid_aside(struct cv_link *link, size_t len, uint64_t now);

/* What is to be sent; returns its length, 0 when nothing. Borrowed until the link is used again. */
size_t cv_link_output(const struct cv_link *link, const uint8_t **data);

/* Bytes aside that are to be sent behind that, and before any other output. */
size_t cv_link_aside(const struct cv_link *link);

/* With no output before them, the first @len of these were sent. */
void cv_link_aside_sent(struct cv_link *link, size_t len);

/* The first @len bytes of the output were sent. */
void cv_link_sent(struct cv_link *link, size_t len);

/* The socket took no more: the next sends carry less. */
void cv_link_blocked(struct cv_link *link);

/* Queues a close frame, behind which nothing follows. A second one is ignored. */
void cv_link_close(struct cv_link *link, enum cv_ending ending);

/* A close frame was queued and everything is sent: the socket may go. */
bool cv_link_done(const struct cv_link *link);

/* Whether cv_link_fill() or cv_link_output() would have something. */
bool cv_link_pending(const struct cv_link *link);

/* The code and reason that the other end closed with; 0 while it has not. @reason may be NULL. */
uint16_t cv_link_peer_close(const struct cv_link *link, const char **reason);

/* The session's, see there; on CV_EDEAD a close frame is queued. */
uint64_t cv_link_deadline(const struct cv_link *link);
int cv_link_tick(struct cv_link *link, uint64_t now) CV_MUST_USE;

#endif
