#ifndef CV_HTTP_SITE_H
#define CV_HTTP_SITE_H

#include "net/listener.h"

/* A small HTTP server for operators and their tools, by libwebsockets on our loop: requests without
 * a body, and answers that may come later. Its listeners are ours, so that running out of
 * descriptors is met as everywhere else. */
struct cv_site;

#define CV_SITE_PATH_MAX   512 /* bytes of a path; a longer one is answered 414 */
#define CV_SITE_HEADER_MAX 512 /* of a header that is looked at; a longer one is answered 431 */

/* Connections. One more, and who has been without a whole request for longest makes room, or who
 * takes longest over its answer. */
#define CV_SITE_WAITING_MAX 128 /* without a whole request */
#define CV_SITE_CALLERS_MAX 192 /* in all */

/* Everything is borrowed for the call. What was not sent is "". */
struct cv_site_request {
    const char *method;
    const char *path; /* decoded, without the query */
    const char *host, *origin, *authorization, *encodings;
    bool has_body; /* it was not read, and the connection ends with the answer */
    bool is_unix;  /* by a unix socket: only who may open that comes this way */
};

/* WebSockets at one path: what comes in are short messages, and what goes out is one text after
 * another. A socket is named by @id, in all calls on the loop's thread. */
#define CV_SITE_TALKS_MAX   16   /* at once; one more is closed with 1013 */
#define CV_SITE_MESSAGE_MAX 1024 /* bytes; a longer one closes with 1009 */
#define CV_SITE_TALK_WAIT   5    /* seconds until it is told something for the first time */
#define CV_SITE_TALK_STALL  20   /* for one that takes nothing of what it is told */

struct cv_site_talks {
    const char *path; /* NULL: none */

    /* Whether it may be opened at all; refused by the end of the connection. */
    bool (*may)(void *ctx, const struct cv_site_request *request);
    void (*opened)(void *ctx, uint64_t id);
    void (*heard)(void *ctx, uint64_t id, const char *text, size_t len);
    void (*told)(void *ctx, uint64_t id); /* the text is out: there is room for the next */
    void (*closed)(void *ctx, uint64_t id);
};

/* A text that any number of sockets are told. */
struct cv_site_text;

/* Copies; counted once. NULL without memory. */
struct cv_site_text *cv_site_text_new(const char *text, size_t len);
struct cv_site_text *cv_site_text_ref(struct cv_site_text *text);
void cv_site_text_unref(struct cv_site_text *text); /* NULL is fine */

/* @id names the request for cv_site_answer(), which may be called before this returns or later, on
 * the loop's thread, once. */
typedef void cv_site_handle(void *ctx, uint64_t id, const struct cv_site_request *request);

struct cv_site_answer {
    unsigned status;
    const char *type;     /* of the body, as in Content-Type */
    const char *allow;    /* of a 405; else NULL */
    const char *encoding; /* of the body; NULL: none */
    const char *policy;   /* Content-Security-Policy; NULL: nothing at all */
    const void *body;
    size_t len;
};

/* @loop and @ctx are borrowed; @talks is copied. Returns 0, -ENOMEM, or -EIO when libwebsockets
 * does not start. */
int cv_site_new(struct cv_site **out, struct cv_loop *loop, cv_site_handle *handle,
                const struct cv_site_talks *talks, void *ctx) CV_MUST_USE;

/* One more listener; errors are those of cv_listener_new(). */
int cv_site_listen(struct cv_site *site, const char *address) CV_MUST_USE;

/* Where the listener with that index listens; NULL behind the last. */
const char *cv_site_address(const struct cv_site *site, size_t index);

/* Answers; everything is copied. Nothing happens when the client has gone in the meantime. */
void cv_site_answer(struct cv_site *site, uint64_t id, const struct cv_site_answer *answer);

/* Starts to tell a socket something, which is counted once more for it. Returns 0, -EBUSY while the
 * text before is not out, or -ENOENT. */
int cv_site_tell(struct cv_site *site, uint64_t id, struct cv_site_text *text) CV_MUST_USE;

/* Closes a socket with @code, at once: what it was being told is cut. `closed` is called within:
 * the place of one that does not answer the close frame is free, too. */
void cv_site_hang_up(struct cv_site *site, uint64_t id, unsigned code);

/* Ends all listeners and connections; the loop must run on until that is done. Requests that were
 * not answered never are. NULL is fine. */
void cv_site_close(struct cv_site *site);

/* Frees it, after cv_site_close() and when the loop has run down. NULL is fine. */
void cv_site_free(struct cv_site *site);

#endif
