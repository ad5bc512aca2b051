#ifndef CV_HTTP_BENEATH_H
#define CV_HTTP_BENEATH_H

#include "base/attr.h"

/* Opens @path beneath the folder @root_fd (empty: that folder itself), and nothing outside it:
 * links are followed as long as they stay inside, absolute ones and those of /proc are not.
 * Close-on-exec, and never waits for a FIFO. Returns a descriptor or -errno; -EXDEV for a path that
 * leads out. Needs openat2(), Linux 5.6. */
int cv_open_beneath(int root_fd, const char *path, int flags) CV_MUST_USE;

#endif
