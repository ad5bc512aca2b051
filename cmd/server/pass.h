#ifndef CMD_SERVER_PASS_H
#define CMD_SERVER_PASS_H

#include "config/server.h"
#include "http/front.h"

/* TLS at the front door that a `--route tls:HOST=…` takes by the name in its ClientHello: it goes
 * to its target as it is, and we see nothing of what is in it. @ctx is the worker. */

/* Whether there is such a route. */
bool pass_any(const struct cv_server_config *config);

/* See struct cv_front_config. */
int pass_route(void *ctx, const char *name);
void pass_on(void *ctx, int route, const struct cv_front_passage *passage);

#endif
