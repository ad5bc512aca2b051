#include "access/credential.h"

#include <errno.h>
#include <string.h>

#include "access/credential_line.h"
#include "base/error.h"

struct cv_credentials {
    const struct cv_alloc *alloc;     /* borrowed */
    struct cv_credential *by_digest;  /* owned */
    struct cv_credential *by_subject; /* owned */
};

static struct cv_credential *find(const struct cv_credentials *credentials,
                                  const uint8_t digest[CV_TOKEN_DIGEST])
{
    struct cv_credential *found;

    HASH_FIND(hh, credentials->by_digest, digest, CV_TOKEN_DIGEST, found);
    if (found && !cv_access_equal(found->digest, digest))
        return NULL;
    return found;
}

static struct cv_credential *find_subject(const struct cv_credentials *credentials,
                                          struct cv_span subject)
{
    struct cv_credential *found;

    HASH_FIND(hh, credentials->by_subject, subject.at, subject.len, found);
    return found;
}

static int add(struct cv_credentials *credentials, struct cv_credential *credential)
{
    const struct cv_alloc *table_alloc = credentials->alloc;

    if (credential->subject.len)
        HASH_ADD_KEYPTR(hh, credentials->by_subject, credential->subject.at,
                        credential->subject.len, credential);
    else
        HASH_ADD(hh, credentials->by_digest, digest, CV_TOKEN_DIGEST, credential);
    return cv_table_added(credential) ? 0 : -ENOMEM;
}

/* Takes the next line off @text, without its end. */
static struct cv_span next_line(struct cv_span *text)
{
    const char *end = memchr(text->at, '\n', text->len);
    struct cv_span line = {text->at, end ? (size_t)(end - text->at) : text->len};
    size_t taken = line.len + (end ? 1 : 0);

    text->at += taken;
    text->len -= taken;
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_blank(struct cv_span line)
{
    struct cv_span word = cv_credential_word(&line);

    return word.len == 0 || word.at[0] == '#';
}

/* Reads one line and adds what it says. */
static int take_line(struct cv_credentials *credentials, struct cv_span text, unsigned number,
                     struct cv_text *problem)
{
    struct cv_credential *credential, *same;
    int rc;

    if (text.len > CV_CREDENTIAL_LINE_MAX) {
        cv_text_str(problem, "the line is longer than 4096 bytes");
        return CV_ESYNTAX;
    }
    if (is_blank(text))
        return 0;
    rc = cv_credential_line_parse(&credential, credentials->alloc, text, problem);
    if (rc < 0)
        return rc;
    credential->line = number;
    same = credential->subject.len ? find_subject(credentials, credential->subject)
                                   : find(credentials, credential->digest);
    if (same) {
        cv_text_str(problem, credential->subject.len ? "the same subject as in line "
                                                     : "the same hash as in line ");
        cv_text_u64(problem, same->line);
        rc = CV_ESYNTAX;
    } else {
        rc = add(credentials, credential);
    }
    if (rc < 0)
        cv_free(credentials->alloc, credential);
    return rc;
}

static int take_lines(struct cv_credentials *credentials, struct cv_span left,
                      struct cv_credential_error *error)
{
    struct cv_text problem;

