#ifndef CMD_SERVER_LISTED_H
#define CMD_SERVER_LISTED_H

#include <jansson.h>

struct server;

/* Lists for operators of what visitors may come by, of the configuration and of what agents have
 * published. On the main thread; arrays of objects as docs/openapi.yaml has them. */
json_t *listed_forwards(const struct server *server);
json_t *listed_routes(const struct server *server);

/* The directory as an object; null without one. */
json_t *listed_directory(const struct server *server);

/* Adds the directory, and its servers, to a list of peers. */
void listed_members(const struct server *server, json_t *array);

#endif
