#ifndef CV_BASE_LOG_H
#define CV_BASE_LOG_H

enum cv_log_level { CV_LOG_ERROR, CV_LOG_WARN, CV_LOG_INFO, CV_LOG_DEBUG };

/* Where finished log lines go. Pure layers hand out events and leave the words to the shell. */
struct cv_log {
    enum cv_log_level level; /* lines above it are not made */
    void (*write)(void *ctx, enum cv_log_level level, const char *line);
    void *ctx; /* borrowed */
};

#endif
