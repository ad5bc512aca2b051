#ifndef CV_NET_SHED_H
#define CV_NET_SHED_H

#include <stddef.h>
#include <stdint.h>

struct cv_loop;

/* Who was turned away without being told why, before it was known what they want; counted by cause,
 * since no log has a line of each. Name, word for counters. */
#define CV_SHED_MAP(X)                                                             \
    X(CV_SHED_FULL, "full")         /* too many wait already: it, or the oldest */ \
    X(CV_SHED_FILES, "files")       /* no descriptor was left */                   \
    X(CV_SHED_SILENT, "silent")     /* it has not said what it must in time */     \
    X(CV_SHED_PROTOCOL, "protocol") /* it said something else */                   \
    X(CV_SHED_OTHER, "other")       /* memory, the system */

enum cv_shed {
#define X(name, word) name,
    CV_SHED_MAP(X)
#undef X
        CV_SHED_COUNT
};

const char *cv_shed_name(enum cv_shed cause);

/* Counts one in the loop's `shed`. @error is why, as an error code. */
void cv_shed(struct cv_loop *loop, int error);

#endif
