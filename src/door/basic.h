#ifndef CV_DOOR_BASIC_H
#define CV_DOOR_BASIC_H

#include "door/http.h"

#define CV_BASIC_MAX 512 /* bytes of user, colon and password */

/* User and password of a Basic scheme (RFC 7617), decoded into @text. Secret: clear it. */
struct cv_basic {
    char text[CV_BASIC_MAX + 1]; /* both ended by NUL */
    const char *user, *password; /* in text; neither holds a NUL */
};

/* Reads the value of an Authorization or Proxy-Authorization header.
 *
 * CV_ESYNTAX   not Basic, not base64, no colon, or a NUL in it
 * CV_ETOOLONG  over CV_BASIC_MAX */
int cv_basic_read(struct cv_basic *out, struct cv_slice value) CV_MUST_USE;

#endif
