#ifndef CMD_AGENT_DISCOVER_H
#define CMD_AGENT_DISCOVER_H

#include "agent.h"

/* --discover: finds a server by SSDP and keeps a session with it. All that are found are tried at
 * once, the first that takes the agent in is used, and the others are let go. When that one is lost
 * the search begins anew. */
struct discover;

/* Checks what only discovery can judge; for --check too. CV_ESYNTAX: see @error. */
int discover_check(const struct cv_agent_config *config, struct cv_config_error *error) CV_MUST_USE;

/* Starts searching. @agent is borrowed. Returns 0, -ENOMEM, libuv's code or -errno. */
int discover_new(struct discover **out, struct agent *agent) CV_MUST_USE;

/* Searches no more and closes the session; its end is still waited for by the loop. NULL is fine.
 */
void discover_close(struct discover *discover);

/* After the loop has run down. NULL is fine. */
void discover_free(struct discover *discover);

#endif
