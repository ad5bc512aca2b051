#ifndef CMD_SERVER_WEB_H
#define CMD_SERVER_WEB_H

#include "base/attr.h"

struct worker;

/* The HTTP door of a worker: its targets are dialled as any visitor's are. */

/* Returns 0 or a negative code. */
int web_open(struct worker *worker) CV_MUST_USE;

#endif
