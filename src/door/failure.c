#include "door/failure.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *name;
    uint8_t socks;
    int http;
    const char *text;
} failures[CV_FAILURE_COUNT] = {
#define X(id, word, code, status, words) \
    [id] = {.name = (word), .socks = (code), .http = (status), .text = (words)},
    CV_FAILURE_MAP(X)
#undef X
};

const char *cv_failure_name(enum cv_failure failure)
{
    return failures[failure].name;
}

uint8_t cv_failure_socks(enum cv_failure failure)
{
    return failures[failure].socks;
}

int cv_failure_status(enum cv_failure failure)
{
    return failures[failure].http;
}

const char *cv_failure_text(enum cv_failure failure)
{
    return failures[failure].text;
}

/* Ours and libuv's words first, then those of Go that differ. */
static const struct {
    const char *words;
    enum cv_failure failure;
} phrases[] = {
    {"connection refused", CV_FAILURE_REFUSED},
    {"host is unreachable", CV_FAILURE_NO_HOST},
    {"no route to host", CV_FAILURE_NO_HOST},
    {"no such file or directory", CV_FAILURE_NO_HOST},
    {"network is unreachable", CV_FAILURE_NO_NETWORK},
    {"unknown node or service", CV_FAILURE_NO_NAME},
    {"no address", CV_FAILURE_NO_NAME},
    {"temporary failure", CV_FAILURE_NO_NAME},
    {"permanent failure", CV_FAILURE_NO_NAME},
    {"no such host", CV_FAILURE_NO_NAME},
    {"server misbehaving", CV_FAILURE_NO_NAME},
    {"timed out", CV_FAILURE_TIMEOUT},
    {"i/o timeout", CV_FAILURE_TIMEOUT},
    {"deadline exceeded", CV_FAILURE_TIMEOUT},
    {"not allowed", CV_FAILURE_DENIED},
    {"too many connections", CV_FAILURE_FULL},
    {"session ended", CV_FAILURE_SESSION},
    {"no session", CV_FAILURE_NO_CLIENT},
};

static bool holds(const char *text, size_t len, const char *words)
{
    size_t n = strlen(words);

    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(text + i, words, n) == 0)
            return true;
    return false;
}

enum cv_failure cv_failure_read(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++)
        if (holds(text, len, phrases[i].words))
            return phrases[i].failure;
    return CV_FAILURE_OTHER;
}
