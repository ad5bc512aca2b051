#include "base/reason.h"

static const struct {
    const char *name, *text;
    bool is_error;
} reasons[CV_REASON_COUNT] = {
#define X(id, counter, error, words) [id] = {.name = counter, .text = words, .is_error = error},
    CV_REASON_MAP(X)
#undef X
};

const char *cv_reason_name(enum cv_reason reason)
{
    return reasons[reason].name;
}

const char *cv_reason_text(enum cv_reason reason)
{
    return reasons[reason].text;
}

bool cv_reason_is_error(enum cv_reason reason)
{
    return reasons[reason].is_error;
}
