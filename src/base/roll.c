#include "base/roll.h"

void cv_roll_init(struct cv_roll *roll, unsigned count)
{
    *roll = (struct cv_roll){.present = UINT64_MAX >> (CV_ROLL_MAX - count)};
}

bool cv_roll_call(struct cv_roll *roll)
{
    if (roll->missing)
        return false;
    roll->missing = roll->present;
    return true;
}

bool cv_roll_answer(struct cv_roll *roll, unsigned who)
{
    uint64_t bit = UINT64_C(1) << who;

    if (!(roll->missing & bit))
        return false;
    roll->missing &= ~bit;
    return roll->missing == 0;
}

bool cv_roll_leave(struct cv_roll *roll, unsigned who)
{
    roll->present &= ~(UINT64_C(1) << who);
    return cv_roll_answer(roll, who);
}
