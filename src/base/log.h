#ifndef CV_BASE_LOG_H
#define CV_BASE_LOG_H

#include <culvert/log.h>
#include <stdbool.h>
#include <stdint.h>

/* Whom a line is about, for fields of its own. */
struct cv_log_about {
    const char *client; /* a client key, borrowed; NULL: none */
    uint64_t session;   /* its number here; 0: none */
    int64_t conn;       /* the connection's id in that session; 0: none */
    const char *reason; /* a name of a table of reasons, static: why that ended; NULL: none */
};

/* Where finished log lines go. Pure layers hand out events and leave the words to the shell. */
struct cv_log {
    enum cv_log_level level; /* lines above it are not made */
    const char *client;      /* whom lines are about that name none, borrowed; NULL: nobody */
    cv_log_write *write;

    /* Takes a line with its fields, whose client is escaped as the line is. Where it is NULL, or
     * cannot and returns false, `write` gets them at the end of the line: `client=KEY session=ID
     * conn=ID reason=NAME`. */
    bool (*write_about)(void *ctx, enum cv_log_level level, const char *line,
                        const struct cv_log_about *about);
    void *ctx; /* borrowed */
};

#endif
