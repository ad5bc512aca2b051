#ifndef CMD_SERVER_PUBLISH_H
#define CMD_SERVER_PUBLISH_H

#include "door/http.h"
#include "http/upstream.h"

struct server;
struct worker;

/* What agents have the server expose: ports, and names at the HTTP door. The main thread decides it
 * all, and listens at the ports; workers tell it by mail which sessions ask for what and which have
 * gone, and it answers by mail what became of it.
 *
 *   suitor  a session that asks
 *   claim   one thing that it asks for
 *   place   the port or name that claims are about (places.h); one client has it, others wait */
struct publish;

/* Returns 0 or -ENOMEM. */
int publish_new(struct publish **out, struct server *server) CV_MUST_USE;

/* Exposes nothing any more; twice is fine. */
void publish_close(struct publish *publish);

/* After the last mailbox is closed. NULL is fine. */
void publish_free(struct publish *publish);

/* Credentials changed: what is no longer permitted is withdrawn, what is now permitted exposed. */
void publish_recheck(struct publish *publish);

/* A session, as it asks. Everything is borrowed for the call. */
struct publish_request {
    uint64_t id;           /* of the session */
    const char *key;       /* its client key */
    const uint8_t *digest; /* what it came in with, as of struct cv_front_guest */
    const char *subject;
    const char *wanted; /* a line each, ended by a newline */
};

/* From @worker: a session of it asks. *@parting is what to call publish_parted() with when it
 * leaves. Returns 0 or -ENOMEM. */
struct publish_parting;
int publish_asked(struct worker *worker, const struct publish_request *request,
                  struct publish_parting **parting) CV_MUST_USE;

/* Takes @parting; NULL is fine. */
void publish_parted(struct worker *worker, struct publish_parting *parting);

/* From any worker: where the name @host leads, see cv_gateway_config. */
bool publish_find(struct publish *publish, struct cv_slice host, struct cv_upstream_target *out);

/* One that is exposed, as operators see it. Everything is borrowed for the call. */
struct publish_info {
    bool http;
    const char *where; /* address of a port; a name */
    const char *client, *address;
};

/* On the main thread: calls @each for all of them. */
void publish_each(struct publish *publish, void (*each)(void *ctx, const struct publish_info *info),
                  void *ctx);

#endif
