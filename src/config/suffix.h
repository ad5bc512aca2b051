#ifndef CV_CONFIG_SUFFIX_H
#define CV_CONFIG_SUFFIX_H

#include "config/options.h"

/* What may stand behind a value that listens, `VALUE,proxy-protocol,send-proxy=v2`, in any order.
 * In the file such an item may also be a mapping, whose keys these then are. */

struct cv_suffixes {
    bool proxy_protocol; /* whoever connects says first for whom, by the PROXY protocol */
    unsigned send_proxy; /* 1 or 2: the version of that protocol in which the target is told who
                            came; 0: it is not told */
};

bool cv_suffix_known(const char *name);

/* Cuts them off @value. CV_ESYNTAX: see @taking. */
int cv_suffixes_take(struct cv_suffixes *out, struct cv_taking *taking, char *value) CV_MUST_USE;

#endif
