#ifndef TESTS_EMBED_WORLD_H
#define TESTS_EMBED_WORLD_H

/* What the scenarios of the probe share: an agent and a dialler on one loop, or a server too, and
 * what their callbacks have seen. */

#include <culvert/agent.h>
#include <culvert/dial.h>
#include <culvert/server.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, (#condition)); \
            exit(1);                                                          \
        }                                                                     \
    } while (0)

struct world {
    uv_loop_t loop;
    bool has_loop;
    const char *url, *word;
    char id[32], target[64];
    struct cv_agent *agent;
    struct cv_dialler *dialler;
    struct cv_server *server;
    bool by_server; /* dials are the server's own */
    char own_url[64];
    int joined, left, asked, acted;
    uint64_t agent_session;
    struct cv_connection *visitor, *served;
    uv_timer_t timer;
    size_t sent, received, seen; /* by the visitor; `sent` when last looked */
    int opened, ended, writable, ups, downs, made, closed;
    int visitor_error, served_error, down_error;
    char visitor_text[128];
};

/* Has the loop begin, once. */
void begin(struct world *w);

/* Makes agent and dialler, and begins their sessions; @handler (may be NULL) is My.App:80's. */
void make(struct world *w, const char *url, const char *word, cv_agent_handler *handler);

/* Runs the loop until both sessions stand. */
void stand(struct world *w);

/* Dials; without an on_close the world ends when both ends of the connection have. */
void dial(struct world *w, const char *target, struct cv_connection_callbacks *calls);

/* Runs until everything has ended by itself, and nothing is left on the loop. */
void finish(struct world *w);

/* Closes agent, dialler and server, or the agent alone. */
void end(struct world *w);
void server_gone(struct cv_server *server);
void on_log(void *data, enum cv_log_level level, const char *line);
void end_agent(struct world *w);

/* For the handler's end of the connection. */
void served_closed(struct cv_connection *c, int error, const char *text);

/* Counts: an on_open and an on_end of the visitor's. */
void visitor_open(struct cv_connection *c);
void visitor_end(struct cv_connection *c);

/* A scenario of bulk.c, or of serve.c; the others are in probe.c. */
typedef void scenario(struct world *w, const char *url, const char *word);
scenario bytes, pauses, leaves, drops, threads;
scenario serves, two_servers, dials, strangers, limits, lists, drains, hastens, acts, wrong_servers,
    hosts;

#endif
