#ifndef CV_ACCESS_QUOTA_H
#define CV_ACCESS_QUOTA_H

#include "access/token.h"
#include "base/alloc.h"

/* How many connections stand at once by each token. They are counted with a limit and without: so
 * one that comes with a reload is about those that stand, too. Only tokens with any are held. */
struct cv_quota;

/* @alloc is borrowed. Returns 0 or -ENOMEM. */
int cv_quota_new(struct cv_quota **out, const struct cv_alloc *alloc) CV_MUST_USE;

/* NULL is fine. */
void cv_quota_free(struct cv_quota *quota);

/* One more connection by the token of @digest, of which there may be @max; 0: as many as like.
 * Returns 0, to be given back with cv_quota_leave(); CV_EQUOTA, or -ENOMEM. */
int cv_quota_enter(struct cv_quota *quota, const uint8_t digest[CV_TOKEN_DIGEST],
                   uint64_t max) CV_MUST_USE;
void cv_quota_leave(struct cv_quota *quota, const uint8_t digest[CV_TOKEN_DIGEST]);

/* Tokens that are held now. */
size_t cv_quota_count(const struct cv_quota *quota);

#endif
