#ifndef CV_NET_PASSED_H
#define CV_NET_PASSED_H

#include <stdbool.h>
#include <uv.h>

#include "base/alloc.h"
#include "base/log.h"

/* Sockets that the process was started with, as sd_listen_fds(3) describes it: descriptors from 3
 * on, each with a name. A listener takes the one that its address names (`systemd:NAME`), or the
 * one that is bound where it would bind. */
struct cv_passed;

#define CV_PASSED_FIRST  3
#define CV_PASSED_MAX    256 /* of them */
#define CV_PASSED_NAME   255 /* bytes of a name */
#define CV_PASSED_PREFIX "systemd:"

/* Takes @count descriptors; @names: theirs, divided by colons, or NULL. Returns 0, -ENOMEM, or
 * CV_EFULL for more than CV_PASSED_MAX. */
int cv_passed_new(struct cv_passed **out, const struct cv_alloc *alloc, int64_t count,
                  const char *names) CV_MUST_USE;

/* Whether there is one that listens (@type SOCK_STREAM), or takes datagrams, at @text, an address
 * as of cv_listener_new(); a name in it is looked up, blocking. @passed may be NULL. */
bool cv_passed_has(const struct cv_passed *passed, uv_loop_t *loop, const char *text, int type);

/* The same, and hands it over: the descriptor, or -ENOENT. The first of several, then the next. */
int cv_passed_take(struct cv_passed *passed, uv_loop_t *loop, const char *text,
                   int type) CV_MUST_USE;

/* Closes what nobody has taken, and says so in @log; frees. NULL is fine. */
void cv_passed_close(struct cv_passed *passed, const struct cv_log *log);

#endif
