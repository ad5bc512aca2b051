#ifndef CULVERT_CONNECTION_H
#define CULVERT_CONNECTION_H

#include <stddef.h>
#include <sys/types.h>

#include <culvert/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A connection through a tunnel, as a stream of bytes with two directions that end apart.
 *
 * It comes from cv_dial(), cv_server_dial(), or a handler of an agent. It belongs to the library
 * and lives until on_close has returned, which is called exactly once whatever happens; nothing is
 * called after it.
 *
 *   ours     the direction that cv_connection_write() fills and cv_connection_shutdown() ends
 *   theirs   the direction that on_read empties and on_end ends */
struct cv_connection;

/* Each may be NULL. */
struct cv_connection_callbacks {
    size_t size; /* sizeof(struct cv_connection_callbacks) */

    /* A dial is through: the target has answered. Writing is fine before. (Through an agent that
     * cannot say so, as those of rancher/remotedialer: it was asked to dial.) */
    void (*on_open)(struct cv_connection *connection);

    /* @len (> 0) bytes came; borrowed for the call. NULL: they are dropped. */
    void (*on_read)(struct cv_connection *connection, const void *data, size_t len);

    /* Theirs ended in order; all of it was read. NULL: ours ends too, behind what was written. */
    void (*on_end)(struct cv_connection *connection);

    /* After a write that was not taken whole: there is room again. */
    void (*on_writable)(struct cv_connection *connection);

    /* The end. @error is 0 when both directions ended in order; else
     *
     *   CV_EREMOTE  the other end says what went wrong, in @text: it may not be dialled, a target
     *               that refuses, a reset
     *   CV_ELOST    the session that carried it ended
     *   -ECANCELED  cv_connection_abort(), or what it belongs to closes
     *
     * or another code: that of a session which could not be had (CV_EDENIED, -ECONNREFUSED and the
     * like), for a dial that waited for it. @text is one line for people, borrowed for the call;
     * never NULL. */
    void (*on_close)(struct cv_connection *connection, int error, const char *text);
};

/* Bytes that a connection takes before they have gone out. */
#define CV_CONNECTION_BUFFER 262144

/* Writes the first of @len bytes, which are copied; returns how many. After less than all,
 * on_writable is called when there is room for more.
 *
 * -EPIPE   ours has ended
 * -ENOMEM */
CV_API ssize_t cv_connection_write(struct cv_connection *connection, const void *data, size_t len);

/* Ends ours, behind what was written; theirs goes on. Twice is fine. */
CV_API void cv_connection_shutdown(struct cv_connection *connection);

/* No on_read until cv_connection_resume(): the other end is slowed down in time, and at most a
 * window's bytes (16 MiB) are held here. */
CV_API void cv_connection_pause(struct cv_connection *connection);
CV_API void cv_connection_resume(struct cv_connection *connection);

/* Ends ours as cv_connection_shutdown() does, and drops what theirs still says. Of the callbacks
 * only on_close is called any more. */
CV_API void cv_connection_close(struct cv_connection *connection);

/* Ends both at once; what has not gone out is lost. The other end sees an error, and @text (at
 * most 100 bytes; NULL: none) goes into the server's log. Of the callbacks only on_close is called
 * any more. */
CV_API void cv_connection_abort(struct cv_connection *connection, const char *text);

/* For a handler of an agent, within its call: takes the connection that is offered. @data is
 * borrowed. -EINVAL: @callbacks->size is wrong. */
CV_API int cv_connection_accept(struct cv_connection *connection,
                                const struct cv_connection_callbacks *callbacks, void *data);

/* The @data that it was made with, or what was set since. */
CV_API void *cv_connection_data(const struct cv_connection *connection);
CV_API void cv_connection_set_data(struct cv_connection *connection, void *data);

/* What was dialled: `CLIENT/HOST:PORT` or `CLIENT/unix/PATH`; at an agent's handler without the
 * client. Lives as long as the connection. */
CV_API const char *cv_connection_target(const struct cv_connection *connection);

#ifdef __cplusplus
}
#endif

#endif
