#ifndef CULVERT_VERSION_H
#define CULVERT_VERSION_H

#include <culvert/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of these headers. */
#define CV_VERSION_MAJOR 0
#define CV_VERSION_MINOR 1
#define CV_VERSION_PATCH 0
#define CV_VERSION       "0.1.0"

/* Of the library that runs, as CV_VERSION is written. Static. */
CV_API const char *cv_version(void);

#ifdef __cplusplus
}
#endif

#endif
