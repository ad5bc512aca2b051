#ifndef CV_NET_LOG_H
#define CV_NET_LOG_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/log.h"

/* Bytes of one line, after escaping; the rest is cut. */
#define CV_LOG_MAX 1000

/* Makes one line and hands it to the log, unless its level is not wanted. Control bytes, and bytes
 * that are no UTF-8, are escaped as \xNN, so that what a stranger sent can neither start a line nor
 * drive a terminal. Cut at CV_LOG_MAX bytes, never inside a character. */
void cv_log(const struct cv_log *log, enum cv_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills @log so that it writes to standard error, a line a write(): `2026-11-22T04:00:00.123Z info
 * message`, or with
 * @json an object with the members ts, level and msg. */
void cv_log_stderr(struct cv_log *log, enum cv_log_level level, bool json);

/* Keeps what one stranger can make us log within bounds: CV_LOG_BURST lines at once, then
 * CV_LOG_RATE a second. */
struct cv_log_limit {
    uint64_t full_at; /* when the burst is there again */
    uint64_t dropped; /* lines since the last one that was let through */
};

#define CV_LOG_BURST 20
#define CV_LOG_RATE  1

/* Whether a line may be written at @now; *@dropped is how many were not, before it. */
bool cv_log_allow(struct cv_log_limit *limit, uint64_t now, uint64_t *dropped);

/* The text of any error code: ours, or the system's. Static, never NULL. */
const char *cv_strerror(int code);

#endif
