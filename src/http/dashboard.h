#ifndef CV_HTTP_DASHBOARD_H
#define CV_HTTP_DASHBOARD_H

#include "http/site.h"

/* The page for operators: the files of web/dashboard at / and /NAME, each beside itself packed by
 * gzip. They hold no secret: what there is to see they ask the API for. */

/* Fills @answer with the file at @path, packed when @encodings (an Accept-Encoding) takes that;
 * false: there is none. The body is static. */
bool cv_dashboard_answer(struct cv_site_answer *answer, const char *path, const char *encodings);

#endif
