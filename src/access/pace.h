#ifndef CV_ACCESS_PACE_H
#define CV_ACCESS_PACE_H

#include "base/attr.h"

/* How fast something may go on: so many a second, CV_PACE_BURST's worth of them at once. */
struct cv_pace {
    uint64_t rate; /* a second; 0: no limit */
    uint64_t due;  /* when the next one would come, were they spread evenly */
};

#define CV_PACE_BURST (50 * CV_MSEC)

/* One more came at @now. Returns for how long the next one should wait, in microseconds; 0: it need
 * not. Who waits so long every time takes `rate` a second, and half a burst at a time. */
uint64_t cv_pace_take(struct cv_pace *pace, uint64_t now);

#endif
