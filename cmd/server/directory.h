#ifndef CMD_SERVER_DIRECTORY_H
#define CMD_SERVER_DIRECTORY_H

#include "config/server.h"
#include "manager/directory.h"

struct server;
struct visit;
struct worker;

/* --directory: servers find each other, and each other's clients, in one Redis. What is to be said
 * there and whom to trust is manager/directory.h's to decide; here are the two connections to Redis
 * and the dials that wait, all at the first worker, beside the links to other servers (links.h). */
struct directory;

/* Starts dialling Redis; *@out stays NULL without --directory. Returns EXIT_OK, or the code to exit
 * with and a line in @error. */
int directory_open(struct directory **out, struct server *server,
                   struct cv_config_error *error) CV_MUST_USE;

/* Says goodbye, and ends the dials that wait. NULL is fine, in all of these. */
void directory_close(struct directory *directory);

/* When the loop of the first worker has ended. */
void directory_free(struct directory *directory);

/* From any worker: whether a token of @digest is the one that the directory's servers share. */
bool directory_knows(const struct directory *directory, const uint8_t *digest);

/* From @worker: an agent's session joined. *@unlisting is what to call directory_parted() with when
 * it leaves, and stays NULL without a directory. Returns 0 or -ENOMEM. */
struct directory_notice;
int directory_joined(struct worker *worker, const char *key, int64_t session_key,
                     struct directory_notice **unlisting) CV_MUST_USE;
void directory_parted(struct worker *worker, struct directory_notice *unlisting);

/* From @worker: another server asked for @key, of which no worker has a session. */
void directory_denied(struct worker *worker, const char *key);

/* Whether the directory may know a server for the visit, and was not asked yet. */
bool directory_is_to_ask(const struct visit *visit);

/* From its worker: looks for a server that has the visit's client, and dials there. The visit comes
 * back by visit_serve() when there is none. */
void directory_ask(struct visit *visit);

/* The server to which the visit went by the directory did not serve it. */
void directory_failed(const struct visit *visit);

/* Whether another server may have the visit's client. @sure: that is known without asking. */
bool directory_has_another(const struct visit *visit, bool sure);

/* For operators, on the main thread. */

struct directory_info {
    const char *url; /* of Redis */
    bool up;
    const char *why;   /* not up, or what Redis refuses; "" */
    uint64_t down_for; /* microseconds */
    bool was_up;       /* ever */
    unsigned links;    /* to other servers, now */
    const struct cv_directory *core;
};

/* False without a directory. */
bool directory_info(const struct directory *directory, struct directory_info *info);

/* The state of the link to the server @id, for a list. */
const char *directory_link_state(const struct directory *directory, const char *id);

#endif
