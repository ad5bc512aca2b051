#ifndef CV_HTTP_DIAL_REQUEST_H
#define CV_HTTP_DIAL_REQUEST_H

#include "access/target.h"
#include "base/key.h"
#include "session/session.h"

#define CV_DIAL_REQUEST_MAX 300 /* bytes of `proto/address`, and some more */

/* What a Connect asks for at a server, in the session of a peer or of a visitor: `client::proto`
 * and an address. */
struct cv_dial_request {
    char client[CV_KEY_MAX + 1];
    enum cv_proto proto;
    struct cv_target parsed;                    /* borrowed from target */
    char target[CV_DIAL_REQUEST_MAX], *address; /* behind the proto in target */
};

/* Reads @event, a CV_EVENT_CONNECT. Returns NULL, or what is wrong with it (static). */
const char *cv_dial_request_read(struct cv_dial_request *out, const struct cv_session_event *event);

#endif
