#ifndef CV_DOOR_SOCKS_H
#define CV_DOOR_SOCKS_H

#include <stdbool.h>

#include "base/attr.h"

/* The server's half of SOCKS5 (RFC 1928) with user and password (RFC 1929), without I/O: whoever
 * holds the bytes that came so far asks for the next message, and says what is to be answered.
 *
 *   visitor          door
 *   hello            method that the door picks
 *   user, password   yes or no                     (only with CV_SOCKS_PASSWORD)
 *   request          reply
 *
 * Each reader returns the bytes that the message takes at the start of @in.
 *
 * CV_EMORE   it is cut short: ask again with more
 * CV_EPROTO  not SOCKS5: close */

#define CV_SOCKS_MESSAGE_MAX 513 /* bytes of the longest one: user and password */

/* Methods of authentication (RFC 1928, 3). */
#define CV_SOCKS_NO_AUTH  0x00
#define CV_SOCKS_PASSWORD 0x02
#define CV_SOCKS_NONE     0xff /* answer: none of them will do */

/* The first message: which of the two methods above are offered. */
struct cv_socks_hello {
    bool no_auth, password;
};

int cv_socks_hello_read(struct cv_socks_hello *out, const uint8_t *in, size_t len) CV_MUST_USE;

#define CV_SOCKS_METHOD_LEN 2
void cv_socks_method_write(uint8_t out[CV_SOCKS_METHOD_LEN], uint8_t method);

/* Borrowed from @in; not ended by NUL, any bytes. */
struct cv_socks_login {
    const char *user, *password;
    size_t user_len, password_len; /* 0 to 255 */
};

int cv_socks_login_read(struct cv_socks_login *out, const uint8_t *in, size_t len) CV_MUST_USE;

#define CV_SOCKS_VERDICT_LEN 2
void cv_socks_verdict_write(uint8_t out[CV_SOCKS_VERDICT_LEN], bool yes);

/* Replies of our own (RFC 1928, 6); the others come from door/failure.h. */
enum cv_socks_reply {
    CV_SOCKS_OK = 0,
    CV_SOCKS_FAILURE = 1,
    CV_SOCKS_DENIED = 2,
    CV_SOCKS_NO_COMMAND = 7,
    CV_SOCKS_NO_ADDRESS_TYPE = 8,
};

#define CV_SOCKS_ADDRESS_MAX 262 /* a name of 255 bytes, a colon, a port, a NUL */

/* What is asked for. When @problem is not CV_SOCKS_OK the request is to be answered with that and
 * closed: a command other than CONNECT (BIND and UDP ASSOCIATE are not spoken here), an address of
 * no known type, a name that is none, port 0. */
struct cv_socks_request {
    enum cv_socks_reply problem;
    const char *text;                   /* of the problem; static */
    char address[CV_SOCKS_ADDRESS_MAX]; /* HOST:PORT, IPv6 in brackets */
};

int cv_socks_request_read(struct cv_socks_request *out, const uint8_t *in, size_t len) CV_MUST_USE;

/* The bound address of a reply is 0.0.0.0:0: where the agent dialled from concerns nobody here. */
#define CV_SOCKS_REPLY_LEN 10
void cv_socks_reply_write(uint8_t out[CV_SOCKS_REPLY_LEN], uint8_t reply);

#endif
