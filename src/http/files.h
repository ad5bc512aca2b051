#ifndef CV_HTTP_FILES_H
#define CV_HTTP_FILES_H

#include "net/loop.h"

/* The agent's built-in file service: one folder, read-only, over HTTP/1.1 on sockets that are
 * handed in. GET and HEAD, keep-alive, one range a request, folders as pages. Nothing outside the
 * folder can be reached, whatever links lie in it; names that begin with a dot do not exist. Files
 * are sent by sendfile(), so a transfer holds no memory; a file that is not in the page cache makes
 * the loop wait for the disk. */
struct cv_files;

#define CV_FILES_CONNS_MAX 1024 /* connections at a time */

#define CV_FILES_HEAD_WAIT (10 * CV_SEC) /* from the first byte of a request head to its last */
#define CV_FILES_IDLE_WAIT \
    (60 * CV_SEC) /* between two requests, and without any progress in an answer */
#define CV_FILES_DRAIN_WAIT (2 * CV_SEC) /* for the other end to close after our last answer */

/* @root_dir must be a folder; it stays open, so renaming it later changes nothing. @loop is
 * borrowed. Returns 0, -ENOMEM, or -errno of opening it (-ENOTDIR, -ENOENT, -EACCES ...). */
int cv_files_new(struct cv_files **out, struct cv_loop *loop, const char *root_dir) CV_MUST_USE;

/* Serves a connected stream socket, TCP or one end of a socketpair. @fd is the service's on
 * success; on failure the caller keeps it.
 *
 * CV_EFULL  CV_FILES_CONNS_MAX are open
 * -ENOMEM or libuv's code */
int cv_files_serve(struct cv_files *files, int fd) CV_MUST_USE;

/* Other times to wait, in microseconds: for tests. */
void cv_files_set_waits(struct cv_files *files, uint64_t head, uint64_t idle, uint64_t drain);

/* Connections open now. */
size_t cv_files_count(const struct cv_files *files);

/* Closes everything. NULL is fine. */
void cv_files_free(struct cv_files *files);

#endif
