#include "net/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"

/* The loop stands still for so long at most. */
#define PATIENCE_MS 200

int cv_notify_open(struct cv_notify *notify, const char *where)
{
    const struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
    size_t len = strlen(where);

    *notify = (struct cv_notify){.fd = -1, .to = {.sun_family = AF_UNIX}};
    if ((where[0] != '/' && where[0] != '@') || len < 2 || len >= sizeof(notify->to.sun_path))
        return CV_ESYNTAX;
    memcpy(notify->to.sun_path, where, len + 1);
    if (where[0] == '@')
        notify->to.sun_path[0] = '\0'; /* abstract: its length ends it */
    notify->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (where[0] == '/'));
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify->fd < 0)
        return -errno;
    setsockopt(notify->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return 0;
}

int cv_notify_send(const struct cv_notify *notify, const char *lines)
{
    ssize_t n = sendto(notify->fd, lines, strlen(lines), MSG_NOSIGNAL,
                       (const struct sockaddr *)&notify->to, notify->len);

    return n < 0 ? -errno : 0;
}

void cv_notify_close(struct cv_notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}
