#ifndef CV_ACCESS_PATTERN_H
#define CV_ACCESS_PATTERN_H

#include <stdbool.h>

#include "access/ip.h"
#include "access/target.h"

/* Patterns say what may be dialled: `HOST:PORT`, `ADDRESS:PORT`, `CIDR:PORT` or `*:PORT`, where
 * PORT is a number, a range `8000-8100` or `*`, IPv6 stands in brackets, and `tcp/` (the default)
 * or `udp/` may stand in front; or `unix/PATH`. */

enum cv_pattern_kind {
    CV_PATTERN_ANY,     /* `*` */
    CV_PATTERN_NAME,    /* a DNS name: matches the name that is asked for, in whatever case */
    CV_PATTERN_ADDRESS, /* one address, named exactly */
    CV_PATTERN_NET,     /* a CIDR */
    CV_PATTERN_PATH,    /* of a unix socket */
};

struct cv_pattern {
    enum cv_proto proto;
    enum cv_pattern_kind kind;
    uint16_t port_low, port_high; /* both included */
    struct cv_ip net;             /* normal; of ADDRESS and NET */
    uint8_t bits;                 /* of NET */
    struct cv_span name;          /* of NAME and PATH; borrowed from the text that was parsed */
};

/* Reads one pattern; @text is borrowed for as long as @out is used. On failure *@problem (static)
 * says what is wrong with it.
 *
 * CV_ESYNTAX  not a pattern */
int cv_pattern_parse(struct cv_pattern *out, const char *text, size_t len,
                     const char **problem) CV_MUST_USE;

/* Whether an agent may dial @target, which was resolved to @address (NULL for a unix target; ask
 * for each of several). A name matches what was asked for; addresses and networks match what it was
 * resolved to. Link-local and cloud metadata addresses are allowed only where a pattern names that
 * address. Without any pattern loopback alone is. */
bool cv_allow_check(const struct cv_pattern *patterns, size_t count, const struct cv_target *target,
                    const struct cv_ip *address);

/* Whether @pattern names @target as it was asked for, before it is resolved: what a server can say
 * about a dial that the agent will check again. Addresses and networks match only a host that is
 * written as an address. */
bool cv_pattern_names(const struct cv_pattern *pattern, const struct cv_target *target);

/* A client key, `*`, or a start of one and `*`. */
struct cv_key_pattern {
    struct cv_span start; /* borrowed */
    bool exact;           /* no `*` behind it */
};

/* CV_EBADKEY: neither. @text is borrowed for as long as @out is used. */
int cv_key_pattern_parse(struct cv_key_pattern *out, const char *text, size_t len) CV_MUST_USE;

/* Whether the valid key @key matches. */
bool cv_key_pattern_match(const struct cv_key_pattern *pattern, const char *key, size_t len);

/* What a credential may dial: a target, through the clients of a key pattern. */
struct cv_dial {
    struct cv_key_pattern client; /* of an agent's own credential: `*` */
    struct cv_pattern target;
};

/* Reads a visitor's `CLIENT/PATTERN`. Errors as of cv_pattern_parse(). */
int cv_dial_parse(struct cv_dial *out, const char *text, size_t len,
                  const char **problem) CV_MUST_USE;

#endif
