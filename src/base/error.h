#ifndef CV_BASE_ERROR_H
#define CV_BASE_ERROR_H

/* Error codes. A fallible function returns 0 or a count, or a negative code: -errno of the system
 * (libuv's codes are the same numbers on Linux), or one of ours, from -10000 down. */
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
    X(CV_ENOPEER, -10016, "the server that has the client does not answer")

enum cv_error {
#define X(name, code, text) name = code,
    CV_ERROR_MAP(X)
#undef X
};

/* Text of one of our own codes; NULL for a code of the system (ask strerror or uv_strerror for
 * those). */
const char *cv_error_text(int code);

#endif
