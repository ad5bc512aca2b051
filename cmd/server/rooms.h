#ifndef CMD_SERVER_ROOMS_H
#define CMD_SERVER_ROOMS_H

#include <jansson.h>

#include "config/server.h"
#include "http/rooms.h"

/* --rooms: the rooms' listener, its certificate and its secret, on one loop. */
struct rooms;

/* *@out is NULL without --rooms. Returns EXIT_OK, or the code to exit with and a line in @error. */
int rooms_open(struct rooms **out, struct cv_loop *loop, const struct cv_server_config *config,
               struct cv_config_error *error) CV_MUST_USE;

/* An array of the rooms with their number of clients and the bytes that wait, for the admin API;
 * NULL without memory. */
json_t *rooms_list(const struct rooms *rooms);

/* Reads the certificate anew; what cannot be read leaves the old one in force. */
void rooms_reload(struct rooms *rooms);

/* Ends all; the loop has nothing left of it after its next turns. NULL is fine, here and above. */
void rooms_close(struct rooms *rooms);

/* After the loop has ended. NULL is fine. */
void rooms_free(struct rooms *rooms);

#endif
