#ifndef CMD_SERVER_PEERING_H
#define CMD_SERVER_PEERING_H

#include "config/server.h"
#include "net/tunnel.h"

struct server;
struct worker;

/* Peers: servers that share their clients with this one. Each dials the other: the session that we
 * open is where we announce our clients and serve the other's dials to them; the one that it opens
 * is a guest here (guest.c), and where we dial. Ours are kept by the first worker. */
struct peering;

/* --check reads the file of peers too. Returns 0, or an error with a line in @error. */
int peering_check(const struct cv_server_config *config, struct cv_config_error *error) CV_MUST_USE;

/* Reads the peers and starts dialling them; *@out stays NULL without --peer-id. Returns EXIT_OK, or
 * the code to exit with and a line in @error. */
int peering_open(struct peering **out, struct server *server,
                 struct cv_config_error *error) CV_MUST_USE;

/* Reads --peers-file anew, and takes those of @rules besides: dials those that are new, closes the
 * sessions of those that are gone. What cannot be read leaves the old ones in force. NULL is fine,
 * in all of these. */
struct rules;
void peering_reload(struct peering *peering, const struct rules *rules);

/* Dials nobody any more. */
void peering_close(struct peering *peering);

/* When the loop of the first worker has ended. */
void peering_free(struct peering *peering);

/* From any worker: whether the server @id that presents a token of @digest is a peer now. */
bool peering_knows(struct peering *peering, const char *id, const uint8_t *digest);

/* From @worker: an agent's session joined; peers hear of it when another worker than the first has
 * it. *@parting is what to call peering_parted() with when it leaves, and may be NULL. Returns 0 or
 * -ENOMEM. */
struct peering_notice;
int peering_joined(struct worker *worker, const char *key, int64_t session_key,
                   struct peering_notice **parting) CV_MUST_USE;
void peering_parted(struct worker *worker, struct peering_notice *parting);

/* One that we dial, as operators see it. Everything is borrowed for the call. */
struct peering_info {
    const char *id, *url;
    bool joined;                                /* its session is up */
    uint64_t attempts, connected, disconnected; /* dials, sessions that came of them, and ended */
};

/* On the main thread: calls @each for all of them. */
void peering_each(const struct peering *peering,
                  void (*each)(void *ctx, const struct peering_info *info), void *ctx);

#endif
