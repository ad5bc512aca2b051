#include "embed/options.h"

#include <errno.h>
#include <string.h>

int cv_options_copy(void *out, size_t size, const void *theirs, size_t least)
{
    size_t theirs_size;

    memcpy(&theirs_size, theirs, sizeof(theirs_size));
    if (theirs_size < least)
        return -EINVAL;
    for (size_t i = size; i < theirs_size; i++)
        if (((const unsigned char *)theirs)[i] != 0)
            return -E2BIG;
    memset(out, 0, size);
    memcpy(out, theirs, cv_min_size(size, theirs_size));
    return 0;
}
