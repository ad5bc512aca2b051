#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "access/quote.h"
#include "access/token.h"
#include "command.h"
#include "net/digest.h"

struct credential {
    char token[CV_TOKEN_LEN + 1];
    char hash[CV_HASH_LEN + 1];
};

/* Returns 0, or -1 with errno set. */
static int fill_random(uint8_t *out, size_t len)
{
    while (len) {
        ssize_t n = getrandom(out, len, 0);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            out += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Returns 0, or -1 with errno set. */
static int make(struct credential *out)
{
    uint8_t random[CV_TOKEN_RANDOM], digest[CV_SHA256_LEN];

    if (fill_random(random, sizeof(random)) < 0)
        return -1;
    cv_token_format(out->token, random);
    cv_secret_clear(random, sizeof(random));
    if (cv_sha256(digest, out->token, CV_TOKEN_LEN) < 0) {
        errno = ENOMEM;
        return -1;
    }
    cv_hash_format(out->hash, digest);
    return 0;
}

/* Returns 0, or -1 when it could not be written. */
static int print_json(const struct credential *credential)
{
    json_t *object = json_pack("{s:s, s:s}", "token", credential->token, "hash", credential->hash);
    int rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;

    json_decref(object);
    return rc < 0 || putchar('\n') == EOF ? -1 : 0;
}

static int print_text(const struct credential *credential)
{
    return printf("token: %s\nhash: %s\n", credential->token, credential->hash) < 0 ? -1 : 0;
}

int command_token_new(int argc, char **argv)
{
    struct credential credential;
    bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
    int rc;

    if (argc > json) {
        char word[512];
        struct cv_text text;

        cv_text_init(&text, word, sizeof(word));
        cv_quote_str(&text, argv[json]);
        return command_fail(EXIT_USAGE, "token new: takes --json alone, not %s", word);
    }
    if (make(&credential) < 0)
        return command_fail(EXIT_RUN, "token new: %s", strerror(errno));
    rc = json ? print_json(&credential) : print_text(&credential);
    cv_secret_clear(&credential, sizeof(credential));
    /* a token that was only half written must not pass for one */
    if (fflush(stdout) != 0 || rc < 0)
        return command_fail(EXIT_RUN, "token new: cannot write: %s", strerror(errno));
    return EXIT_OK;
}
