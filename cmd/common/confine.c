#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void confine_secrets(void)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) < 0)
        perror("core dumps");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        perror("core dumps");
}

/* The user. */

static int refuse(char *error, size_t size, const char *what, const char *name, int code)
{
    snprintf(error, size, "%s %s: %s", what, name,
             code == ENOENT ? "there is none of that name" : strerrordesc_np(code));
    return -code;
}

static int find_group(struct confine_user *out, const char *name, char *error, size_t error_size)
{
    const struct group *group;

    errno = 0;
    group = getgrnam(name);
    if (!group)
        return refuse(error, error_size, "group", name, errno ? errno : ENOENT);
    out->gid = group->gr_gid;
    return 0;
}

static bool may_become(const struct confine_user *user)
{
    return geteuid() == 0 || (user->uid == geteuid() && user->gid == getegid());
}

int confine_find_user(struct confine_user *out, const char *user, char *error, size_t error_size)
{
    const char *colon = user ? strchr(user, ':') : NULL;
    const struct passwd *entry;
    size_t len;

    *out = (struct confine_user){.name = ""};
    if (!user)
        return 0;
    len = colon ? (size_t)(colon - user) : strlen(user);
    if (len == 0 || len >= sizeof(out->name))
        return refuse(error, error_size, "user", user, ENOENT);
    memcpy(out->name, user, len);
    errno = 0;
    entry = getpwnam(out->name);
    if (!entry)
        return refuse(error, error_size, "user", out->name, errno ? errno : ENOENT);
    out->uid = entry->pw_uid;
    out->gid = entry->pw_gid;
    if (colon) {
        int rc = find_group(out, colon + 1, error, error_size);

        if (rc < 0)
            return rc;
    }
    return may_become(out) ? 0 : refuse(error, error_size, "user", user, EPERM);
}

int confine_become(const struct confine_user *user)
{
    if (!user->name[0] || geteuid() != 0)
        return 0;
    if (initgroups(user->name, user->gid) < 0 || setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return -errno;
    if (user->uid != 0 && setuid(0) == 0) /* never seen, and not to be gone on from */
        abort();
    confine_secrets(); /* the change undid it */
    return 0;
}

/* The system calls. */

/* Made when building, by calls.c. */
static const struct sock_filter calls[] = {
#include "calls.inc"
};

int confine_calls(void)
{
    const struct sock_fprog program = {
        .len = sizeof(calls) / sizeof(calls[0]),
        .filter = (struct sock_filter *)calls,
    };
    /* On all threads, and without what older kernels slow a filtered process down by. */
    const unsigned how = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    long rc;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, how, &program);
    if (rc < 0)
        return -errno;
    return rc == 0 ? 0 : -ESRCH; /* a thread that could not be had */
}
