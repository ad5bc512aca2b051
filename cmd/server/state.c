#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME      "ssdp"
#define TEMPORARY "ssdp.new"
#define LOCK      "ssdp.lock"

const char *state_default_dir(void)
{
    const char *dir = getenv("STATE_DIRECTORY"); /* systemd.exec(5) */

    return dir && *dir ? dir : "/var/lib/culvert";
}

static int lock_dir(struct state *state, const char *path)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    state->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state->dir < 0)
        return -errno;
    state->lock = openat(state->dir, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (state->lock < 0)
        return -errno;
    return flock(state->lock, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

/* `UUID BOOTID`: false when there is no such line, as in a directory that is new. */
static bool read_line(struct state *state)
{
    char line[64] = "", uuid[CV_SSDP_UUID_LEN + 2];
    unsigned boot;
    int fd = openat(state->dir, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

    if (fd >= 0)
        close(fd);
    if (n <= 0 || sscanf(line, "%37s %u", uuid, &boot) != 2 || !cv_ssdp_uuid_valid(uuid))
        return false;
    memcpy(state->uuid, uuid, sizeof(state->uuid));
    state->boot = boot;
    return true;
}

int state_open(struct state *state, const char *path, const uint8_t fresh[16], int64_t wall)
{
    int rc;

    *state = (struct state){.lock = -1, .dir = -1};
    rc = lock_dir(state, path);
    if (rc == 0 && !read_line(state))
        cv_ssdp_uuid_format(state->uuid, fresh);
    if (rc == 0) {
        /* the clock helps when the file was lost; it never goes back behind what was kept */
        state->boot = (state->boot + 1) & 0x7fffffff;
        if (wall > state->boot && wall <= 0x7fffffff)
            state->boot = (uint32_t)wall;
        rc = state_save(state);
    }
    if (rc < 0)
        state_close(state);
    return rc;
}

int state_save(const struct state *state)
{
    char line[64];
    int len = snprintf(line, sizeof(line), "%s %u\n", state->uuid, (unsigned)state->boot);
    int fd =
        openat(state->dir, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (write(fd, line, (size_t)len) != len || fsync(fd) < 0)
        rc = errno ? -errno : -EIO;
    close(fd);
    if (rc == 0 && renameat(state->dir, TEMPORARY, state->dir, NAME) < 0)
        rc = -errno;
    return rc;
}

void state_close(struct state *state)
{
    if (state->lock >= 0)
        close(state->lock);
    if (state->dir >= 0)
        close(state->dir);
    state->lock = state->dir = -1;
}
