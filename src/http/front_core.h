#ifndef CV_HTTP_FRONT_CORE_H
#define CV_HTTP_FRONT_CORE_H

#include "base/key.h"
#include "base/list.h"
#include "http/front.h"
#include "net/address.h"
#include "net/log.h"
#include "net/timer.h"

/* Private to the front door's files. */

#define CV_KNOCK_ANSWER_MAX 1024

struct cv_front {
    struct cv_front_config config;
    struct cv_list knocks;
    size_t pending;
    bool expects_tls; /* see cv_front_expect_tls() */
    bool draining;
};

/* A connection whose request is being read or answered. */
struct cv_knock {
    struct cv_list link;
    struct cv_loop *loop;   /* borrowed; outlives the front */
    struct cv_front *front; /* borrowed */
    struct cv_stream *stream;
    struct cv_timer *timer; /* owned */
    char peer[CV_ADDRESS_SIZE];
    char *buf; /* owned */
    size_t len, size;
    size_t head_len;
    char answer[CV_KNOCK_ANSWER_MAX];
    char *page; /* owned: what is sent in its place; NULL: nothing */
    size_t answer_len, answer_sent;
    bool hello;   /* what comes is looked at as a ClientHello, before anything else */
    bool passed;  /* its place in the limits has gone elsewhere */
    bool welcome; /* the answer is 101 */
    bool is_peer;
    bool is_visitor;
    bool culvert;
    unsigned features;
    char version[CV_AGENT_VERSION_MAX + 1]; /* of the agent; empty: it did not say */
    char *publish;                          /* owned: see struct cv_front_guest */
    char key[CV_KEY_MAX + 1];
    bool has_digest;
    uint8_t digest[CV_TOKEN_DIGEST];
    char subject[CV_SUBJECT_MAX + 1]; /* of the certificate that let it in; else empty */
};

/* front_knock.c: from an accepted socket to a whole head. */

/* Ends a knock; its stream has gone elsewhere or is closed here. */
void cv_knock_leave(struct cv_knock *knock);

/* front.c: what becomes of the request. */

/* Deals with the request; the knock may be gone afterwards. */
void cv_knock_answer(struct cv_knock *knock, const struct cv_http_head *head);

/* Answers with a status and a line of text, and closes. */
void cv_knock_refuse(struct cv_knock *knock, int status, const char *why);

/* Goes on with the answer. */
void cv_knock_send(struct cv_knock *knock);

#endif
