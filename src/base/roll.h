#ifndef CV_BASE_ROLL_H
#define CV_BASE_ROLL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* A roll call of up to CV_ROLL_MAX who are told apart by their number: whether everybody has
 * answered since they were asked last. */
#define CV_ROLL_MAX 64

struct cv_roll {
    uint64_t present; /* a bit each */
    uint64_t missing; /* of those who were asked and have not answered */
};

/* @count are present. */
void cv_roll_init(struct cv_roll *roll, unsigned count);

/* Asks everybody. False when somebody has not answered the last time yet: nobody is asked then, so
 * that no late answer is taken for a new one. */
bool cv_roll_call(struct cv_roll *roll) CV_MUST_USE;

/* @who has answered. Whether with that nobody is missing any more. */
bool cv_roll_answer(struct cv_roll *roll, unsigned who) CV_MUST_USE;

/* @who is gone, and is not waited for. Result as of cv_roll_answer(). */
bool cv_roll_leave(struct cv_roll *roll, unsigned who) CV_MUST_USE;

#endif
