#ifndef CV_NET_ENDING_H
#define CV_NET_ENDING_H

#include <stdbool.h>

#include "base/attr.h"
#include "ws/ws.h"

/* Why a session ended: name in the log and in metrics, code of the close frame, whether it is an
 * error, text for people, which the close frame carries too. The only such table; why a connection
 * ended stands in base/reason.h. */
#define CV_ENDING_MAP(X)                                                                 \
    X(CV_ENDING_NONE, "none", CV_WS_NORMAL, false, "still open")                         \
    /* decided here */                                                                   \
    X(CV_ENDING_STOPS, "stops", CV_WS_RESTART, false, "the server stops")                \
    X(CV_ENDING_LEAVES, "leaves", CV_WS_GOING_AWAY, false, "this end stops")             \
    X(CV_ENDING_KILLED, "killed", CV_WS_POLICY, false, "ended by an operator")           \
    X(CV_ENDING_CREDENTIAL, "credential", CV_WS_POLICY, true, "the credential is gone")  \
    X(CV_ENDING_NO_PEER, "no_peer", CV_WS_POLICY, true, "no peer any more")              \
    X(CV_ENDING_FULL, "full", CV_WS_POLICY, true, "a limit is reached")                  \
    X(CV_ENDING_MEMORY, "memory", CV_WS_POLICY, true, "out of memory")                   \
    X(CV_ENDING_UNREAD, "unread", CV_WS_POLICY, true, "what it is told is not read")     \
    /* seen of the other end */                                                          \
    X(CV_ENDING_CLOSED, "closed", CV_WS_NORMAL, false, "the other end closed it")        \
    X(CV_ENDING_RESTART, "restart", CV_WS_NORMAL, false, "the server stops or restarts") \
    X(CV_ENDING_DEAD, "dead", CV_WS_POLICY, true,                                        \
      "nothing was heard from the other end for too long")                               \
    X(CV_ENDING_LOST, "lost", CV_WS_NORMAL, true, "the connection was lost")             \
    X(CV_ENDING_PROTOCOL, "protocol", CV_WS_PROTOCOL_ERROR, true,                        \
      "the other end broke the protocol")                                                \
    X(CV_ENDING_TEXT, "text", CV_WS_BAD_DATA, true, "text that is not UTF-8")            \
    X(CV_ENDING_TOO_LONG, "too_long", CV_WS_TOO_BIG, true, "longer than the protocol allows")

enum cv_ending {
#define X(id, name, code, is_error, text) id,
    CV_ENDING_MAP(X)
#undef X
        CV_ENDING_COUNT
};

/* Static, never NULL. */
const char *cv_ending_name(enum cv_ending ending);
const char *cv_ending_text(enum cv_ending ending);
enum cv_ws_code cv_ending_code(enum cv_ending ending);
bool cv_ending_is_error(enum cv_ending ending);

/* What an error of a link or of its stream means; @code is that of the other end's close frame, 0
 * without one. */
enum cv_ending cv_ending_of(int error, uint16_t code);

#endif
