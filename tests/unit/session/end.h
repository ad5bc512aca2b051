#ifndef TESTS_UNIT_SESSION_END_H
#define TESTS_UNIT_SESSION_END_H

#include "session/session.h"
#include "support/test_alloc.h"
#include "wire/frame.h"

/* One end of a session for tests: frames in, words out. What a session tells and sends is written
 * down as one line of words, so that a test reads as a dialogue:
 *
 *     end_hear(&end, CV_FRAME_ERROR, 2, "EOF");
 *     cr_assert_str_eq(end_tells(&end), "closed 2 eof");
 *
 * Events are lower case (connect ID proto|address, connected ID, data ID n, fin ID, drain ID,
 * closed ID reason[: text], add key/n, remove key/n, notice what ID); frames begin with a capital
 * (Connect ID text, Connected ID, Data ID n, Error ID text, Pause ID, Resume ID, Window ID n,
 * CloseWrite ID, AddClient text, RemoveClient text, Sync ids) and a ping is "ping". Several are
 * joined by "; ".
 *
 * The payload of a connection is a pattern of its id and of the byte's place, and is checked on the
 * way: what comes out at a sink is what went in, in order, whole, once. */

#define END_START      (1000 * CV_SEC)
#define END_CONNS      64
#define END_WORDS      8192
#define END_EVERYTHING SIZE_MAX

/* A connection as its sink and source see it. */
struct end_conn {
    int64_t id;
    uint64_t heard; /* payload bytes that end_hear_data() made */
    uint64_t taken; /* payload bytes that the sink took */
    uint64_t sent;  /* payload bytes that the source gave */
    size_t source;  /* payload bytes that the source still has */
    bool closed;    /* CLOSED was told: nothing may follow */
};

struct end {
    struct test_alloc ta;
    struct cv_prng prng;
    struct cv_random random;
    struct cv_session *session;
    uint64_t now;
    size_t takes; /* bytes of each Data event that the sinks take */
    size_t piece; /* messages are fed in pieces of that many bytes */
    size_t max;   /* of the last Data turn */
    bool foreign; /* payload that comes in is not the pattern */
    int64_t frame_id;
    struct end_conn conns[END_CONNS];
    size_t conn_count;
    char events[END_WORDS], frames[END_WORDS];
    struct end *to; /* frames go there besides, or NULL */
};

/* Configurations: between reference ends, Culvert ends without and with every extension. */
struct cv_session_config end_reference(enum cv_session_role role);
struct cv_session_config end_culvert(enum cv_session_role role, unsigned features);
#define END_ALL (CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE | CV_FEATURE_CREDIT)

void end_init(struct end *end, const struct cv_session_config *config);

/* The same, with the n-th allocation failing; false when already the session had no memory. */
bool end_init_failing(struct end *end, const struct cv_session_config *config, size_t fail_at);

/* Frees the session and checks that nothing is left of it. */
void end_deinit(struct end *end);

/* A message comes in; returns the result of cv_session_recv(). Events are collected for
 * end_tells(). */
int end_hear_message(struct end *end, const uint8_t *message, size_t len);
int end_hear_body(struct end *end, int64_t type, int64_t conn_id, const void *body, size_t len);
int end_hear(struct end *end, int64_t type, int64_t conn_id, const char *body);
int end_hear_data(struct end *end, int64_t conn_id, size_t len);
int end_hear_window(struct end *end, int64_t conn_id, int64_t grant);
int end_hear_sync(struct end *end, const int64_t *ids, size_t count);

/* Opens a connection to `tcp/a:1`; returns its id, or the error. */
int64_t end_dial(struct end *end);

/* The source of a connection gets @len bytes more. */
void end_source(struct end *end, int64_t conn_id, size_t len);

/* The sink takes up to @len stored bytes; returns how many. */
size_t end_drain(struct end *end, int64_t conn_id, size_t len);

/* Bytes stored for a connection that may go to its sink, the first block of them. */
size_t end_backlog(struct end *end, int64_t conn_id);

/* What has been told since last asked, polled to the end. */
const char *end_tells(struct end *end);

/* What goes out now, until nothing does; @room bytes of room for each. */
const char *end_says_in(struct end *end, size_t room);
const char *end_says(struct end *end);

/* The next single slot. */
const char *end_says_one(struct end *end);

/* Lets time pass to @at, ticking; returns the result of the tick. */
int end_tick(struct end *end, uint64_t at);

struct end_conn *end_conn(struct end *end, int64_t id);

/* Two ends, dialler and acceptor, whose frames reach each other. */
struct pair {
    struct end dialler, acceptor;
};

void pair_init(struct pair *pair, bool culvert, unsigned features);
void pair_deinit(struct pair *pair);

/* Carries frames both ways until neither end has any. */
void pair_run(struct pair *pair);

#endif
