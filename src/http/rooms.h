#ifndef CV_HTTP_ROOMS_H
#define CV_HTTP_ROOMS_H

#include "http/bye.h"
#include "net/loop.h"
#include "net/tls.h"
#include "rendezvous/rooms.h"

/* Rooms on a listener of their own, as AppRTC's collider serves them: WebSockets at /ws, POST and
 * DELETE at /ROOM/CLIENT, /status. By libwebsockets, on our loop and on sockets that we accepted.
 */
struct cv_rooms_server;

#define CV_ROOMS_FRAME_MAX                                                 \
    ((size_t)160 * 1024) /* bytes of JSON that a WebSocket may say at once \
                          */

struct cv_rooms_server_config {
    struct cv_loop *loop;       /* borrowed */
    const char *address;        /* as cv_listener_new() takes it */
    struct cv_tls *tls;         /* borrowed; NULL: plain */
    const char *const *origins; /* borrowed: of pages that may come; others, and they alone, are
                                   refused */
    size_t origin_count;        /* 0: all */
    const void *secret;         /* that rooms are signed with; copied; NULL: any room for anyone */
    size_t secret_len;          /* at most CV_ROOM_SECRET_MAX */
    bool demo;                  /* whether /demo is a page that shows what rooms are for */
    struct cv_bye *bye;         /* borrowed: what hears of clients that are gone; or NULL */
    struct cv_rooms_config limits; /* without admit, ctx and tell_gone, which are ours */
};

/* Returns 0, -ENOMEM, or what cv_listener_new() returns; -ENOSYS: libwebsockets'
 * plugin for libuv is missing. */
int cv_rooms_server_new(struct cv_rooms_server **out,
                        const struct cv_rooms_server_config *config) CV_MUST_USE;

/* Where it listens, for logs. */
const char *cv_rooms_server_address(const struct cv_rooms_server *server);

/* Borrowed, to be looked at. */
const struct cv_rooms *cv_rooms_server_rooms(const struct cv_rooms_server *server);

/* Stops listening, closes every WebSocket with code 1012 behind what waits for it, and ends within
 * a second; the loop then has nothing left of it. */
void cv_rooms_server_close(struct cv_rooms_server *server);

/* Once the loop has ended by itself. Closed before, or never run. NULL is fine. */
void cv_rooms_server_free(struct cv_rooms_server *server);

#endif
