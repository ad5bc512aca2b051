#include "access/credential_line.h"

#include <errno.h>
#include <string.h>

#include "access/quote.h"
#include "base/date.h"
#include "base/error.h"
#include "base/key.h"

/* One allocation holds the credential, its patterns and a copy of the line that they point into. An
 * option takes more than one byte, so half the line's length bounds how many there are; counting
 * first keeps the block small. */
struct block {
    struct cv_credential credential;
    struct cv_dial *dials;
    struct cv_publish *publishes;
};

struct line {
    struct block *block;
    struct cv_text *problem;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

struct cv_span cv_credential_word(struct cv_span *line)
{
    struct cv_span word;

    while (line->len && is_space(line->at[0])) {
        line->at++;
        line->len--;
    }
    word = (struct cv_span){line->at, 0};
    while (word.len < line->len && !is_space(line->at[word.len]))
        word.len++;
    line->at += word.len;
    line->len -= word.len;
    return word;
}

/* `WORDS: 'what stands there'` */
static int refuse(const struct line *line, const char *words, struct cv_span what)
{
    cv_text_str(line->problem, words);
    cv_text_str(line->problem, ": ");
    cv_quote(line->problem, what.at, what.len);
    return CV_ESYNTAX;
}

static bool span_is(struct cv_span span, const char *text)
{
    return span.len == strlen(text) && memcmp(span.at, text, span.len) == 0;
}

static int take_role(struct line *line, struct cv_span word)
{
    static const char *const names[] = {
        [CV_ROLE_AGENT] = "agent", [CV_ROLE_VISITOR] = "visitor", [CV_ROLE_ADMIN] = "admin"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (span_is(word, names[i])) {
            line->block->credential.role = (enum cv_role)i;
            return 0;
        }
    }
    return refuse(line, "unknown role, not agent, visitor or admin", word);
}

static int take_name(struct line *line, struct cv_span word)
{
    struct cv_credential *credential = &line->block->credential;

    if (word.len == 0)
        return refuse(line, "no name behind the role", word);
    if (cv_key_pattern_parse(&credential->name, word.at, word.len) < 0)
        return refuse(line, "the name is not 1 to 79 bytes of A-Z a-z 0-9 . _ @ = + -", word);
    if (credential->role != CV_ROLE_AGENT && !credential->name.exact)
        return refuse(line, "only the name of an agent may end in *", word);
    return 0;
}

static int take_subject(struct line *line, struct cv_span subject)
{
    struct cv_credential *credential = &line->block->credential;

    if (credential->role != CV_ROLE_AGENT)
        return refuse(line, "only an agent is known by its certificate's subject", subject);
    if (subject.len == 0 || subject.len > CV_SUBJECT_MAX || !memchr(subject.at, '=', subject.len))
        return refuse(line, "subject: not a name such as CN=laptop,O=Example", subject);
    credential->subject = subject;
    return 0;
}

/* The word is not shown: it may be a secret that somebody took for a hash. */
static int take_hash(struct line *line, struct cv_span word)
{
    static const char prefix[] = "subject:";
    const size_t len = sizeof(prefix) - 1;

    if (word.len >= len && memcmp(word.at, prefix, len) == 0)
        return take_subject(line, (struct cv_span){word.at + len, word.len - len});
    if (cv_hash_parse(line->block->credential.digest, word.at, word.len) == 0)
        return 0;
    cv_text_str(line->problem, "the hash is not sha256: and 64 hexadecimal digits, as `culvertctl "
                               "token new` prints it");
    return CV_ESYNTAX;
}

static int take_dial(struct line *line, struct cv_span value)
{
    struct cv_credential *credential = &line->block->credential;
    struct cv_dial *dial = &line->block->dials[credential->dial_count];
    const char *problem;
    int rc;

    if (credential->role == CV_ROLE_AGENT) {
        dial->client = (struct cv_key_pattern){.exact = false};
        rc = cv_pattern_parse(&dial->target, value.at, value.len, &problem);
    } else {
        rc = cv_dial_parse(dial, value.at, value.len, &problem);
    }
    if (rc < 0) {
        cv_text_str(line->problem, "dial: ");
        return refuse(line, problem, value);
    }
    credential->dial_count++;
    return 0;
}

static int take_publish(struct line *line, struct cv_span value)
{
    struct cv_credential *credential = &line->block->credential;
    const char *problem;

    if (cv_publish_parse(&line->block->publishes[credential->publish_count], value, &problem) < 0) {
        cv_text_str(line->problem, "publish: ");
        return refuse(line, problem, value);
    }
    credential->publish_count++;
    return 0;
}

static int take_max_conns(struct line *line, struct cv_span value)
{
    int64_t count;

    if (!cv_text_to_i64(value.at, value.len, &count) || count < 1 ||
        count > CV_CREDENTIAL_CONNS_MAX)
        return refuse(line, "max-conns: not a number from 1 to 1000000", value);
    line->block->credential.max_conns = (uint32_t)count;
    return 0;
}

/* Reads @digits digits at @at; -1 for anything else. */
static int64_t number_at(struct cv_span text, size_t at, size_t digits)
{
    int64_t value;

    if (at + digits > text.len || !cv_text_to_i64(text.at + at, digits, &value))
        return -1;
    return value;
}

/* `THH:MM:SSZ` as seconds of the day, or -1. */
static int64_t parse_time(struct cv_span text)
{
    int64_t hour = number_at(text, 1, 2), minute = number_at(text, 4, 2);
    int64_t second = number_at(text, 7, 2);

    if (text.len != 10 || text.at[0] != 'T' || text.at[3] != ':' || text.at[6] != ':' ||
        text.at[9] != 'Z')
        return -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -1;
    return hour * 3600 + minute * 60 + second;
}

static bool parse_date(int64_t *out, struct cv_span text)
{
    int64_t year = number_at(text, 0, 4), month = number_at(text, 5, 2),
            day = number_at(text, 8, 2);
    int64_t second = 0;

    if (text.len < 10 || text.at[4] != '-' || text.at[7] != '-')
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > cv_days_in_month(year, month))
        return false;
    if (text.len > 10)
        second = parse_time((struct cv_span){text.at + 10, text.len - 10});
    if (second < 0)
        return false;
    *out = cv_days_since_epoch(year, month, day) * 86400 + second;
    return true;
}

