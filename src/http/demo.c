#include "http/demo.h"

#include <string.h>

#define ROOT "/demo"

const struct cv_embedded *cv_demo_find(const char *path)
{
    if (strcmp(path, ROOT) == 0)
        return cv_embedded_find(&cv_demo_files, "index.html");
    if (strncmp(path, ROOT "/", sizeof(ROOT)) == 0)
        return cv_embedded_find(&cv_demo_files, path + sizeof(ROOT));
    return NULL;
}
