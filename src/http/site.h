#ifndef CV_HTTP_SITE_H
#define CV_HTTP_SITE_H

#include "net/listener.h"

/* A small HTTP server for operators and their tools, by libwebsockets on our loop: requests without
 * a body, and answers that may come later. Its listeners are ours, so that running out of
 * descriptors is met as everywhere else. */
struct cv_site;

#define CV_SITE_PATH_MAX   512 /* bytes of a path; a longer one is answered 414 */
#define CV_SITE_HEADER_MAX 512 /* of a header that is looked at; a longer one is answered 431 */

/* Everything is borrowed for the call. What was not sent is "". */
struct cv_site_request {
    const char *method;
    const char *path; /* decoded, without the query */
    const char *host, *origin, *authorization;
    bool has_body; /* it was not read, and the connection ends with the answer */
    bool is_unix;  /* by a unix socket: only who may open that comes this way */
};

/* @id names the request for cv_site_answer(), which may be called before this returns or later, on
 * the loop's thread, once. */
typedef void cv_site_handle(void *ctx, uint64_t id, const struct cv_site_request *request);

struct cv_site_answer {
    unsigned status;
    const char *type;  /* of the body, as in Content-Type */
    const char *allow; /* of a 405; else NULL */
    const void *body;
    size_t len;
};

/* @loop and @ctx are borrowed. Returns 0, -ENOMEM, or -EIO when libwebsockets does not start. */
int cv_site_new(struct cv_site **out, struct cv_loop *loop, cv_site_handle *handle,
                void *ctx) CV_MUST_USE;

/* One more listener; errors are those of cv_listener_new(). */
int cv_site_listen(struct cv_site *site, const char *address) CV_MUST_USE;

/* Where the listener with that index listens; NULL behind the last. */
const char *cv_site_address(const struct cv_site *site, size_t index);

/* Answers; everything is copied. Nothing happens when the client has gone in the meantime. */
void cv_site_answer(struct cv_site *site, uint64_t id, const struct cv_site_answer *answer);

/* Ends all listeners and connections; the loop must run on until that is done. Requests that were
 * not answered never are. NULL is fine. */
void cv_site_close(struct cv_site *site);

/* Frees it, after cv_site_close() and when the loop has run down. NULL is fine. */
void cv_site_free(struct cv_site *site);

#endif
