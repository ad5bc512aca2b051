#ifndef CV_HTTP_SITE_CORE_H
#define CV_HTTP_SITE_CORE_H

#include <libwebsockets.h>

#include "base/list.h"
#include "http/site.h"

/* Private to the site's files. */

#define CV_SITE_LISTENERS_MAX 8
#define CV_SITE_PIECE         ((size_t)16 * 1024) /* of what goes out, a callback */
#define CV_SITE_PROTOCOL      "http"

struct cv_site_door {
    struct cv_site *site;
    struct cv_listener *listener;
    bool is_unix;
};

/* A connection. */
struct cv_site_caller {
    struct cv_list waiting;          /* in the site's while it owes the head of a request */
    const struct cv_site_door *door; /* borrowed */
    struct lws *wsi;                 /* borrowed */
};

struct cv_site {
    struct cv_loop *loop; /* borrowed */
    cv_site_handle *handle;
    void *ctx; /* borrowed */
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    struct cv_site_door doors[CV_SITE_LISTENERS_MAX];
    size_t door_count;
    unsigned caller_count, waiting_count;
    struct cv_list waiting; /* callers; who has waited for longest is first */
    struct cv_list exchanges;
    struct cv_site_talks talks;
    struct cv_list talking;
    unsigned talk_count; /* of those that the owner has heard of */
    uint64_t next_id;    /* of requests and sockets */
    void *loops[1];
};

/* A request as it is handed on, with the headers that it borrows. */
struct cv_site_look {
    struct cv_site_request request;
    char host[CV_SITE_HEADER_MAX], origin[CV_SITE_HEADER_MAX];
    char authorization[CV_SITE_HEADER_MAX], encodings[CV_SITE_HEADER_MAX];
};

/* False when a header is too long. @path is borrowed. */
bool cv_site_look(struct cv_site_look *look, struct lws *wsi, const char *path);

/* site_talk.c: the callbacks of libwebsockets that are about WebSockets; 0, or nonzero to close. */
int cv_site_talk(struct lws *wsi, enum lws_callback_reasons reason, const void *in, size_t len);

/* A WebSocket that has only to answer our close frame, each once; NULL: there is none. */
struct lws *cv_site_talk_leaving(struct cv_site *site);

static inline struct cv_site *cv_site_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

#endif
