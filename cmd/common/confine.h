#ifndef CMD_COMMON_CONFINE_H
#define CMD_COMMON_CONFINE_H

#include <stddef.h>

#include "base/attr.h"

/* What a daemon gives up once it has all that it needs. */

/* No core dumps, and nobody but root looks into this process (/proc, ptrace): it holds secrets.
 * Called first of all. */
void confine_secrets(void);

/* Who to become. */
struct confine_user {
    char name[256]; /* empty: stays who it is */
    unsigned uid, gid;
};

/* Looks up @user, `NAME` or `NAME:GROUP`; NULL is nobody to become. Returns 0, or -errno and in
 * @error what is wrong: -ENOENT for a name that there is not, -EPERM without the right to change.
 */
int confine_find_user(struct confine_user *out, const char *user, char *error,
                      size_t error_size) CV_MUST_USE;

/* Becomes @user, with that user's groups and none of root's rights, on every thread of the process.
 * Returns 0 or -errno. */
int confine_become(const struct confine_user *user) CV_MUST_USE;

/* From here on no thread makes system calls but those that a daemon needs to serve: no program is
 * started, nothing is traced, mounted or made executable. What nobody needs ends the process
 * (SIGSYS); what a newer libc may try fails with ENOSYS. Returns 0 or -errno. */
int confine_calls(void) CV_MUST_USE;

#endif
