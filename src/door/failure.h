#ifndef CV_DOOR_FAILURE_H
#define CV_DOOR_FAILURE_H

#include "base/attr.h"

/* Why a visitor's target was not had: name, word for counters, reply code of SOCKS5 (RFC 1928, 6),
 * status of HTTP (RFC 9110, 15), text. The only such table. */
#define CV_FAILURE_MAP(X)                                                                      \
    X(CV_FAILURE_NONE, "none", 0, 200, "the target answered")                                  \
    X(CV_FAILURE_NO_CLIENT, "no_client", 3, 502, "no session of that client")                  \
    X(CV_FAILURE_DENIED, "denied", 2, 403, "not allowed")                                      \
    X(CV_FAILURE_FULL, "full", 1, 503, "a limit is reached")                                   \
    X(CV_FAILURE_QUOTA, "quota", 1, 429, "a limit of the token is reached")                    \
    X(CV_FAILURE_REFUSED, "refused", 5, 502, "the target refused the connection")              \
    X(CV_FAILURE_NO_HOST, "no_host", 4, 502, "the target's host cannot be reached")            \
    X(CV_FAILURE_NO_NETWORK, "no_network", 3, 502, "the target's network cannot be reached")   \
    X(CV_FAILURE_NO_NAME, "no_name", 4, 502, "the target's name cannot be resolved")           \
    X(CV_FAILURE_TIMEOUT, "timeout", 6, 504, "the target did not answer in time")              \
    X(CV_FAILURE_SESSION, "session", 1, 502, "the client's session ended")                     \
    X(CV_FAILURE_AWAY, "away", 1, 503, "the directory does not answer")                        \
    X(CV_FAILURE_NO_PEER, "no_peer", 1, 502, "the server that has the client does not answer") \
    X(CV_FAILURE_OTHER, "other", 1, 502, "the target could not be dialled")

enum cv_failure {
#define X(name, word, socks, http, text) name,
    CV_FAILURE_MAP(X)
#undef X
        CV_FAILURE_COUNT
};

const char *cv_failure_name(enum cv_failure failure);
uint8_t cv_failure_socks(enum cv_failure failure);
int cv_failure_status(enum cv_failure failure);
const char *cv_failure_text(enum cv_failure failure);

/* What an agent's Error about a dial says: `dial tcp 10.0.0.7:80: connect: connection refused`, in
 * the words of libuv or of Go. CV_FAILURE_OTHER when it says something else; @text is not ended by
 * NUL, may be NULL when @len is 0. */
enum cv_failure cv_failure_read(const char *text, size_t len);

#endif
