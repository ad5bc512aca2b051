#include "base/error.h"

#include <stddef.h>

const char *cv_error_text(int code)
{
    switch (code) {
#define X(name, number, text) \
    case number:              \
        return text;
        CV_ERROR_MAP(X)
#undef X
    }
    return NULL;
}
