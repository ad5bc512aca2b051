#ifndef CV_ACCESS_TARGET_H
#define CV_ACCESS_TARGET_H

#include <stdbool.h>

#include "base/attr.h"

#define CV_HOST_MAX      253 /* bytes of a DNS name */
#define CV_UNIX_PATH_MAX 107 /* bytes of a socket's path: sun_path without its NUL */

enum cv_proto { CV_PROTO_TCP, CV_PROTO_UDP, CV_PROTO_UNIX };

/* `tcp`, `udp` or `unix`, as it stands in a Connect. */
const char *cv_proto_name(enum cv_proto proto);

/* What somebody asks to dial; borrowed from the text that it was read from. */
struct cv_target {
    enum cv_proto proto;
    const char
        *host; /* name or address as asked for, without brackets; of a unix target its path */
    size_t host_len;
    uint16_t port; /* 1 to 65535; 0 of a unix target */
};

/* Reads `[tcp/|udp/]HOST:PORT`, with IPv6 in brackets, or `unix/PATH`. On failure *@problem
 * (static) says what is wrong with it.
 *
 * CV_ESYNTAX  not a target */
int cv_target_parse(struct cv_target *out, const char *text, size_t len,
                    const char **problem) CV_MUST_USE;

/* The parts that patterns and targets share: @text is cut to what is left. */
struct cv_span {
    const char *at; /* borrowed, not ended by NUL */
    size_t len;
};

/* Where @byte stands last in @text, or NULL. */
const char *cv_span_last(struct cv_span text, char byte);

/* Takes @prefix off @text; whether it stood there. */
bool cv_span_take(struct cv_span *text, const char *prefix);

/* Whether two names are the same, in whatever case of ASCII. */
bool cv_span_same(struct cv_span a, struct cv_span b);

/* Takes a leading `tcp/`, `udp/` or `unix/` off @text; without one it is TCP. */
enum cv_proto cv_proto_take(struct cv_span *text);

/* Splits `HOST:PORT` at its last colon, or behind the bracket; *@bracketed says that @host stood in
 * brackets, which are left out. @problem as above.
 *
 * CV_ESYNTAX  no port, or IPv6 without brackets */
int cv_host_split(struct cv_span *host, struct cv_span *port, bool *bracketed, struct cv_span text,
                  const char **problem) CV_MUST_USE;

/* Reads a port of @min to 65535. */
bool cv_port_parse(uint16_t *out, struct cv_span text, unsigned min) CV_MUST_USE;

/* Whether @host has the form of a DNS name (RFC 1123 labels, and underscores); one dot may end it.
 */
bool cv_name_valid(struct cv_span host);

/* NULL when @path can be a socket's, else what is wrong with it (static). */
const char *cv_unix_path_problem(struct cv_span path);

#endif
