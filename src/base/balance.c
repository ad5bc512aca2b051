#include "base/balance.h"

#include <string.h>

#include "base/error.h"

static const char *const names[CV_BALANCE_COUNT] = {
#define X(id, name) [id] = name,
    CV_BALANCE_MAP(X)
#undef X
};

const char *cv_balance_name(enum cv_balance balance)
{
    return names[balance];
}

int cv_balance_read(enum cv_balance *out, const char *name)
{
    for (unsigned i = 0; i < CV_BALANCE_COUNT; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        *out = (enum cv_balance)i;
        return 0;
    }
    return CV_ESYNTAX;
}
