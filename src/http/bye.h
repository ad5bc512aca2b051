#ifndef CV_HTTP_BYE_H
#define CV_HTTP_BYE_H

#include "config/values.h"
#include "net/loop.h"
#include "rendezvous/rooms.h"

/* Tells a room server of each client that is gone, as collider does: `POST URL/bye/ROOM/CLIENT`
 * without a body, and any 2xx will do. Nobody waits for it, and nothing is told a second time: what
 * fails, or does not fit, is counted and logged. */
struct cv_bye;

#define CV_BYE_MAX 64 /* requests under way at once; what comes besides is lost */

/* @loop and @url, of cv_take_http_url, are borrowed. Returns 0 or -ENOMEM. */
int cv_bye_new(struct cv_bye **out, struct cv_loop *loop, const struct cv_url *url) CV_MUST_USE;

/* Ids may hold any bytes: all but letters, digits and -._~ are sent as %XX. */
void cv_bye_tell(struct cv_bye *bye, struct cv_rooms_text room, struct cv_rooms_text client);

/* Gives up what is under way, and tells nothing any more; the loop has nothing left of it after its
 * next turns. NULL is fine. */
void cv_bye_close(struct cv_bye *bye);

/* After the loop has ended. NULL is fine. */
void cv_bye_free(struct cv_bye *bye);

#endif
