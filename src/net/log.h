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
 * the fields CULVERT_CLIENT, CULVERT_SESSION, CULVERT_CONN and CULVERT_REASON, and otherwise
 * `<PRIORITY>` stands before each line. @out must live as long as @log and its copies. */
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

/* The same of a cause that many clients share: a flood about one leaves the others their lines, as
 * far as they are not in one share with it. */
#define CV_LOG_SHARES 16
struct cv_log_limits {
    struct cv_log_limit at[CV_LOG_SHARES];
};

/* The share of @client; NULL and "" are about none. */
struct cv_log_limit *cv_log_share(struct cv_log_limits *limits, const char *client);

/* How many lines were left out of those shares that are quiet again, so that their burst is there;
 * they are taken for told. */
uint64_t cv_log_left_out(struct cv_log_limits *limits, uint64_t now);

/* Whether a line of the cause that @limit is of is wanted, and may be written at @now. When some
 * before it were not, a line with their number goes before it, about client and session of @whose,
 * NULL where @limit is not theirs alone. Lines that are the record of what was done, such as that
 * of a visit, are never asked for here. */
bool cv_log_admit(const struct cv_log *log, enum cv_log_level level, struct cv_log_limit *limit,
                  uint64_t now, const struct cv_log_about *whose) CV_MUST_USE;

#endif
