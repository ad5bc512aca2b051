#include "http/dashboard.h"

#include <stdio.h>
#include <string.h>

#include "http/embedded.h"
#include "http/mime.h"

#define NAME_MAX_LEN 64

/* What the page may load and ask: the server that it came from, and nothing else. */
#define POLICY                                                                  \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " \
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* A weight of 0 says that it may not be. */
static bool takes_gzip(const char *encodings)
{
    const char *found = strstr(encodings, "gzip");

    return found && strncmp(found, "gzip;q=0", 8) != 0;
}

bool cv_dashboard_answer(struct cv_site_answer *answer, const char *path, const char *encodings)
{
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    const struct cv_embedded *file = cv_embedded_find(&cv_dashboard_files, name);
    const struct cv_embedded *packed;
    char with_gz[NAME_MAX_LEN];

    if (!file)
        return false;
    snprintf(with_gz, sizeof(with_gz), "%s.gz", name);
    packed = takes_gzip(encodings) ? cv_embedded_find(&cv_dashboard_files, with_gz) : NULL;
    *answer = (struct cv_site_answer){.status = 200,
                                      .type = cv_mime_type(name),
                                      .policy = POLICY,
                                      .encoding = packed ? "gzip" : NULL,
                                      .body = packed ? packed->bytes : file->bytes,
                                      .len = packed ? packed->len : file->len};
    return true;
}
