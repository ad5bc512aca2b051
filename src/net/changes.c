#include "net/changes.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* A file that others write to all the time, such as a log in the same folder, wakes nobody: what is
 * written in place counts when it is closed. */
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB)

/* What tells one state of a file from another; all zero for one that is not there. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

struct file {
    char path[PATH_MAX];
    struct mark mark;
};

struct cv_changes {
    struct cv_loop *loop; /* borrowed */
    cv_changed *changed;
    void *ctx; /* borrowed */
    uv_timer_t quiet;
    uv_poll_t poll;
    int fd; /* of inotify */
    size_t count;
    int handles; /* not yet closed; the memory goes with the last one */
    struct file files[];
};

static struct mark look(const char *path)
{
    struct mark mark;
    struct stat status;

    memset(&mark, 0, sizeof(mark)); /* it is compared as bytes */
    if (stat(path, &status) < 0)
        return mark;
    mark.device = status.st_dev;
    mark.inode = status.st_ino;
    mark.size = status.st_size;
    mark.written = status.st_mtim;
    mark.changed = status.st_ctim;
    return mark;
}

static bool look_again(struct file *file)
{
    struct mark now = look(file->path);

    if (memcmp(&now, &file->mark, sizeof(now)) == 0)
        return false;
    memcpy(&file->mark, &now, sizeof(now));
    return true;
}

static void on_quiet(uv_timer_t *timer)
{
    struct cv_changes *changes = timer->data;
    bool changed = false;

    for (size_t i = 0; i < changes->count; i++)
        changed = look_again(&changes->files[i]) || changed;
    if (changed)
        changes->changed(changes->ctx);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    struct cv_changes *changes = poll->data;
    char buf[4096];

    (void)status, (void)events;
    while (read(changes->fd, buf, sizeof(buf)) > 0)
        continue; /* what it was is looked at later: names of links say little */
    uv_timer_start(&changes->quiet, on_quiet, CV_CHANGES_QUIET, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct cv_changes *changes = handle->data;

    if (--changes->handles > 0)
        return;
    close(changes->fd);
    cv_free(&changes->loop->alloc, changes);
}

/* The folder of @path, as text of its own. */
static void folder_of(char out[PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        snprintf(out, PATH_MAX, ".");
    else
        snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int add(struct cv_changes *changes, const char *path)
{
    struct file *file = &changes->files[changes->count];
    char folder[PATH_MAX];

    if ((size_t)snprintf(file->path, sizeof(file->path), "%s", path) >= sizeof(file->path))
        return -ENAMETOOLONG;
    folder_of(folder, path);
    if (inotify_add_watch(changes->fd, folder, EVENTS) < 0)
        return -errno;
    changes->count++;
    (void)look_again(file); /* after the watch: nothing is missed between the two */
    return 0;
}

/* Returns 0, or an error and nothing is open. */
static int open_watch(struct cv_changes *changes)
{
    uv_loop_t *uv = changes->loop->uv;
    int rc;

    changes->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (changes->fd < 0)
        return -errno;
    rc = uv_poll_init(uv, &changes->poll, changes->fd);
    if (rc < 0) {
        close(changes->fd);
        return rc;
    }
    uv_timer_init(uv, &changes->quiet);
    changes->quiet.data = changes->poll.data = changes;
    changes->handles = 2;
    uv_unref((uv_handle_t *)&changes->quiet);
    uv_unref((uv_handle_t *)&changes->poll);
    return 0;
}

int cv_changes_new(struct cv_changes **out, struct cv_loop *loop, const char *const *files,
                   size_t count, cv_changed *changed, void *ctx)
{
    struct cv_changes *changes;
    int rc = 0;

    if (count > CV_CHANGES_MAX)
        return CV_EFULL;
    changes = cv_alloc_zero(&loop->alloc, sizeof(*changes) + count * sizeof(struct file));
    if (!changes)
        return -ENOMEM;
    changes->loop = loop;
    changes->changed = changed;
    changes->ctx = ctx;
    rc = open_watch(changes);
    if (rc < 0) {
        cv_free(&loop->alloc, changes);
        return rc;
    }
    for (size_t i = 0; i < count && rc == 0; i++)
        if (files[i])
            rc = add(changes, files[i]);
    if (rc == 0)
        rc = uv_poll_start(&changes->poll, UV_READABLE, on_event);
    if (rc < 0) {
        cv_changes_free(changes);
        return rc;
    }
    *out = changes;
    return 0;
}

void cv_changes_free(struct cv_changes *changes)
{
    if (!changes)
        return;
    uv_close((uv_handle_t *)&changes->poll, on_closed);
    uv_close((uv_handle_t *)&changes->quiet, on_closed);
}
