#ifndef CV_BASE_ERROR_H
#define CV_BASE_ERROR_H

#include <culvert/error.h>

/* Text of one of our own codes; NULL for a code of the system (ask strerror or uv_strerror for
 * those). */
const char *cv_error_text(int code);

#endif
