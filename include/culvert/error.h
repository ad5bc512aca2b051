#ifndef CULVERT_ERROR_H
#define CULVERT_ERROR_H

#include <culvert/api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Error codes. A fallible function returns 0 or a count, or a negative code: -errno of the system
 * (libuv's codes are the same numbers on Linux), or one of ours, from -10000 down. A number keeps
 * its meaning; new ones come at the end. */
#define CV_ERROR_MAP(X)                                                         \
    X(CV_EMORE, -10000, "more bytes are needed")                                \
    X(CV_EPROTO, -10001, "the other end broke the protocol")                    \
    X(CV_ETOOLONG, -10002, "longer than the protocol allows")                   \
    X(CV_ESTALE, -10003, "no such connection or session any more")              \
    X(CV_EFULL, -10004, "a limit is reached")                                   \
    X(CV_ECLOSED, -10005, "closed in order")                                    \
    X(CV_EBADKEY, -10006,                                                       \
      "not a client key: 1 to 79 bytes of A-Z a-z 0-9 . _ @ = + - are allowed") \
    X(CV_EDEAD, -10007, "nothing was heard from the other end for too long")    \
    X(CV_ENOSESSION, -10008, "no session of that client")                       \
    X(CV_EFLOW, -10009, "the other end sent more than it was allowed")          \
    X(CV_EDENIED, -10010, "not allowed")                                        \
    X(CV_ESYNTAX, -10011, "cannot be read")                                     \
    X(CV_EUTF8, -10012, "text that is not UTF-8")                               \
    X(CV_EQUOTA, -10013, "too many connections with that token")                \
    X(CV_ENOTPASSED, -10014, "systemd passed no such socket")                   \
    X(CV_EAWAY, -10015, "the directory does not answer")                        \
    X(CV_ENOPEER, -10016, "the server that has the client does not answer")     \
    X(CV_EREMOTE, -10017, "the other end reported an error")                    \
    X(CV_ELOST, -10018, "the tunnel session ended")

enum cv_error {
#define X(name, code, text) name = code,
    CV_ERROR_MAP(X)
#undef X
};

/* The text of any error code: ours, or the system's. Static, never NULL. */
CV_API const char *cv_strerror(int code);

#ifdef __cplusplus
}
#endif

#endif
