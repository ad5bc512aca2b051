#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "command.h"
#include "net/digest.h"
#include "net/loop.h"
#include "rendezvous/token.h"
#include "secret.h"

#define DEFAULT_SECRET "/etc/culvert/rooms-secret"
#define TTL_MAX        (366 * 86400)

struct wish {
    const char *ids, *ttl, *secret;
    bool json;
};

/* Returns 0 or EXIT_USAGE. */
static int read_words(struct wish *wish, int argc, char **argv)
{
    *wish = (struct wish){.ttl = "10m", .secret = DEFAULT_SECRET};
    for (int i = 0; i < argc; i++) {
        const char **value = strcmp(argv[i], "--ids") == 0      ? &wish->ids
                             : strcmp(argv[i], "--ttl") == 0    ? &wish->ttl
                             : strcmp(argv[i], "--secret") == 0 ? &wish->secret
                                                                : NULL;

        if (strcmp(argv[i], "--json") == 0)
            wish->json = true;
        else if (!value || ++i == argc)
            return command_fail(EXIT_USAGE,
                                "room new: takes --ids A,B, --ttl TIME, --secret FILE and --json");
        else
            *value = argv[i];
    }
    return wish->ids ? EXIT_OK : command_fail(EXIT_USAGE, "room new: needs --ids A,B");
}

/* Seconds of `90`, `90s`, `10m`, `2h` or `1d`; 0 when it is no such thing, or too long. */
static int64_t read_ttl(const char *text)
{
    char *unit;
    long long number, factor;

    errno = 0;
    number = strtoll(text, &unit, 10);
    factor = strcmp(unit, "m") == 0                      ? 60
             : strcmp(unit, "h") == 0                    ? 3600
             : strcmp(unit, "d") == 0                    ? 86400
             : strcmp(unit, "s") == 0 || unit[0] == '\0' ? 1
                                                         : 0;
    if (errno || unit == text || number <= 0 || number > TTL_MAX || number * factor > TTL_MAX)
        return 0;
    return number * factor;
}

/* Signs the room for the two ids of @ids, which is cut at its comma. Returns an exit code. */
static int sign(char out[CV_ROOM_TOKEN_MAX + 1], char *ids, int64_t expiry,
                const struct secret *secret)
{
    uint8_t nonce[CV_ROOM_TOKEN_NONCE], mac[CV_SHA256_LEN];
    char *comma = strchr(ids, ',');
    int len;

    if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
        return command_fail(EXIT_RUN, "room new: %s", strerror(errno));
    if (comma)
        *comma = '\0';
    len = comma ? cv_room_token_body(out, nonce, expiry, ids, comma + 1) : -1;
    if (len < 0)
        return command_fail(EXIT_USAGE, "room new: --ids: two different ids with a comma between "
                                        "them, each 1 to 48 of A-Z a-z 0-9 _ and -");
    if (cv_hmac_sha256(mac, secret->bytes, secret->len, out, (size_t)len) < 0)
        return command_fail(EXIT_RUN, "room new: no memory");
    cv_room_token_sign(out, (size_t)len, mac);
    return EXIT_OK;
}

static int print(const char *room, int64_t expiry, bool json)
{
    json_t *object;
    int rc;

    if (!json)
        return printf("room: %s\nexpires: %" PRId64 "\n", room, expiry) < 0 ? -1 : 0;
    object = json_pack("{s:s, s:I}", "room", room, "expires", (json_int_t)expiry);
    rc = object ? json_dumpf(object, stdout, JSON_COMPACT) : -1;
    json_decref(object);
    return rc < 0 || putchar('\n') == EOF ? -1 : 0;
}

int command_room_new(int argc, char **argv)
{
    char room[CV_ROOM_TOKEN_MAX + 1], ids[2 * CV_ROOM_TOKEN_ID_MAX + 2], error[300];
    struct secret secret;
    struct wish wish;
    int64_t ttl, expiry;
    int code = read_words(&wish, argc, argv);

    if (code != EXIT_OK || !wish.ids)
        return code;
    ttl = read_ttl(wish.ttl);
    if (!ttl)
        return command_fail(EXIT_USAGE, "room new: --ttl: such as 90s, 10m, 2h or 1d, of a year "
                                        "at most");
    if (secret_read(&secret, wish.secret, error, sizeof(error)) < 0)
        return command_fail(EXIT_USAGE, "room new: %s", error);
    snprintf(ids, sizeof(ids), "%s", strlen(wish.ids) < sizeof(ids) ? wish.ids : "");
    expiry = cv_wall_clock() + ttl;
    code = sign(room, ids, expiry, &secret);
    cv_secret_clear(&secret, sizeof(secret));
    if (code == EXIT_OK && (print(room, expiry, wish.json) < 0 || fflush(stdout) != 0))
        return command_fail(EXIT_RUN, "room new: cannot write: %s", strerror(errno));
    return code;
}
