#ifndef CMD_SERVER_ADMIT_H
#define CMD_SERVER_ADMIT_H

#include "worker.h"

/* What one address may do: --max-conns-per-address and --max-rate-per-address, over all ways in and
 * all workers. @peer is as listeners give it, `192.0.2.1:4711` or `[2001:db8::1]:4711`; what is no
 * address, a unix socket's, is let in. */

/* Whether one more of @peer may come in; a refusal is logged, within bounds. What was let in is
 * given back with admit_leave(), by any worker. */
bool admit_enter(struct worker *worker, const char *peer) CV_MUST_USE;
void admit_leave(struct worker *worker, const char *peer);

/* What one visitor's token may do: `max-conns=` of its line, over all ways in and all workers.
 * Takes a place for one more connection, which any worker gives back with admit_leave_token().
 * Returns 0, CV_EQUOTA or -ENOMEM. */
int admit_token(struct worker *worker, const uint8_t digest[CV_TOKEN_DIGEST]) CV_MUST_USE;
void admit_leave_token(struct worker *worker, const uint8_t digest[CV_TOKEN_DIGEST]);

/* The credential that a guest of @key came in with by a token of @digest or a certificate of
 * @subject (NULL: not so), as it stands in @credentials now; `why` is CV_ACCESS_OK where anyone may
 * come in. */
struct cv_access_answer admit_access(const struct cv_credentials *credentials,
                                     const uint8_t *digest, const char *subject, const char *key);

#endif
