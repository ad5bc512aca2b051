#ifndef TESTS_SIM_RELAY_H
#define TESTS_SIM_RELAY_H

#include "sim/transfer.h"
#include "sim/tunnel.h"

/* Moves bytes between a connection of a Culvert end and a scripted socket: what net/relay.c does.
 */
struct sim_relay;

/* A visitor: dials @proto and the transfer's address. 0, or the session's error. */
int sim_relay_dial(struct sim_tunnel *t, struct sim_transfer *x, const char *proto);

/* A target: the connection that CONNECT asked for; the transfer says how long its dial takes and
 * how it ends. */
void sim_relay_accept(struct sim_tunnel *t, int64_t conn_id, struct sim_transfer *x);

/* In the middle: takes @conn_id to @to's dial of @proto, as a server does for its peer. 0, or an
 * error: @conn_id is to be refused by the caller. */
int sim_relay_splice(struct sim_tunnel *from, int64_t conn_id, struct sim_tunnel *to,
                     struct sim_transfer *x, const char *proto);

void sim_relay_event(struct sim_relay *r, const struct cv_session_event *event);

/* Offers Data that passes the link to the sink; returns how much of it that took. */
size_t sim_relay_pass(struct sim_relay *r, const uint8_t *data, size_t len);
void sim_relay_turn(struct sim_relay *r, const struct cv_link_turn *turn);

#endif
