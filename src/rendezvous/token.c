#include "rendezvous/token.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define PREFIX "r1"
#define PARTS  6 /* prefix, nonce, expiry, two ids, MAC */

static const char digits[] = "0123456789abcdef";

/* Cuts @text at its dots; false when there are more or fewer parts. */
static bool split(struct cv_rooms_text parts[PARTS], struct cv_rooms_text text)
{
    for (size_t i = 0; i < PARTS; i++) {
        const char *dot = text.len ? memchr(text.at, '.', text.len) : NULL;

        if (!dot != (i + 1 == PARTS))
            return false;
        parts[i] = (struct cv_rooms_text){text.at, dot ? (size_t)(dot - text.at) : text.len};
        if (dot)
            text = (struct cv_rooms_text){dot + 1, text.len - parts[i].len - 1};
    }
    return true;
}

static bool unhex(uint8_t *out, size_t size, struct cv_rooms_text text)
{
    if (text.len != 2 * size)
        return false;
    memset(out, 0, size);
    for (size_t i = 0; i < text.len; i++) {
        const char *digit = text.at[i] ? strchr(digits, text.at[i]) : NULL;

        if (!digit)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit - digits));
    }
    return true;
}

static void hex(struct cv_text *text, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        cv_text_bytes(text, &digits[bytes[i] >> 4], 1);
        cv_text_bytes(text, &digits[bytes[i] & 15], 1);
    }
}

bool cv_room_token_id(const char *id, size_t len)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (len == 0 || len > CV_ROOM_TOKEN_ID_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!id[i] || !strchr(allowed, id[i]))
            return false;
    return true;
}

int cv_room_token_parse(struct cv_room_token *out, struct cv_rooms_text text)
{
    struct cv_rooms_text parts[PARTS];
    uint8_t nonce[CV_ROOM_TOKEN_NONCE];

    if (text.len > CV_ROOM_TOKEN_MAX || !split(parts, text) || parts[0].len != sizeof(PREFIX) - 1 ||
        memcmp(parts[0].at, PREFIX, parts[0].len) != 0 || !unhex(nonce, sizeof(nonce), parts[1]) ||
        !cv_text_to_i64(parts[2].at, parts[2].len, &out->expiry) ||
        !cv_room_token_id(parts[3].at, parts[3].len) ||
        !cv_room_token_id(parts[4].at, parts[4].len) ||
        !unhex(out->mac, sizeof(out->mac), parts[5]))
        return CV_ESYNTAX;
    out->clients[0] = parts[3];
    out->clients[1] = parts[4];
    out->body = (struct cv_rooms_text){text.at, text.len - parts[5].len - 1};
    return 0;
}

bool cv_room_token_admits(const struct cv_room_token *token, struct cv_rooms_text client,
                          int64_t wall)
{
    if (wall >= token->expiry)
        return false;
    for (size_t i = 0; i < 2; i++)
        if (client.len == token->clients[i].len &&
            memcmp(client.at, token->clients[i].at, client.len) == 0)
            return true;
    return false;
}

int cv_room_token_body(char *out, const uint8_t nonce[CV_ROOM_TOKEN_NONCE], int64_t expiry,
                       const char *a, const char *b)
{
    struct cv_text text;

    if (!cv_room_token_id(a, strlen(a)) || !cv_room_token_id(b, strlen(b)) || strcmp(a, b) == 0 ||
        expiry < 0)
        return CV_ESYNTAX;
    cv_text_init(&text, out, CV_ROOM_TOKEN_MAX + 1);
    cv_text_str(&text, PREFIX ".");
    hex(&text, nonce, CV_ROOM_TOKEN_NONCE);
    cv_text_str(&text, ".");
    cv_text_i64(&text, expiry);
    cv_text_str(&text, ".");
    cv_text_str(&text, a);
    cv_text_str(&text, ".");
    cv_text_str(&text, b);
    return (int)text.len;
}

void cv_room_token_sign(char *body, size_t len, const uint8_t mac[CV_ROOM_TOKEN_MAC])
{
    struct cv_text text;

    cv_text_init(&text, body + len, CV_ROOM_TOKEN_MAX + 1 - len);
    cv_text_str(&text, ".");
    hex(&text, mac, CV_ROOM_TOKEN_MAC);
}

/* The longest token fits: prefix, nonce, an expiry of 19 digits, two ids, MAC and five dots. */
_Static_assert(sizeof(PREFIX) - 1 + 2 * CV_ROOM_TOKEN_NONCE + 19 + 2 * CV_ROOM_TOKEN_ID_MAX +
                       2 * CV_ROOM_TOKEN_MAC + 5 <=
                   CV_ROOM_TOKEN_MAX,
               "a token is the id of a room");
