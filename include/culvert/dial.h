#ifndef CULVERT_DIAL_H
#define CULVERT_DIAL_H

#include <uv.h>

#include <culvert/connection.h>
#include <culvert/error.h>
#include <culvert/log.h>
#include <culvert/remote.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A dialler: a visitor's session with a server, over which targets of that server's clients are
 * dialled. The token is a visitor's; what may be dialled with it is the server's to say. */
struct cv_dialler;

struct cv_dialler_options {
    size_t size;                 /* sizeof(struct cv_dialler_options) */
    const char *name;            /* what the server's log calls us; NULL: `libculvert` */
    enum cv_log_level log_level; /* lines above it are not made */
    cv_log_write *log;           /* NULL: nothing is logged */
    void *data;                  /* borrowed; for `log`, and cv_dialler_data() */

    /* The session stands, or was lost, or was not to be had; it is tried again: see struct
     * cv_agent_options. NULL: not wanted. @text is borrowed for the call. */
    void (*on_up)(struct cv_dialler *dialler);
    void (*on_down)(struct cv_dialler *dialler, int error, const char *text);
};

/* Begins a session with @server, and another one whenever it is lost. @options NULL: all of them
 * are zero. @loop is borrowed until the dialler has closed.
 *
 * CV_ESYNTAX  a field of @server cannot be used: the log says which and why
 * CV_EBADKEY  the name has other bytes than a client key may have
 * -EINVAL     a struct of another size
 * -ENOMEM, libuv's code
 *
 * After a failure too the loop is to run once more before it is closed. */
CV_API int cv_dialler_new(struct cv_dialler **out, uv_loop_t *loop, const struct cv_remote *server,
                          const struct cv_dialler_options *options);

/* Dials @target, `CLIENT/HOST:PORT` or `CLIENT/unix/PATH`. While there is no session it waits for
 * the one that is being tried; when that fails so does the dial. @out (may be NULL) is the
 * connection, @data is borrowed.
 *
 * CV_ESYNTAX   not a target of that form; datagrams (`udp/`) have none
 * CV_EBADKEY   CLIENT is no client key
 * CV_ETOOLONG  over 266 bytes
 * -EINVAL      @callbacks is NULL, or its size is wrong
 * CV_ECLOSED   the dialler closes
 * -ENOMEM */
CV_API int cv_dial(struct cv_connection **out, struct cv_dialler *dialler, const char *target,
                   const struct cv_connection_callbacks *callbacks, void *data);

CV_API void *cv_dialler_data(const struct cv_dialler *dialler);

/* As cv_agent_close(). */
CV_API void cv_dialler_close(struct cv_dialler *dialler,
                             void (*closed)(struct cv_dialler *dialler));

#ifdef __cplusplus
}
#endif

#endif
