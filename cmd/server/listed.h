#ifndef CMD_SERVER_LISTED_H
#define CMD_SERVER_LISTED_H

#include <jansson.h>

#include "visit.h"
#include "worker.h"

/* What operators are shown, as docs/openapi.yaml has it. Without memory a value is NULL, or is left
 * out of its array. */

/* What visitors may come by, of the configuration and of what agents have published. On the main
 * thread. */
json_t *listed_forwards(const struct server *server);
json_t *listed_routes(const struct server *server);

/* The directory as an object; null without one. */
json_t *listed_directory(const struct server *server);

/* Adds the directory, and its servers, to a list of peers. */
void listed_members(const struct server *server, json_t *array);

/* Of one worker, on its thread. */
json_t *listed_clients(struct worker *worker);
json_t *listed_conns(struct worker *worker);
json_t *listed_peers(struct worker *worker);
json_t *listed_client(struct worker *worker, const struct guest_info *info);
json_t *listed_conn(struct worker *worker, const struct visit_info *info);

json_t *listed_rtt(uint64_t rtt); /* microseconds, or CV_NEVER */

/* Appends @object, which is taken; nothing when either is NULL. */
void listed_append(json_t *array, json_t *object);

#endif
