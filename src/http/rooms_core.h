#ifndef CV_HTTP_ROOMS_CORE_H
#define CV_HTTP_ROOMS_CORE_H

#include <libwebsockets.h>

#include "base/list.h"
#include "http/demo.h"
#include "http/rooms.h"
#include "net/listener.h"
#include "net/timer.h"
#include "rendezvous/token.h"

/* Private to the rooms on libwebsockets. */

#define CV_ROOMS_ANSWER_MAX 1024 /* bytes of a short answer's body */

struct cv_rooms_server {
    struct cv_rooms_server_config config;
    struct cv_rooms *rooms;
    struct cv_listener *listener;
    struct cv_timer *timer;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct cv_room_guest *adopting; /* see on_accepted() */
    size_t guests;
    struct cv_list talkers;             /* guests with a WebSocket */
    bool leaving;                       /* they are told to go, and the timer says for how long */
    uint64_t since;                     /* when it was opened */
    uint64_t hoards;                    /* that the log has heard of */
    uint8_t secret[CV_ROOM_SECRET_MAX]; /* of config.secret_len bytes */
};

enum cv_room_method { CV_ROOM_POST, CV_ROOM_DELETE, CV_ROOM_HEAD, CV_ROOM_OTHER };

/* One connection, from its socket to its end, whatever is spoken on it. */
struct cv_room_guest {
    struct cv_rooms_server *server; /* borrowed */
    struct cv_peer from;
    /* HTTP: the request that is being read or answered */
    enum cv_room_method method;
    struct cv_rooms_text room, client; /* in path; room.len 0: not a place */
    char *path;                        /* owned */
    bool leave;                        /* close after the answer */
    char answer[CV_ROOMS_ANSWER_MAX];
    size_t answer_len;
    const struct cv_embedded
        *file; /* of which the answer is what is left after file_sent; or NULL */
    size_t file_sent;
    /* the body, or the message so far */
    char *in; /* owned */
    size_t in_len, in_size;
    bool too_long;
    /* WebSocket */
    struct cv_list talker;
    struct lws *wsi; /* NULL: none yet */
    uint64_t end;    /* of cv_rooms_open() */
    bool closing;    /* its close frame is on its way */
};

/* Does what the rooms want done since they were last asked. */
void cv_rooms_server_settle(struct cv_rooms_server *server);

/* @guest has a WebSocket from now on. */
void cv_rooms_server_greet(struct cv_rooms_server *server, struct cv_room_guest *guest);

/* Adds to guest->in; false, and too_long, beyond @max or without memory. */
bool cv_room_guest_store(struct cv_room_guest *guest, const void *data, size_t len, size_t max);
void cv_room_guest_forget(struct cv_room_guest *guest);

/* Whether the request's Origin may use rooms; without one it may. @origin gets it, or "". */
bool cv_room_origin_allowed(const struct cv_rooms_server *server, struct lws *wsi, char *origin,
                            size_t size);

/* The callbacks of libwebsockets that are about HTTP and about WebSockets; 0, or nonzero to close.
 */
int cv_room_http(struct cv_room_guest *guest, struct lws *wsi, enum lws_callback_reasons reason,
                 void *in, size_t len);
int cv_room_ws(struct cv_room_guest *guest, struct lws *wsi, enum lws_callback_reasons reason,
               void *in, size_t len);

#endif
