#ifndef CV_HTTP_MIME_H
#define CV_HTTP_MIME_H

/* The Content-Type of a file by the extension of its @name, in any case of letters;
 * `application/octet-stream` for one that is not known. Static text. */
const char *cv_mime_type(const char *name);

#endif
