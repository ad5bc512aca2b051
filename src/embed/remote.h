#ifndef CV_EMBED_REMOTE_H
#define CV_EMBED_REMOTE_H

#include <culvert/remote.h>

#include "config/outward.h"
#include "http/uplink.h"

/* Makes of what the program said what an uplink needs. */

/* Fills in where @out leads to and what it says of us, all of it in @arena; @log hears what cannot
 * be used.
 *
 * CV_ESYNTAX  a field cannot be used
 * CV_EFULL    too many headers
 * -EINVAL, -E2BIG, -ENOMEM */
int cv_remote_read(struct cv_uplink_config *out, struct cv_arena *arena, const struct cv_log *log,
                   const struct cv_remote *remote) CV_MUST_USE;

/* A copy of @text, or NULL of NULL; false without memory. */
bool cv_remote_keep(const char **out, struct cv_arena *arena, const char *text) CV_MUST_USE;

#endif
