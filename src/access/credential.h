#ifndef CV_ACCESS_CREDENTIAL_H
#define CV_ACCESS_CREDENTIAL_H

#include "access/pattern.h"
#include "access/publish.h"
#include "access/token.h"
#include "base/table.h"

/* A credential file: lines `ROLE NAME HASH [OPTION...]`, blank lines, and comments from `#` at the
 * start of a line.
 *
 *     agent   KEY   HASH [dial=HOST:PORT]... [publish=SPEC]... [max-conns=N] [expires=DATE]
 *     agent   KEY   subject:NAME [the same]
 *     visitor LABEL HASH dial=CLIENT/HOST:PORT... [max-conns=N] [expires=DATE]
 *     admin   LABEL HASH [expires=DATE]
 *
 * NAME is the subject of a client's certificate as RFC 4514 writes it, with blanks as \20.
 * KEY is a client key, a start of one and `*`, or `*`. DATE is `2027-01-31`, meaning its first
 * second in UTC, or `2027-01-31T18:00:00Z`; the credential works until just before it. SPEC is
 * a pattern of access/publish.h. */

#define CV_CREDENTIAL_LINE_MAX  4096   /* bytes of a line without its end */
#define CV_CREDENTIAL_LINES_MAX 100000 /* lines of a file */
#define CV_CREDENTIAL_CONNS_MAX 1000000
#define CV_SUBJECT_MAX          512 /* bytes of a certificate's subject */
#define CV_EXPIRES_NEVER        INT64_MAX

enum cv_role { CV_ROLE_AGENT, CV_ROLE_VISITOR, CV_ROLE_ADMIN };

struct cv_credential {
    uint8_t digest[CV_TOKEN_DIGEST]; /* of the token; not used with a subject */
    struct cv_span subject;          /* of the certificate; empty: it is a token's. Borrowed */
    enum cv_role role;
    unsigned line;              /* of the file, from 1 */
    struct cv_key_pattern name; /* of an agent: the keys that it may take; else a label */
    int64_t expires;            /* seconds since 1970, or CV_EXPIRES_NEVER */
    uint32_t max_conns;         /* 0: no limit of its own */
    const struct cv_dial *dials;
    size_t dial_count; /* of an agent 0 means: whatever it allows itself */
    const struct cv_publish *publishes;
    size_t publish_count; /* 0: nothing */
    UT_hash_handle hh;    /* by digest, or by subject */
};

/* All credentials of a file, by digest. */
struct cv_credentials;

/* Which line is wrong, and how; shows no word that may be a token. */
struct cv_credential_error {
    unsigned line; /* from 1; 0 when it is about no line */
    char text[240];
};

/* Reads a whole file. @alloc is borrowed until the table is freed; @text is not needed any more.
 *
 * CV_ESYNTAX  see @error
 * -ENOMEM     no memory; @error says so too */
int cv_credentials_parse(struct cv_credentials **out, const struct cv_alloc *alloc,
                         const char *text, size_t len,
                         struct cv_credential_error *error) CV_MUST_USE;

/* NULL is fine. */
void cv_credentials_free(struct cv_credentials *credentials);

size_t cv_credentials_count(const struct cv_credentials *credentials);

/* Why a credential does not do; for logs and counters, not for whoever presented it. */
#define CV_ACCESS_MAP(X)                                         \
    X(CV_ACCESS_OK, "ok")                                        \
    X(CV_ACCESS_UNKNOWN, "no such token")                        \
    X(CV_ACCESS_ROLE, "a token of another role")                 \
    X(CV_ACCESS_EXPIRED, "an expired token")                     \
    X(CV_ACCESS_KEY, "a token of another client key")            \
    X(CV_ACCESS_TARGET, "a token that may not dial this target") \
    X(CV_ACCESS_SUBJECT, "a certificate whose subject no line names")

enum cv_access {
#define X(name, text) name,
    CV_ACCESS_MAP(X)
#undef X
};

const char *cv_access_text(enum cv_access access);

/* The answer to a request for access. */
struct cv_access_answer {
    enum cv_access why;
    const struct cv_credential *credential; /* borrowed from the table; NULL when unknown */
};

/* Whether who presents the token of @digest may be an agent with the key @key at @now (wall clock,
 * seconds since 1970). Returns 0, or CV_EDENIED with the reason in @answer. */
int cv_access_agent(struct cv_access_answer *answer, const struct cv_credentials *credentials,
                    const uint8_t digest[CV_TOKEN_DIGEST], const char *key, size_t key_len,
                    int64_t now) CV_MUST_USE;

/* The same for who showed a certificate with the subject @subject, which TLS has verified. */
int cv_access_agent_subject(struct cv_access_answer *answer,
                            const struct cv_credentials *credentials, struct cv_span subject,
                            const char *key, size_t key_len, int64_t now) CV_MUST_USE;

/* The same for a visitor who wants @target dialled through the client @key; @target NULL asks only
 * whether there is something that it may dial through that client, @key NULL whether it is a
 * visitor's at all. */
int cv_access_visitor(struct cv_access_answer *answer, const struct cv_credentials *credentials,
                      const uint8_t digest[CV_TOKEN_DIGEST], const char *key, size_t key_len,
                      const struct cv_target *target, int64_t now) CV_MUST_USE;

/* The same for an operator. */
int cv_access_admin(struct cv_access_answer *answer, const struct cv_credentials *credentials,
                    const uint8_t digest[CV_TOKEN_DIGEST], int64_t now) CV_MUST_USE;

/* Why the agent that joined with @credential may not have @asked published (static, for that agent
 * too), or NULL. */
const char *cv_access_publish_problem(const struct cv_credential *credential, const char *key,
                                      size_t key_len, const struct cv_publication *asked);

/* Whether the server may dial @target through the agent that joined with @credential. The agent
 * checks again, against what it allows itself. */
bool cv_access_may_dial(const struct cv_credential *credential, const char *key, size_t key_len,
                        const struct cv_target *target);

#endif
