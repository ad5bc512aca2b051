#include "http/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int cv_open_beneath(int root_fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int tries = 0;
    long fd;

    if (!(flags & O_PATH)) /* which openat2 does not let stand beside these */
        how.flags |= O_NOCTTY | O_NONBLOCK;
    do /* EAGAIN: something was renamed meanwhile, so the kernel could not vouch for the path */
        fd = syscall(SYS_openat2, root_fd, *path ? path : ".", &how, sizeof(how));
    while (fd < 0 && (errno == EINTR || errno == EAGAIN) && ++tries < 8);
    return fd < 0 ? -errno : (int)fd;
}
