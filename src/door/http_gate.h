#ifndef CV_DOOR_HTTP_GATE_H
#define CV_DOOR_HTTP_GATE_H

#include "base/key.h"
#include "door/http.h"

/* The path of the HTTP door: `/client/{id}/{scheme}/{host}[/{path}]`, behind which the target's own
 * path and query follow as they are. */

#define CV_HTTP_GATE_HOST_MAX 262 /* `name:port`, `[address]:port` */
#define CV_HTTP_GATE_WAIT     15  /* seconds, without timeout= */
#define CV_HTTP_GATE_WAIT_MAX 3600

struct cv_http_gate {
    char client[CV_KEY_MAX + 1]; /* a valid client key */
    bool https;
    char host[CV_HTTP_GATE_HOST_MAX + 1]; /* as it stood in the path, escapes decoded: for Host */
    char address[CV_HTTP_GATE_HOST_MAX + 6 + 1]; /* the same, always with a port: for a Connect; the
                                                    caller checks that it is a target */
    struct cv_slice path;                        /* of the target, borrowed; starts with a slash */
    const char *error;                           /* static, after an error */
};

/* Whether a path is the door's: it starts with `/client/`. */
bool cv_http_gate_is(struct cv_slice path);

/* Reads a path that is the door's.
 *
 * CV_ESYNTAX  see out->error */
int cv_http_gate_parse(struct cv_http_gate *out, struct cv_slice path) CV_MUST_USE;

/* How many seconds a query wants to wait: the value of its first `timeout=` when that is a number
 * of at least 1, cut at CV_HTTP_GATE_WAIT_MAX; else CV_HTTP_GATE_WAIT, for the target may have a
 * parameter of that name itself. */
unsigned cv_http_gate_wait(struct cv_slice query);

#endif
