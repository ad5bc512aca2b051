#ifndef CV_NET_LOG_H
#define CV_NET_LOG_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/error.h" /* the codes, and cv_strerror(), which is here */
#include "base/log.h"

/* Bytes of one line, after escaping; the rest is cut. */
#define CV_LOG_MAX 1000

/* Makes one line and hands it to the log, unless its level is not wanted. Control bytes, and bytes
 * that are no UTF-8, are escaped as \xNN, so that what a stranger sent can neither start a line nor
 * drive a terminal. Cut at CV_LOG_MAX bytes, never inside a character. */
void cv_log(const struct cv_log *log, enum cv_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same of a line that concerns somebody, who stands in fields of their own. @about is borrowed
 * for the call; a client in it is escaped likewise, and so are its spaces and quotes. */
void cv_log_about(const struct cv_log *log, enum cv_log_level level,
                  const struct cv_log_about *about, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Fills @log so that it writes to standard error, a line a write(): `2026-11-22T04:00:00.123Z info
 * message`, or with
 * @json an object with the members ts, level and msg. */
void cv_log_stderr(struct cv_log *log, enum cv_log_level level, bool json);

struct cv_log_out {
    const char *name; /* the program's; borrowed */
    int fd;           /* to the journal; -1: none */
    bool journal;     /* what standard error leads to */
};

/* The same; but where standard error is systemd's journal text goes there by its own protocol, with
 * the fields CULVERT_CLIENT, CULVERT_SESSION and CULVERT_CONN, and otherwise `<PRIORITY>` stands
 * before each line. @out must live as long as @log and its copies. */
void cv_log_open(struct cv_log *log, struct cv_log_out *out, const char *name,
                 enum cv_log_level level, bool json);
void cv_log_close(struct cv_log_out *out);

/* Keeps what one cause can make us log, such as what one stranger does, within bounds: CV_LOG_BURST
 * lines at once, then CV_LOG_RATE a second. */
struct cv_log_limit {
    uint64_t full_at; /* when the burst is there again */
    uint64_t dropped; /* lines since the last one that was let through */
    uint64_t since;   /* the first of them */
};

#define CV_LOG_BURST 20
#define CV_LOG_RATE  1

/* Whether a line of the cause that @limit is of may be written at @now. When some before it were
 * not, a line with their number goes before it. @about may be NULL. */
bool cv_log_admit(const struct cv_log *log, struct cv_log_limit *limit, uint64_t now,
                  const struct cv_log_about *about) CV_MUST_USE;

#endif
