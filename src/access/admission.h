#ifndef CV_ACCESS_ADMISSION_H
#define CV_ACCESS_ADMISSION_H

#include "access/ip.h"
#include "base/alloc.h"

/* How many connections one address may have open, and how many it may open in a second. An IPv6
 * address stands for its /64, which one customer has. Loopback is not counted: what comes from
 * there is a proxy of the operator's, or the operator. */
struct cv_admission;

/* Addresses that are remembered. One more, and the one that was idle for longest is forgotten; when
 * none is idle, the new one is let in uncounted: the limits for all addresses together remain. */
#define CV_ADMISSION_MAX 65536

/* @alloc is borrowed. 0 of a limit is none. A burst of a second's worth is let through at once.
 * Returns 0 or -ENOMEM. */
int cv_admission_new(struct cv_admission **out, const struct cv_alloc *alloc, uint64_t max_open,
                     uint64_t per_second) CV_MUST_USE;

/* NULL is fine. */
void cv_admission_free(struct cv_admission *admission);

/* Lets one more connection of @address in at @now, microseconds of one clock. Returns 0, to be
 * given back with cv_admission_leave(), or CV_EFULL: too many, or too fast. */
int cv_admission_enter(struct cv_admission *admission, const struct cv_ip *address,
                       uint64_t now) CV_MUST_USE;
void cv_admission_leave(struct cv_admission *admission, const struct cv_ip *address);

/* Addresses that are remembered now. */
size_t cv_admission_count(const struct cv_admission *admission);

#endif
