#ifndef CV_HTTP_DEMO_H
#define CV_HTTP_DEMO_H

#include "http/embedded.h"

/* The demonstration page of rooms: the files of web/demo. */

/* What its files may load and ask: the server that they came from, and nothing else. */
#define CV_DEMO_POLICY                                                              \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* The file at /demo, which is index.html, or at /demo/NAME; NULL: none. */
const struct cv_embedded *cv_demo_find(const char *path);

#endif
