#ifndef CV_BASE_REASON_H
#define CV_BASE_REASON_H

#include <stdbool.h>

/* Why a connection ended: name, counter, whether it is an error, text for people. The only such
 * table. */
#define CV_REASON_MAP(X)                                                                    \
    X(CV_REASON_NONE, "none", false, "still open")                                          \
    X(CV_REASON_EOF, "eof", false, "ended in order")                                        \
    X(CV_REASON_LOCAL, "local", true, "the local socket failed")                            \
    X(CV_REASON_REMOTE, "remote", true, "the other end reported an error")                  \
    X(CV_REASON_REFUSED, "refused", true, "not allowed by this end")                        \
    X(CV_REASON_DIAL, "dial", true, "the target could not be dialled")                      \
    X(CV_REASON_CAP, "cap", true, "the other end kept sending after it was asked to pause") \
    X(CV_REASON_BUDGET, "budget", true, "the buffer budget is used up")                     \
    X(CV_REASON_MEMORY, "memory", true, "out of memory")                                    \
    X(CV_REASON_SYNC, "sync", true, "the other end no longer knows the connection")         \
    X(CV_REASON_SESSION, "session", true, "the tunnel session ended")                       \
    X(CV_REASON_KILLED, "killed", true, "ended by an operator")

enum cv_reason {
#define X(name, counter, is_error, text) name,
    CV_REASON_MAP(X)
#undef X
        CV_REASON_COUNT
};

const char *cv_reason_name(enum cv_reason reason);
const char *cv_reason_text(enum cv_reason reason);
bool cv_reason_is_error(enum cv_reason reason);

#endif
