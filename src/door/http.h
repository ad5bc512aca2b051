#ifndef CV_DOOR_HTTP_H
#define CV_DOOR_HTTP_H

#include <stdbool.h>

#include "base/attr.h"

/* Heads of HTTP/1.0 and 1.1 messages (RFC 9110, RFC 9112), read by llhttp in its strict mode with
 * our own checks around it: whatever two programs in a row could read differently is refused, not
 * repaired.
 *
 *   head   start line, headers and the blank line behind them; what follows is the caller's
 *   slice  text inside the caller's buffer: borrowed, not ended by NUL, dead when that buffer
 * changes */

#define CV_HTTP_HEAD_MAX    ((size_t)16 * 1024) /* bytes of a head, its blank line included */
#define CV_HTTP_LINE_MAX    ((size_t)8 * 1024)  /* bytes of one line, without its CRLF */
#define CV_HTTP_HEADERS_MAX 64

struct cv_slice {
    const char *at;
    size_t len;
};

struct cv_http_header {
    struct cv_slice name;  /* a token, in the case that it came in */
    struct cv_slice value; /* without blanks around it; may be empty */
};

struct cv_http_head {
    struct cv_slice method; /* requests */
    struct cv_slice target; /* requests: as it came, never empty */
    struct cv_slice host;   /* requests: the Host header; empty when HTTP/1.0 came without */
    int status;             /* responses: 100 to 599 */
    struct cv_slice reason; /* responses: as it came; may be empty */
    int minor;              /* of the version HTTP/1.x: 0 or 1 */
    int64_t content_length; /* bytes; -1 when there is no such header */
    bool chunked;           /* Transfer-Encoding: chunked; content_length is -1 then */
    bool keep_alive; /* what version and Connection say; a response without length ends by closing
                        anyhow */
    bool upgrade;    /* Connection holds "upgrade" and there is an Upgrade header */
    bool websocket;  /* upgrade, and Upgrade holds "websocket" */
    struct cv_http_header headers[CV_HTTP_HEADERS_MAX];
    size_t header_count;
    const char *error; /* static text of what is wrong, after an error; else NULL */
    int refusal; /* requests, after an error: the status to answer with (400, 414, 431, 505) */
};

/* Reads the head of a request from the first @len bytes of a connection; *@head_len is its length.
 * The same bytes may be offered again with more behind them; a cut head is refused as soon as what
 * is there cannot become right.
 *
 * CV_EMORE     the head is not complete
 * CV_ESYNTAX   not a head that we accept
 * CV_ETOOLONG  over CV_HTTP_HEAD_MAX, CV_HTTP_LINE_MAX or CV_HTTP_HEADERS_MAX
 *
 * Refused besides what RFC 9112 forbids: an empty line in front, CR or LF alone, NUL and control
 * bytes, folded headers, blanks around a name, Content-Length that is signed, repeated or beside
 * Transfer-Encoding, any coding but chunked, a Host that is missing in 1.1, repeated, odd, or
 * another than the target's authority, a target with a fragment. */
int cv_http_request_parse(struct cv_http_head *out, const char *buf, size_t len,
                          size_t *head_len) CV_MUST_USE;

/* As cv_http_request_parse(), for a response. Whether a body follows also depends on the request's
 * method: none after HEAD, nor with a status of 1xx, 204 or 304; without length and not chunked it
 * ends where the connection does. */
int cv_http_response_parse(struct cv_http_head *out, const char *buf, size_t len,
                           size_t *head_len) CV_MUST_USE;

/* The value of the first header of that name, in any case of letters; NULL when there is none. */
const struct cv_slice *cv_http_find(const struct cv_http_head *head, const char *name);

/* Whether the comma-separated lists in all headers of that name hold @token, in any case of
 * letters. */
bool cv_http_has_token(const struct cv_http_head *head, const char *name, const char *token);

/* Whether a page of another site made a browser send this: there is an Origin (RFC 6454), and it is
 * not http or https with the authority of Host. `null` and whatever else is odd counts as another
 * site; a request without Origin is no browser's, or nothing that a page may read or change. */
bool cv_http_is_cross_site(const struct cv_http_head *head);

/* Whether @slice is @text, in any case of ASCII letters. */
bool cv_slice_is(struct cv_slice slice, const char *text);

/* Parts a target into its path, which starts with a slash, and its query without the question mark
 * (`at` is NULL when there is no question mark). The scheme and authority of an absolute form are
 * left out.
 *
 * CV_ESYNTAX  the target of CONNECT, or `*`: it has no path */
int cv_http_target_split(struct cv_slice target, struct cv_slice *path,
                         struct cv_slice *query) CV_MUST_USE;

/* Takes the next segment off a path: what lies behind its leading slash, up to the next one. False
 * at the end. A path that ends in a slash has an empty last segment. */
bool cv_http_path_next(struct cv_slice *path, struct cv_slice *segment);

/* Decodes the percent escapes of a segment into @out (of @size bytes), ended by NUL; returns the
 * length without it. The result may hold any byte but NUL: slashes, dots and control bytes are the
 * caller's to judge.
 *
 * CV_ESYNTAX   an escape that is not % and two hexadecimal digits, or a NUL
 * CV_ETOOLONG  it does not fit */
int cv_http_unescape(char *out, size_t size, struct cv_slice segment) CV_MUST_USE;

#endif
