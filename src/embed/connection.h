#ifndef CV_EMBED_CONNECTION_H
#define CV_EMBED_CONNECTION_H

#include <culvert/connection.h>

#include "embed/tenant.h"
#include "net/tunnel.h"

/* A virtual connection whose endpoint is the program: see culvert/connection.h.
 *
 * Its endpoint is called by the tunnel, and may not call into the session from within; so what the
 * program asks for, from wherever, is noted and done by a job at the end of the loop's turn. */

/* Makes one that has no tunnel yet. @callbacks (NULL: they come with cv_connection_accept()) and
 * @target are copied. Its job begins with ops->dial(). Errors of cv_options_copy(), -ENOMEM. */
int cv_connection_new(struct cv_connection **out, struct cv_tenant *tenant, const char *target,
                      const struct cv_connection_callbacks *callbacks, void *data) CV_MUST_USE;

/* It is connection @conn_id of the tunnel's session from now on. CV_ESTALE when there is none. */
int cv_connection_begin(struct cv_connection *connection, struct cv_tunnel *tunnel,
                        int64_t conn_id) CV_MUST_USE;

/* Of one that came in, when its handler has returned: false when it was not taken, and is gone
 * without a word. */
bool cv_connection_taken(struct cv_connection *connection);

/* Has every connection that waits for a tunnel ask for it again. */
void cv_connections_wake(struct cv_tenant *tenant);

/* Ends every connection that waits for a tunnel. */
void cv_connections_fail(struct cv_tenant *tenant, int error, const char *text);

#endif
