#ifndef CV_HTTP_EMBEDDED_H
#define CV_HTTP_EMBEDDED_H

#include <stddef.h>

/* Files that the build puts into the program (cmake/Embed.cmake). */
struct cv_embedded {
    const char *name;
    const unsigned char *bytes;
    size_t len;
};

struct cv_embedded_set {
    const struct cv_embedded *files;
    size_t count;
};

extern const struct cv_embedded_set cv_demo_files;      /* of web/demo */
extern const struct cv_embedded_set cv_dashboard_files; /* of web/dashboard as vite makes it, or of
                                                           web/dashboard/absent */

/* NULL: there is none of that name. */
const struct cv_embedded *cv_embedded_find(const struct cv_embedded_set *set, const char *name);

#endif
