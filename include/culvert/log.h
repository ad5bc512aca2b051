#ifndef CULVERT_LOG_H
#define CULVERT_LOG_H

#include <culvert/api.h>

enum cv_log_level { CV_LOG_ERROR, CV_LOG_WARN, CV_LOG_INFO, CV_LOG_DEBUG };

/* Where lines of the log go: one at a time, without its end, printable, at most 1,000 bytes;
 * borrowed for the call. Tokens are never in it. */
typedef void cv_log_write(void *data, enum cv_log_level level, const char *line);

#endif
