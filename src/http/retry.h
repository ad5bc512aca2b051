#ifndef CV_HTTP_RETRY_H
#define CV_HTTP_RETRY_H

#include <stdbool.h>

#include "base/random.h"

/* Waits between two tries, in microseconds. The first try after a loss comes within CV_RETRY_FIRST;
 * then full jitter below a bound that doubles. */
#define CV_RETRY_FIRST (500 * CV_MSEC)
#define CV_RETRY_MAX   (30 * CV_SEC)
#define CV_RETRY_DENIED_MAX                                              \
    (300 * CV_SEC) /* after 401 or 403: nobody is helped by asking often \
                    */
#define CV_RETRY_RESET \
    (60 * CV_SEC) /* a session that lasted so long starts anew at CV_RETRY_FIRST */

/* The wait before try number @tries (from 1) since the last session that lasted: uniform in [0,
 * bound). */
uint64_t cv_retry_delay(const struct cv_random *random, unsigned tries, bool denied);

#endif
