#ifndef CV_NET_NOTIFY_H
#define CV_NET_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/attr.h"

/* Sends state to a service manager as sd_notify(3) describes, whose manual page recommends the few
 * lines over a dependency: libsystemd adds 1.2 MB to a process. */
struct cv_notify {
    int fd; /* owned */
    struct sockaddr_un to;
    socklen_t len;
};

/* @where is what $NOTIFY_SOCKET says: a path, or with `@` first an abstract name. Returns 0,
 * CV_ESYNTAX when it is neither, or -errno. */
int cv_notify_open(struct cv_notify *notify, const char *where) CV_MUST_USE;

/* One message: lines NAME=VALUE. Waits for a moment while the manager's queue is full. Returns 0
 * or -errno. */
int cv_notify_send(const struct cv_notify *notify, const char *lines);

void cv_notify_close(struct cv_notify *notify);

#endif
