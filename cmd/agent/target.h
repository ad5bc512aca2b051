#ifndef CMD_AGENT_TARGET_H
#define CMD_AGENT_TARGET_H

#include "agent.h"

/* Answers a Connect: dials its target if that is allowed, and relays. A refusal costs that
 * connection alone. */
void target_connect(struct agent *agent, struct cv_tunnel *tunnel,
                    const struct cv_session_event *event);

/* Where --serve's files are found. */
#define FILES_HOST "culvert.files"
#define FILES_PORT 80

#endif
