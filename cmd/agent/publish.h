#ifndef CMD_AGENT_PUBLISH_H
#define CMD_AGENT_PUBLISH_H

#include "agent.h"

/* --publish: what the agent asks each server to expose, and what it hears of it. */

/* Adds the headers that ask for it. */
void publish_headers(struct agent *agent);

/* A session stands with the server at @url: says so when that server does not know publishing. */
void publish_up(struct agent *agent, const char *url, struct cv_tunnel *tunnel);

/* The server said what became of one. */
void publish_told(struct agent *agent, const char *url, const struct cv_tunnel *tunnel,
                  const struct cv_session_event *event);

#endif
