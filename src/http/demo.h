#ifndef CV_HTTP_DEMO_H
#define CV_HTTP_DEMO_H

#include <stddef.h>

/* The demonstration page of rooms: the files of web/demo, which the build puts into the program. */
struct cv_demo_file {
    const char *name;
    const unsigned char *bytes;
    size_t len;
};

extern const struct cv_demo_file cv_demo_files[];
extern const size_t cv_demo_file_count;

/* What its files may load and ask: the server that they came from, and nothing else. */
#define CV_DEMO_POLICY                                                              \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* The file at /demo, which is index.html, or at /demo/NAME; NULL: none. */
const struct cv_demo_file *cv_demo_find(const char *path);

#endif
