#include "net/cause.h"

#include <stdarg.h>
#include <stdio.h>

#include "net/loop.h"

static const struct {
    enum cv_log_level level;
    const char *text;
} causes[CV_CAUSE_COUNT] = {
#define X(id, its_level, words) [id] = {.level = its_level, .text = words},
    CV_CAUSE_MAP(X)
#undef X
};

bool cv_cause_admits(struct cv_loop *loop, enum cv_cause cause, const char *client)
{
    return cv_log_admit(&loop->log, causes[cause].level,
                        cv_log_share(&loop->causes.of[cause], client), cv_loop_now(loop), NULL);
}

void cv_log_cause(struct cv_loop *loop, enum cv_cause cause, const struct cv_log_about *about,
                  const char *format, ...)
{
    static const struct cv_log_about nobody = {.client = NULL};
    char raw[CV_LOG_MAX + 1];
    va_list args;

    if (!about)
        about = &nobody;
    if (!cv_cause_admits(loop, cause, about->client))
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    cv_log_about(&loop->log, causes[cause].level, about, "%s", raw);
}

void cv_causes_tell(struct cv_loop *loop)
{
    uint64_t now = cv_loop_now(loop);

    for (size_t cause = 0; cause < CV_CAUSE_COUNT; cause++) {
        uint64_t count = cv_log_left_out(&loop->causes.of[cause], now);

        if (count)
            cv_log(&loop->log, causes[cause].level, "%llu more lines about %s",
                   (unsigned long long)count, causes[cause].text);
    }
}