    cv_text_init(&problem, error->text, sizeof(error->text));
    for (error->line = 1; left.len; error->line++) {
        int rc;

        if (error->line > CV_CREDENTIAL_LINES_MAX) {
            cv_text_str(&problem, "the file has more than 100000 lines");
            return CV_ESYNTAX;
        }
        rc = take_line(credentials, next_line(&left), error->line, &problem);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cv_credentials_parse(struct cv_credentials **out, const struct cv_alloc *alloc,
                         const char *text, size_t len, struct cv_credential_error *error)
{
    struct cv_credentials *credentials = cv_alloc_zero(alloc, sizeof(*credentials));
    int rc = -ENOMEM;

    *error = (struct cv_credential_error){0};
    if (credentials) {
        credentials->alloc = alloc;
        rc = take_lines(credentials, (struct cv_span){text, len}, error);
    }
    if (rc == -ENOMEM) {
        struct cv_text problem;

        error->line = 0;
        cv_text_init(&problem, error->text, sizeof(error->text));
        cv_text_str(&problem, "out of memory");
    }
    if (rc < 0) {
        cv_credentials_free(credentials);
        return rc;
    }
    *out = credentials;
    return 0;
}

static void free_table(const struct cv_alloc *table_alloc, struct cv_credential *table)
{
    struct cv_credential *entry, *next;

    HASH_ITER (hh, table, entry, next) {
        HASH_DEL(table, entry);
        cv_free(table_alloc, entry);
    }
}

void cv_credentials_free(struct cv_credentials *credentials)
{
    if (!credentials)
        return;
    free_table(credentials->alloc, credentials->by_digest);
    free_table(credentials->alloc, credentials->by_subject);
    cv_free(credentials->alloc, credentials);
}

size_t cv_credentials_count(const struct cv_credentials *credentials)
{
    return HASH_COUNT(credentials->by_digest) + HASH_COUNT(credentials->by_subject);
}

const char *cv_access_text(enum cv_access access)
{
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        CV_ACCESS_MAP(X)
#undef X
    };

    return texts[access];
}

/* The checks that all roles share; CV_ACCESS_OK when they pass. */
static enum cv_access check_found(struct cv_access_answer *answer,
                                  const struct cv_credential *credential, enum cv_role role,
                                  int64_t now)
{
    answer->credential = credential;
    if (!credential)
        return CV_ACCESS_UNKNOWN;
    if (credential->role != role)
        return CV_ACCESS_ROLE;
    return now < credential->expires ? CV_ACCESS_OK : CV_ACCESS_EXPIRED;
}

static enum cv_access check(struct cv_access_answer *answer,
                            const struct cv_credentials *credentials,
                            const uint8_t digest[CV_TOKEN_DIGEST], enum cv_role role, int64_t now)
{
    return check_found(answer, find(credentials, digest), role, now);
}

static int verdict(const struct cv_access_answer *answer)
{
    return answer->why == CV_ACCESS_OK ? 0 : CV_EDENIED;
}

static int check_key(struct cv_access_answer *answer, const char *key, size_t key_len)
{
    if (answer->why == CV_ACCESS_OK &&
        !cv_key_pattern_match(&answer->credential->name, key, key_len))
        answer->why = CV_ACCESS_KEY;
    return verdict(answer);
}

int cv_access_agent(struct cv_access_answer *answer, const struct cv_credentials *credentials,
                    const uint8_t digest[CV_TOKEN_DIGEST], const char *key, size_t key_len,
                    int64_t now)
{
    answer->why = check(answer, credentials, digest, CV_ROLE_AGENT, now);
    return check_key(answer, key, key_len);
}

int cv_access_agent_subject(struct cv_access_answer *answer,
                            const struct cv_credentials *credentials, struct cv_span subject,
                            const char *key, size_t key_len, int64_t now)
{
    answer->why = check_found(answer, find_subject(credentials, subject), CV_ROLE_AGENT, now);
    if (answer->why == CV_ACCESS_UNKNOWN)
        answer->why = CV_ACCESS_SUBJECT;
    return check_key(answer, key, key_len);
}

/* Whether @credential has a dial= for the client @key, and for @target unless that is NULL. */
static enum cv_access check_dials(const struct cv_credential *credential, const char *key,
                                  size_t key_len, const struct cv_target *target)
{
    enum cv_access why = CV_ACCESS_KEY;

    for (size_t i = 0; i < credential->dial_count; i++) {
        const struct cv_dial *dial = &credential->dials[i];

        if (!cv_key_pattern_match(&dial->client, key, key_len))
            continue;
        if (!target || cv_pattern_names(&dial->target, target))
            return CV_ACCESS_OK;
        why = CV_ACCESS_TARGET;
    }
    return why;
}

int cv_access_visitor(struct cv_access_answer *answer, const struct cv_credentials *credentials,
                      const uint8_t digest[CV_TOKEN_DIGEST], const char *key, size_t key_len,
                      const struct cv_target *target, int64_t now)
{
    answer->why = check(answer, credentials, digest, CV_ROLE_VISITOR, now);
    if (answer->why == CV_ACCESS_OK && key)
        answer->why = check_dials(answer->credential, key, key_len, target);
    return verdict(answer);
}

int cv_access_admin(struct cv_access_answer *answer, const struct cv_credentials *credentials,
                    const uint8_t digest[CV_TOKEN_DIGEST], int64_t now)
{
    answer->why = check(answer, credentials, digest, CV_ROLE_ADMIN, now);
    return verdict(answer);
}

bool cv_access_may_dial(const struct cv_credential *credential, const char *key, size_t key_len,
                        const struct cv_target *target)
{
    if (credential->role == CV_ROLE_AGENT && credential->dial_count == 0)
        return true;
    return check_dials(credential, key, key_len, target) == CV_ACCESS_OK;
}

const char *cv_access_publish_problem(const struct cv_credential *credential, const char *key,
                                      size_t key_len, const struct cv_publication *asked)
{
    bool permitted = false;

    for (size_t i = 0; i < credential->publish_count; i++)
        permitted = permitted || cv_publish_permits(&credential->publishes[i], asked);
    if (!permitted)
        return "not permitted by this client's credential (publish=)";
    if (!cv_access_may_dial(credential, key, key_len, &asked->target))
        return "its target is not among those of this client's credential (dial=)";
    return NULL;
}
