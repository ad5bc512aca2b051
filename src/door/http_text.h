#ifndef CV_DOOR_HTTP_TEXT_H
#define CV_DOOR_HTTP_TEXT_H

#include "base/text.h"

/* Building the head of a response. Errors are remembered and told once, at the end. */

/* Statuses that we answer with, and their reasons. The only such table. */
#define CV_HTTP_STATUS_MAP(X)                 \
    X(100, "Continue")                        \
    X(101, "Switching Protocols")             \
    X(200, "OK")                              \
    X(204, "No Content")                      \
    X(206, "Partial Content")                 \
    X(301, "Moved Permanently")               \
    X(304, "Not Modified")                    \
    X(400, "Bad Request")                     \
    X(401, "Unauthorized")                    \
    X(403, "Forbidden")                       \
    X(404, "Not Found")                       \
    X(405, "Method Not Allowed")              \
    X(407, "Proxy Authentication Required")   \
    X(408, "Request Timeout")                 \
    X(409, "Conflict")                        \
    X(411, "Length Required")                 \
    X(413, "Content Too Large")               \
    X(414, "URI Too Long")                    \
    X(416, "Range Not Satisfiable")           \
    X(426, "Upgrade Required")                \
    X(429, "Too Many Requests")               \
    X(431, "Request Header Fields Too Large") \
    X(500, "Internal Server Error")           \
    X(501, "Not Implemented")                 \
    X(502, "Bad Gateway")                     \
    X(503, "Service Unavailable")             \
    X(504, "Gateway Timeout")                 \
    X(505, "HTTP Version Not Supported")

/* The reason of a status; "Unknown" for one that is not in the table. */
const char *cv_http_reason(int status);

struct cv_http_text {
    struct cv_text text; /* what stands so far */
    int error;           /* the first one, or 0 */
};

/* Begins with the status line. @buf is borrowed; @size > 0. @status is 100 to 599. */
void cv_http_text_init(struct cv_http_text *out, char *buf, size_t size, int status);

/* Adds a header. @name must be a token and @value free of control bytes other than a tab. */
void cv_http_text_header(struct cv_http_text *out, const char *name, const char *value);
void cv_http_text_number(struct cv_http_text *out, const char *name, uint64_t value);

/* Adds the blank line and returns the length of the head, which ends in NUL behind that.
 *
 * CV_ESYNTAX   a name or value that must not stand in a head, or a status that is none
 * CV_ETOOLONG  it does not fit */
int cv_http_text_end(struct cv_http_text *out) CV_MUST_USE;

#endif
