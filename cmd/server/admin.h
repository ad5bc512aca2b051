#ifndef CMD_SERVER_ADMIN_H
#define CMD_SERVER_ADMIN_H

#include <jansson.h>

#include "process.h"
#include "totals.h"
#include "worker.h"

/* --admin: what operators see and do, gathered from all workers. It lives on the main thread. */
struct admin;

/* Whether an admin listener that others can reach has its token file; for --check too. CV_ESYNTAX:
 * see @error. */
int admin_check(const struct cv_server_config *config, struct cv_config_error *error) CV_MUST_USE;

/* Opens the listeners; *@out stays NULL without --admin. Returns EXIT_OK, or the code to exit with
 * and a line in @error. */
int admin_open(struct admin **out, struct server *server,
               struct cv_config_error *error) CV_MUST_USE;

/* Reads the operators' credentials anew; what cannot be read leaves the old ones in force. */
void admin_reload(struct admin *admin);

/* Notes what happened, for /api/v1/events; from any thread. @admin may be NULL. */
void admin_event(struct admin *admin, const char *kind, const char *client, const char *text);

/* The same of an agent's session that joined, from @peer; a client that comes back is counted. */
void admin_joined(struct admin *admin, const char *client, const char *peer);

/* The events after number *@seen that are still kept, oldest first; *@seen is then the last one's.
 */
json_t *admin_events(struct admin *admin, uint64_t *seen);

/* What /api/v1/status says, with @totals of all workers. */
json_t *admin_status(const struct admin *admin, const struct totals *totals);

/* Ends the listeners and their connections; the loop must run on until that is done. NULL is fine.
 */
void admin_close(struct admin *admin);

/* After the loop has run down, before it is closed: what libwebsockets has on it. NULL is fine. */
void admin_stop(struct admin *admin);

/* After the last mailbox is closed: questions may have been in them. NULL is fine. */
void admin_free(struct admin *admin);

#endif
