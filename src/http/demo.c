#include "http/demo.h"

#include <string.h>

#define ROOT "/demo"

const struct cv_demo_file *cv_demo_find(const char *path)
{
    const char *name = NULL;

    if (strcmp(path, ROOT) == 0)
        name = "index.html";
    else if (strncmp(path, ROOT "/", sizeof(ROOT)) == 0)
        name = path + sizeof(ROOT);
    for (size_t i = 0; name && i < cv_demo_file_count; i++)
        if (strcmp(cv_demo_files[i].name, name) == 0)
            return &cv_demo_files[i];
    return NULL;
}
