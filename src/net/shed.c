#include "net/shed.h"

#include <errno.h>

#include "base/error.h"
#include "net/loop.h"

const char *cv_shed_name(enum cv_shed cause)
{
    static const char *const names[CV_SHED_COUNT] = {
#define X(name, word) [name] = word,
        CV_SHED_MAP(X)
#undef X
    };

    return names[cause];
}

static enum cv_shed cause_of(int error)
{
    switch (error) {
    case CV_EFULL:
        return CV_SHED_FULL;
    case -EMFILE:
    case -ENFILE:
        return CV_SHED_FILES;
    case -ETIMEDOUT:
        return CV_SHED_SILENT;
    case CV_EPROTO:
    case -EPROTO:
        return CV_SHED_PROTOCOL;
    default:
        return CV_SHED_OTHER;
    }
}

void cv_shed(struct cv_loop *loop, int error)
{
    loop->shed[cause_of(error)]++;
}