static int take_expires(struct line *line, struct cv_span value)
{
    if (parse_date(&line->block->credential.expires, value))
        return 0;
    return refuse(line, "expires: not a date such as 2027-01-31 or 2027-01-31T18:00:00Z", value);
}

#define AGENT   (1 << CV_ROLE_AGENT)
#define VISITOR (1 << CV_ROLE_VISITOR)
#define ADMIN   (1 << CV_ROLE_ADMIN)

static const struct {
    const char *name; /* with the sign behind it */
    int roles;        /* that have it */
    bool repeat;      /* may stand more than once */
    int (*take)(struct line *line, struct cv_span value);
} options[] = {
    {"dial=", AGENT | VISITOR, true, take_dial},
    {"publish=", AGENT, true, take_publish},
    {"max-conns=", AGENT | VISITOR, false, take_max_conns},
    {"expires=", AGENT | VISITOR | ADMIN, false, take_expires},
};
#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static int take_option(struct line *line, struct cv_span word, unsigned *seen)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        size_t len = strlen(options[i].name);

        if (word.len < len || memcmp(word.at, options[i].name, len) != 0)
            continue;
        if (!(options[i].roles & 1 << line->block->credential.role))
            return refuse(line, "this role has no such option", word);
        if (*seen & 1U << i && !options[i].repeat)
            return refuse(line, "the option stands there twice", word);
        *seen |= 1U << i;
        return options[i].take(line, (struct cv_span){word.at + len, word.len - len});
    }
    return refuse(line, "unknown option", word);
}

static int parse_words(struct line *line, struct cv_span left)
{
    unsigned seen = 0;
    int rc = take_role(line, cv_credential_word(&left));

    if (rc == 0)
        rc = take_name(line, cv_credential_word(&left));
    if (rc == 0)
        rc = take_hash(line, cv_credential_word(&left));
    while (rc == 0) {
        struct cv_span word = cv_credential_word(&left);

        if (word.len == 0)
            break;
        rc = take_option(line, word, &seen);
    }
    if (rc < 0)
        return rc;
    if (line->block->credential.role == CV_ROLE_VISITOR &&
        line->block->credential.dial_count == 0) {
        cv_text_str(line->problem, "a visitor without dial= may do nothing: write dial=*/*:* for "
                                   "everything");
        return CV_ESYNTAX;
    }
    return 0;
}

/* How many words of @text start with @name. */
static size_t count_words(struct cv_span text, const char *name)
{
    size_t count = 0, len = strlen(name);

    for (;;) {
        struct cv_span word = cv_credential_word(&text);

        if (word.len == 0)
            return count;
        if (word.len >= len && memcmp(word.at, name, len) == 0)
            count++;
    }
}

int cv_credential_line_parse(struct cv_credential **out, const struct cv_alloc *alloc,
                             struct cv_span text, struct cv_text *problem)
{
    size_t dials = count_words(text, "dial=") * sizeof(struct cv_dial);
    size_t publishes = count_words(text, "publish=") * sizeof(struct cv_publish);
    struct line line = {.problem = problem};
    char *copy;
    int rc;

    line.block = cv_alloc_zero(alloc, sizeof(struct block) + dials + publishes + text.len);
    if (!line.block)
        return -ENOMEM;
    line.block->dials = (void *)(line.block + 1);
    line.block->publishes = (void *)((char *)line.block->dials + dials);
    copy = (char *)line.block->publishes + publishes;
    memcpy(copy, text.at, text.len);
    line.block->credential.expires = CV_EXPIRES_NEVER;
    line.block->credential.dials = line.block->dials;
    line.block->credential.publishes = line.block->publishes;
    rc = parse_words(&line, (struct cv_span){copy, text.len});
    if (rc < 0) {
        cv_free(alloc, line.block);
        return rc;
    }
    *out = &line.block->credential;
    return 0;
}
