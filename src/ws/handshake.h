#ifndef CV_WS_HANDSHAKE_H
#define CV_WS_HANDSHAKE_H

#include "base/attr.h"

/* The text of RFC 6455's opening handshake. Reading heads is the door layer's work, and SHA-1 and
 * base64 come from the caller: this layer knows only what must stand where. */

/* Append to a client's key before hashing with SHA-1 (RFC 6455, 1.3). */
#define CV_WS_GUID       "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define CV_WS_KEY_LEN    24 /* base64 of 16 random bytes */
#define CV_WS_ACCEPT_LEN 28 /* base64 of a SHA-1 */

/* One further header of a request or response, borrowed. The name is a token; the value holds no
 * control character but the tab, so that nothing can smuggle in a line of its own. */
struct cv_ws_header {
    const char *name, *value;
};

struct cv_ws_request {
    const char *host;   /* Host header: name or [v6], with the port unless it is the scheme's own */
    const char *target; /* path and query, starting with a slash */
    const char *key;    /* CV_WS_KEY_LEN characters */
    const struct cv_ws_header *headers;
    size_t header_count;
};

/* Writes the client's request to @out, ended by NUL; returns its length without it.
 *
 * CV_ETOOLONG  it does not fit into @size; what was written is cut
 * CV_ESYNTAX   a part holds a CR, a LF or another control character, a name is not a token; or the
 *              host, target or key is empty or holds a blank, or the target has no slash first */
int cv_ws_request_encode(char *out, size_t size, const struct cv_ws_request *request) CV_MUST_USE;

/* Writes the server's 101 with @accept (CV_WS_ACCEPT_LEN characters); errors as above. */
int cv_ws_response_encode(char *out, size_t size, const char *accept,
                          const struct cv_ws_header *headers, size_t header_count) CV_MUST_USE;

#endif
