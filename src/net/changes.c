#include "net/changes.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"

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
    uv_fs_event_t folder;
};

struct cv_changes {
    struct cv_loop *loop; /* borrowed */
    cv_changed *changed;
    void *ctx; /* borrowed */
    uv_timer_t quiet;
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

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct cv_changes *changes = handle->data;

    (void)name, (void)events, (void)status;
    uv_timer_start(&changes->quiet, on_quiet, CV_CHANGES_QUIET, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct cv_changes *changes = handle->data;

    if (--changes->handles == 0)
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
    int rc;

    if ((size_t)snprintf(file->path, sizeof(file->path), "%s", path) >= sizeof(file->path))
        return -ENAMETOOLONG;
    folder_of(folder, path);
    rc = uv_fs_event_init(&changes->loop->uv, &file->folder);
    if (rc < 0)
        return rc;
    file->folder.data = changes;
    changes->handles++;
    changes->count++;
    rc = uv_fs_event_start(&file->folder, on_event, folder, 0);
    uv_unref((uv_handle_t *)&file->folder);
    (void)look_again(file); /* after the watch: nothing is missed between the two */
    return rc;
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
    uv_timer_init(&loop->uv, &changes->quiet);
    uv_unref((uv_handle_t *)&changes->quiet);
    changes->quiet.data = changes;
    changes->handles = 1;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (files[i])
            rc = add(changes, files[i]);
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
    for (size_t i = 0; i < changes->count; i++)
        uv_close((uv_handle_t *)&changes->files[i].folder, on_closed);
    uv_close((uv_handle_t *)&changes->quiet, on_closed);
}
