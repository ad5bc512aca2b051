#ifndef CV_BASE_DATE_H
#define CV_BASE_DATE_H

#include <stdbool.h>

#include "base/attr.h"

/* Dates as people and HTTP write them, to seconds since 1970 and back, without a time zone. */

/* Days of a month, 1 to 12, of the Gregorian calendar. */
int64_t cv_days_in_month(int64_t year, int64_t month);

/* Days from 1970-01-01 to the given day of the Gregorian calendar, from 1970 on. */
int64_t cv_days_since_epoch(int64_t year, int64_t month, int64_t day);

#define CV_DATE_SIZE 30 /* of an IMF-fixdate with its NUL */

/* Writes `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7). @when is 1970 to 9999. */
void cv_date_write(char out[CV_DATE_SIZE], int64_t when);

/* Reads one, with GMT or UTC behind it; false for anything else. The name of the day is not
 * compared with the date. */
bool cv_date_read(int64_t *when, const char *text, size_t len) CV_MUST_USE;

#endif
