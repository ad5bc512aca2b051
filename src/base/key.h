#ifndef CV_BASE_KEY_H
#define CV_BASE_KEY_H

#include <stdbool.h>

#include "base/attr.h"

/* A client key names an agent, or a peer: 1 to 79 bytes of [A-Za-z0-9._@=+-]. Longer ones, and any
 * with a slash or a colon, break the routes of a whole mesh of reference servers, so they are
 * refused at the door. 79, because key + '/' + a decimal session key must stay below the 100 bytes
 * of an announcement. */
#define CV_KEY_MAX 79

bool cv_key_valid(const char *key, size_t len);

#endif
