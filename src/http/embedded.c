#include "http/embedded.h"

#include <string.h>

const struct cv_embedded *cv_embedded_find(const struct cv_embedded_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->files[i].name, name) == 0)
            return &set->files[i];
    return NULL;
}
