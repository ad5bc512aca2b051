#include "access/pace.h"

uint64_t cv_pace_take(struct cv_pace *pace, uint64_t now)
{
    if (pace->rate == 0)
        return 0;
    pace->due = (pace->due > now ? pace->due : now) + CV_SEC / pace->rate;
    return pace->due - now > CV_PACE_BURST ? pace->due - now - CV_PACE_BURST / 2 : 0;
}
