#ifndef CULVERT_AGENT_H
#define CULVERT_AGENT_H

#include <uv.h>

#include <culvert/connection.h>
#include <culvert/error.h>
#include <culvert/log.h>
#include <culvert/remote.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An agent: keeps a session with each server that it is told of, for ever, and answers what is
 * dialled through it. A target is answered by a handler of this program, or dialled where a pattern
 * allows it; everything else is refused. At first there is neither. */
struct cv_agent;

struct cv_agent_options {
    size_t size;                 /* sizeof(struct cv_agent_options) */
    const char *id;              /* the client key that servers know it by */
    enum cv_log_level log_level; /* lines above it are not made */
    cv_log_write *log;           /* NULL: nothing is logged */
    void *data;                  /* borrowed; for `log`, and cv_agent_data() */

    /* A session with the server at @url stands, or was lost, or was not to be had: @error and @text
     * say why. It is tried again: within half a second at first, later after at most 30 s, after a
     * refusal (CV_EDENIED) after at most 5 min. NULL: not wanted. Strings are borrowed for the
     * call. */
    void (*on_up)(struct cv_agent *agent, const char *url);
    void (*on_down)(struct cv_agent *agent, const char *url, int error, const char *text);
};

/* @loop is borrowed until the agent has closed.
 *
 * -EINVAL     no id, or a struct of another size
 * CV_EBADKEY  the id is no client key
 * -ENOMEM, libuv's code
 *
 * After a failure too the loop is to run once more before it is closed. */
CV_API int cv_agent_new(struct cv_agent **out, uv_loop_t *loop,
                        const struct cv_agent_options *options);

/* Keeps a session with one more server.
 *
 * CV_ESYNTAX  a field of @server cannot be used: the log says which and why
 * -EINVAL, -ENOMEM */
CV_API int cv_agent_connect(struct cv_agent *agent, const struct cv_remote *server);

/* Lets servers dial what @pattern says, from this machine: `HOST:PORT`, `CIDR:PORT`, `*:PORT`,
 * `HOST:*`, ports `8000-8100`, `udp/` in front, or `unix/PATH`. Link-local addresses and those of
 * cloud metadata only when they are named exactly.
 *
 * CV_ESYNTAX  not a pattern: the log says why
 * -ENOMEM */
CV_API int cv_agent_allow(struct cv_agent *agent, const char *pattern);

/* Somebody dials a target that has a handler. The connection is refused, unless the handler takes
 * it by cv_connection_accept(). @data is as for cv_agent_handle(). */
typedef void cv_agent_handler(struct cv_connection *connection, void *data);

/* Has @handler answer for @target, `HOST:PORT`: a name of the program's own choice, which is not
 * looked up. It goes before patterns. @data is borrowed.
 *
 * CV_ESYNTAX   not HOST:PORT
 * -EEXIST      it has a handler
 * -ENOMEM */
CV_API int cv_agent_handle(struct cv_agent *agent, const char *target, cv_agent_handler *handler,
                           void *data);

CV_API void *cv_agent_data(const struct cv_agent *agent);

/* Ends all connections, tells the servers, and frees the agent; it takes about a second at most, or
 * as long as a name is being looked up.
 * @closed (may be NULL) is called when nothing of it is on the loop any more; the agent must not be
 * used after its return, and by nothing but cv_agent_data() from this call on. */
CV_API void cv_agent_close(struct cv_agent *agent, void (*closed)(struct cv_agent *agent));

#ifdef __cplusplus
}
#endif

#endif
