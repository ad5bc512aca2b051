#ifndef CV_ACCESS_PUBLISH_H
#define CV_ACCESS_PUBLISH_H

#include "access/target.h"

/* What an agent may ask the server to expose, and what it asks for.
 *
 *   pattern      `tcp:PORTS` or `http:NAME`: of a credential, or of the server's operator
 *   publication  `tcp:PORT=HOST:PORT` or `http:NAME=HOST:PORT`: what the agent asks for
 *
 * PORTS is a port, a range `8000-8100`, or `*` for all from CV_PUBLISH_PORT_FREE on: the privileged
 * ones below it are permitted only where a pattern names them. NAME is a DNS name, in a pattern
 * also
 * `*.` and a name for all that end so, or `*` for all. */

#define CV_PUBLISH_MAX       16  /* publications of one session */
#define CV_PUBLISH_TEXT_MAX  540 /* bytes of one that is asked for */
#define CV_PUBLISH_PORT_FREE 1024

/* A pattern. */
struct cv_publish {
    bool http; /* else a TCP port */
    bool any;  /* http: whatever name ends in `name`, the dot in front of it included */
    uint16_t port_low, port_high; /* tcp */
    struct cv_span name;          /* http; borrowed */
};

/* Reads a pattern, which is borrowed. CV_ESYNTAX: see @problem (static). */
int cv_publish_parse(struct cv_publish *out, struct cv_span text, const char **problem) CV_MUST_USE;

/* Everything is borrowed from the text that it was read from. */
struct cv_publication {
    bool http;           /* else a TCP port */
    uint16_t port;       /* tcp */
    struct cv_span name; /* http; without a dot at its end */
    struct cv_span what; /* the whole up to the sign */
    struct cv_target target;
    struct cv_span address; /* of the target, as it was written */
};

/* CV_ESYNTAX: see @problem (static). */
int cv_publication_parse(struct cv_publication *out, struct cv_span text,
                         const char **problem) CV_MUST_USE;

/* Whether two ask for the same port or name. */
bool cv_publication_same(const struct cv_publication *a, const struct cv_publication *b);

bool cv_publish_permits(const struct cv_publish *pattern, const struct cv_publication *asked);

#endif
