#ifndef CV_HTTP_ADMIN_H
#define CV_HTTP_ADMIN_H

#include "access/credential.h"
#include "http/site.h"

/* The admin API and the dashboard over a cv_site: who may come in, and what is asked for. What
 * there is to tell is the server's.
 *
 * Without a token an operator comes from this machine: by a unix socket, or with a Host that names
 * loopback, which a page of another site that was made to point here cannot have (DNS rebinding). A
 * request with an Origin must come from the admin's own pages; no other origin is ever allowed. */
struct cv_admin;

/* What the API lists at /api/v1/NAME. */
#define CV_ADMIN_LISTS(X)   \
    X(STATUS, status)       \
    X(CLIENTS, clients)     \
    X(CONNS, conns)         \
    X(PEERS, peers)         \
    X(DIRECTORY, directory) \
    X(ROOMS, rooms) X(FORWARDS, forwards) X(ROUTES, routes) X(EVENTS, events)

enum cv_admin_list {
#define X(name, word) CV_ADMIN_##name,
    CV_ADMIN_LISTS(X)
#undef X
        CV_ADMIN_LIST_COUNT,
    CV_ADMIN_METRICS = CV_ADMIN_LIST_COUNT /* at /metrics */
};

struct cv_admin_ops {
    /* Answers now or later with cv_admin_answer(). */
    void (*list)(void *ctx, uint64_t id, enum cv_admin_list list);

    /* Ends all sessions of a client, or one connection; answers with cv_admin_done(). */
    void (*kick)(void *ctx, uint64_t id, const char *key);
    void (*cut)(void *ctx, uint64_t id, uint64_t conn);
    void (*drain)(void *ctx);

    /* Somebody watches at /api/v1/live, and may be told things by cv_admin_tell(); what that said
     * is out; and has gone. */
    void (*watched)(void *ctx, uint64_t id);
    void (*told)(void *ctx, uint64_t id);
    void (*unwatched)(void *ctx, uint64_t id);

    /* Somebody was not let in: 401 or 403, or a token that a watcher said. */
    void (*refused)(void *ctx);

    /* Whether new work is welcome: /readyz; *@why is what it says, a line or more. */
    bool (*ready)(void *ctx, const char **why);
};

struct cv_admin_config {
    struct cv_loop *loop; /* borrowed */

    /* Who may come in, with the role admin. Borrowed, and may be another table at each call. NULL:
     * everyone on this machine. */
    const struct cv_credentials *(*credentials)(void *ctx);
    const struct cv_admin_ops *ops; /* borrowed */
    void *ctx;                      /* borrowed */
};

/* Errors are those of cv_site_new(). */
int cv_admin_new(struct cv_admin **out, const struct cv_admin_config *config) CV_MUST_USE;
struct cv_site *cv_admin_site(struct cv_admin *admin); /* to listen with, and to close */
void cv_admin_free(struct cv_admin *admin);

/* Answers a list: JSON, or of CV_ADMIN_METRICS the text format of Prometheus. */
void cv_admin_answer(struct cv_admin *admin, uint64_t id, enum cv_admin_list list, const char *text,
                     size_t len);

/* Errors are those of cv_site_tell(). */
int cv_admin_tell(struct cv_admin *admin, uint64_t id, struct cv_site_text *text) CV_MUST_USE;

/* Closes those who watch by a token that is none any more. */
void cv_admin_recheck(struct cv_admin *admin);

#define CV_ADMIN_WATCHERS_MAX CV_SITE_TALKS_MAX

/* Codes that the WebSocket of watchers is closed with. */
#define CV_ADMIN_CLOSE_NONSENSE 4400 /* not a message of ours */
#define CV_ADMIN_CLOSE_TOKEN    4401 /* no token, or none that is let in */

/* @found: how many were ended; 0 is answered 404. */
void cv_admin_done(struct cv_admin *admin, uint64_t id, unsigned found);

/* Whether an admin listener at @address needs no token file: a unix socket or loopback. */
bool cv_admin_is_local(const char *address);

#endif
