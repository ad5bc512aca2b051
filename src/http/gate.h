#ifndef CV_HTTP_GATE_H
#define CV_HTTP_GATE_H

#include "access/credential.h"
#include "base/key.h"
#include "net/log.h"
#include "net/loop.h"

/* Doors at which a visitor says first where to: SOCKS5, and HTTP's CONNECT. A gate reads what is
 * said on each accepted socket, asks for a password, and hands the socket on together with the
 * target; it does not dial. User name is the client key, password a visitor's token. */
struct cv_gate;

#define CV_GATE_ADDRESS_MAX 262 /* HOST:PORT and a NUL */

/* One who may come through and said where to. */
struct cv_gate_visit {
    int fd;                    /* the callee's */
    const char *peer, *client; /* the peer's place in the limits is the callee's too */
    const char *address;       /* HOST:PORT */
    const void *early;         /* bytes for the target that came already */
    size_t early_len;
    const uint8_t *digest; /* of the visitor's token, CV_TOKEN_DIGEST bytes; NULL where anyone may
                              come in */
    bool silent;           /* the target itself answers first: only a failure is told */
};

struct cv_gate_call;
struct cv_gate_config;

/* What a gate speaks. */
struct cv_gate_protocol {
    /* Looks at what came, changes @call, and returns how many bytes are done with. What is in
     * call->out is said afterwards.
     *
     * CV_EMORE    it is cut short
     * CV_ECLOSED  call->out is the last word
     * CV_EPROTO   nothing can be said */
    int (*read)(struct cv_gate_call *call, const char *in, size_t len);
    size_t in_max; /* bytes of the longest message */
};

extern const struct cv_gate_protocol cv_gate_socks, cv_gate_http;

struct cv_gate_config {
    struct cv_loop *loop; /* borrowed */
    const struct cv_gate_protocol *protocol;
    const char *name;   /* for the log; borrowed */
    const char *client; /* borrowed; whose gate it is: then no login is asked for. NULL: the
                           visitor says */

    /* Borrowed, and may be another table at each call: credentials are reloaded. NULL: anyone may
     * come in. */
    const struct cv_credentials *(*credentials)(void *ctx);

    /* Whether one more of @peer may come in; `left` gives its place back, unless it goes on with
     * the visit. */
    bool (*may_enter)(void *ctx, const char *peer);
    void (*left)(void *ctx, const char *peer);
    void (*visit)(void *ctx, const struct cv_gate_visit *visit); /* borrowed for the call */
    void (*refused)(void *ctx); /* a login was. NULL: nobody counts */
    void *ctx;                  /* borrowed */
};

#define CV_GATE_WAIT        (10 * CV_SEC) /* until the visitor has said where to */
#define CV_GATE_CALLERS_MAX 1024          /* who have not: one more, and the oldest goes */

/* Returns 0 or -ENOMEM. @config is copied. */
int cv_gate_new(struct cv_gate **out, const struct cv_gate_config *config) CV_MUST_USE;

/* Takes an accepted socket; see cv_listener_accepted. @ctx is the gate. */
void cv_gate_accepted(void *ctx, int fd, const char *peer);

/* Drops those who have not said where to. NULL is fine. */
void cv_gate_free(struct cv_gate *gate);

/* What the protocols share. */

#define CV_GATE_ANSWER_MAX 640

struct cv_gate_call {
    const struct cv_gate_config *config; /* borrowed */
    const char *peer;                    /* borrowed */
    unsigned stage;                      /* the protocol's own, 0 at first */
    bool through;                        /* all is said: client and address are filled in */
    bool silent;                         /* see cv_gate_visit */
    char client[CV_KEY_MAX + 1];
    char address[CV_GATE_ADDRESS_MAX];
    bool has_digest;
    uint8_t digest[CV_TOKEN_DIGEST];
    char *early; /* in place of what came behind the bytes done with: a request that was rewritten,
                    from the loop's allocator; the gate's */
    size_t early_len;
    char out[CV_GATE_ANSWER_MAX];
    size_t out_len;
};

/* Whether who says @user and @password may come in; fills in client and digest. Why not is for the
 * log alone, and is written there. @password is not ended by NUL. */
bool cv_gate_login(struct cv_gate_call *call, const char *user, size_t user_len,
                   const char *password, size_t password_len);

/* Logs why a caller is refused. */
void cv_gate_log(const struct cv_gate_call *call, const char *why);

#endif
