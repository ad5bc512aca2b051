#ifndef CV_NET_CAUSE_H
#define CV_NET_CAUSE_H

#include "net/log.h"

struct cv_loop;

/* What strangers can have written as often as they like: level, and what the lines are about. Each
 * has a limit of its own on each loop, shared by the clients that its lines are about. What one
 * session can have written has a limit in that session's owner, and lines that are the record, such
 * as that of a dial, have none. */
#define CV_CAUSE_MAP(X)                                                                 \
    X(CV_CAUSE_FRONT_LOGIN, CV_LOG_WARN, "logins refused at the front door")            \
    X(CV_CAUSE_FRONT_SUBJECT, CV_LOG_WARN, "certificates that are nobody's")            \
    X(CV_CAUSE_FRONT_REQUEST, CV_LOG_INFO, "requests refused at the front door")        \
    X(CV_CAUSE_FRONT_FULL, CV_LOG_INFO, "requests that the front door had no room for") \
    X(CV_CAUSE_DOOR_LOGIN, CV_LOG_WARN, "logins refused at doors")                      \
    X(CV_CAUSE_DOOR_REQUEST, CV_LOG_INFO, "requests refused at doors")                  \
    X(CV_CAUSE_HTTP_LOGIN, CV_LOG_WARN, "tokens refused at the HTTP door")              \
    X(CV_CAUSE_HTTP_ANSWER, CV_LOG_INFO, "requests that the HTTP door answered itself") \
    X(CV_CAUSE_HTTP_TARGET, CV_LOG_INFO, "targets that failed the HTTP door")           \
    X(CV_CAUSE_NO_ROOM, CV_LOG_WARN, "connections that there was no room for")          \
    X(CV_CAUSE_ADDRESS, CV_LOG_WARN, "connections over the limits of their address")    \
    X(CV_CAUSE_PROXY, CV_LOG_WARN, "connections without a head of the PROXY protocol")  \
    X(CV_CAUSE_TURNED_AWAY, CV_LOG_WARN, "visitors turned away")                        \
    X(CV_CAUSE_PUBLISH, CV_LOG_WARN, "publications refused")                            \
    X(CV_CAUSE_LINK, CV_LOG_WARN, "servers of the directory that refused a link")       \
    X(CV_CAUSE_HOARD, CV_LOG_WARN, "rooms whose messages made room for others")         \
    X(CV_CAUSE_BYE, CV_LOG_WARN, "room servers that were not told")                     \
    X(CV_CAUSE_DIAL_REFUSED, CV_LOG_WARN, "dials refused")                              \
    X(CV_CAUSE_DIAL_FAILED, CV_LOG_INFO, "dials that failed")                           \
    X(CV_CAUSE_SERVER, CV_LOG_WARN, "odd things that servers did")                      \
    X(CV_CAUSE_DISCOVERY, CV_LOG_WARN, "what discovery met")                            \
    X(CV_CAUSE_FOUND, CV_LOG_INFO, "servers that were found")

enum cv_cause {
#define X(name, level, text) name,
    CV_CAUSE_MAP(X)
#undef X
        CV_CAUSE_COUNT
};

struct cv_causes {
    struct cv_log_limits of[CV_CAUSE_COUNT];
};

/* A line of @cause, unless there were too many: then nothing is formatted. @about may be NULL. */
void cv_log_cause(struct cv_loop *loop, enum cv_cause cause, const struct cv_log_about *about,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same question alone, for a line about @client (NULL: none) of the cause's level. */
bool cv_cause_admits(struct cv_loop *loop, enum cv_cause cause, const char *client) CV_MUST_USE;

/* Says how many lines were left out of each cause that is quiet again, as no next line may come.
 * Now and then is enough. */
void cv_causes_tell(struct cv_loop *loop);

#endif
