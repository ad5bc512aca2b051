#include "net/ending.h"

#include <errno.h>

#include "base/error.h"

static const struct {
    const char *name, *text;
    enum cv_ws_code code;
    bool is_error;
} endings[CV_ENDING_COUNT] = {
#define X(id, short_name, close_code, error, words) \
    [id] = {.name = short_name, .text = words, .code = close_code, .is_error = error},
    CV_ENDING_MAP(X)
#undef X
};

const char *cv_ending_name(enum cv_ending ending)
{
    return endings[ending].name;
}

const char *cv_ending_text(enum cv_ending ending)
{
    return endings[ending].text;
}

enum cv_ws_code cv_ending_code(enum cv_ending ending)
{
    return endings[ending].code;
}

bool cv_ending_is_error(enum cv_ending ending)
{
    return endings[ending].is_error;
}

enum cv_ending cv_ending_of(int error, uint16_t code)
{
    switch (error) {
    case CV_ECLOSED:
        return code == CV_WS_RESTART ? CV_ENDING_RESTART : CV_ENDING_CLOSED;
    case CV_EFULL:
        return CV_ENDING_FULL;
    case -ENOMEM:
        return CV_ENDING_MEMORY;
    case CV_EDEAD:
        return CV_ENDING_DEAD;
    case CV_EPROTO:
    case CV_EFLOW:
        return CV_ENDING_PROTOCOL;
    case CV_EUTF8:
        return CV_ENDING_TEXT;
    case CV_ETOOLONG:
        return CV_ENDING_TOO_LONG;
    default:
        return CV_ENDING_LOST;
    }
}
