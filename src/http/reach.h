#ifndef CV_HTTP_REACH_H
#define CV_HTTP_REACH_H

#include "config/outward.h"
#include "net/outbound.h"

/* How agents and visitors reach a server, as they were told. */

/* Everything in @out is borrowed. */
void cv_reach_outbound(struct cv_outbound_options *out, const struct cv_outward *outward,
                       const struct cv_url *url);

/* The value of the header Authorization, to be cleared and freed with cv_reach_forget(); *@out is
 * NULL without a token. Returns 0 or -ENOMEM. */
int cv_reach_authorization(char **out, const struct cv_outward *outward) CV_MUST_USE;
void cv_reach_forget(char *authorization);

/* Files of TLS are read at each handshake; what is wrong with their names can be said at once: the
 * first that cannot be read, with errno set, or NULL. */
const char *cv_reach_unreadable(const struct cv_outward *outward);

#endif
