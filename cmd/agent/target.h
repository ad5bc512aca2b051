#ifndef CMD_AGENT_TARGET_H
#define CMD_AGENT_TARGET_H

#include "agent.h"

/* What may be dialled, and what is here: for the agent's `targets`. */
void target_init(struct agent *agent);

/* Answers a Connect. */
void target_connect(struct agent *agent, struct cv_tunnel *tunnel,
                    const struct cv_session_event *event);

/* Where --serve's files are found. */
#define FILES_HOST "culvert.files"
#define FILES_PORT 80

#endif
