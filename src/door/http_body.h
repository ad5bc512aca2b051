#ifndef CV_DOOR_HTTP_BODY_H
#define CV_DOOR_HTTP_BODY_H

#include "door/http.h"

/* Where the body of a message ends (RFC 9112, 6 and 7): payload is taken off one connection and put
 * on another, whose framing is our own, so that nothing but payload crosses. */

enum cv_http_framing {
    CV_HTTP_NO_BODY,
    CV_HTTP_LENGTH,  /* Content-Length */
    CV_HTTP_CHUNKED, /* Transfer-Encoding: chunked; extensions and trailers are dropped */
    CV_HTTP_CLOSE,   /* ends where the connection does: responses only */
};

#define CV_HTTP_CHUNK_LINE_MAX 256                /* bytes of a chunk's first line */
#define CV_HTTP_TRAILERS_MAX   ((size_t)8 * 1024) /* bytes behind the last chunk */

/* A body that is being read. */
struct cv_http_body {
    enum cv_http_framing framing;
    bool done;         /* everything was taken; never of CV_HTTP_CLOSE, whose end the caller sees */
    uint64_t left;     /* bytes to come: of the whole, or of this chunk */
    unsigned state;    /* of a chunked one */
    size_t line;       /* bytes of the line, or of all trailers, so far */
    const char *error; /* static text after an error */
};

/* @head is accepted. */
void cv_http_body_of_request(struct cv_http_body *out, const struct cv_http_head *head);

/* The same for a response; @to_head: its request was HEAD. Not for 101, behind which everything is
 * another protocol's. */
void cv_http_body_of_response(struct cv_http_body *out, const struct cv_http_head *head,
                              bool to_head);

/* Takes from the first @len (> 0, at most INT_MAX) bytes up to one piece of payload. Returns how
 * many bytes were dealt with, 0 only when the body is done; *@payload, inside @buf, may be empty.
 *
 * CV_ESYNTAX   chunks that are none
 * CV_ETOOLONG  over CV_HTTP_CHUNK_LINE_MAX or CV_HTTP_TRAILERS_MAX, or a chunk over 2^60 bytes */
int cv_http_body_read(struct cv_http_body *body, const char *buf, size_t len,
                      struct cv_slice *payload) CV_MUST_USE;

/* The first line of a chunk of @len (> 0) bytes; returns its length. Behind the payload comes
 * CV_HTTP_CHUNK_END, behind the last chunk CV_HTTP_LAST_CHUNK. */
#define CV_HTTP_CHUNK_HEAD_MAX 18
#define CV_HTTP_CHUNK_END      "\r\n"
#define CV_HTTP_LAST_CHUNK     "0\r\n\r\n"
size_t cv_http_chunk_head(char out[CV_HTTP_CHUNK_HEAD_MAX], size_t len);

#endif
