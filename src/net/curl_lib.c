#include "net/curl_lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* The name of its interface since 2006. */
#define SONAME "libcurl.so.4"

int cv_curl_lib_load(struct cv_curl_lib *lib, const char **why)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    void *symbol = handle;

    /* ISO C has no cast from an object's pointer to a function's. */
#define FIND(name)                                         \
    symbol = symbol ? dlsym(handle, "curl_" #name) : NULL; \
    memcpy(&lib->name, &symbol, sizeof(lib->name));
    CV_CURL_FUNCTIONS(FIND)
#undef FIND
    if (!symbol) {
        const char *error = dlerror();

        *why = error ? error : SONAME;
        return -ELIBACC;
    }
    return lib->global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM; /* counted */
}

void cv_curl_lib_unload(struct cv_curl_lib *lib)
{
    lib->global_cleanup();
}
