#ifndef CMD_SERVER_LISTED_H
#define CMD_SERVER_LISTED_H

#include <jansson.h>

struct server;

/* Lists for operators of what visitors may come by, of the configuration and of what agents have
 * published. On the main thread; arrays of objects as docs/openapi.yaml has them. */
json_t *listed_forwards(const struct server *server);
json_t *listed_routes(const struct server *server);

#endif
