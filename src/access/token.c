#include "access/token.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void cv_token_format(char out[CV_TOKEN_LEN + 1], const uint8_t random[CV_TOKEN_RANDOM])
{
    uint32_t held = 0;
    unsigned bits = 0;
    char *at = out + sizeof(CV_TOKEN_PREFIX) - 1;

    memcpy(out, CV_TOKEN_PREFIX, sizeof(CV_TOKEN_PREFIX) - 1);
    for (size_t i = 0; i < CV_TOKEN_RANDOM; i++) {
        held = held << 8 | random[i];
        for (bits += 8; bits >= 6; bits -= 6)
            *at++ = base64url[held >> (bits - 6) & 63];
    }
    *at++ = base64url[held << (6 - bits) & 63];
    *at = '\0';
}

void cv_hash_format(char out[CV_HASH_LEN + 1], const uint8_t digest[CV_TOKEN_DIGEST])
{
    static const char digits[] = "0123456789abcdef";
    char *at = out + sizeof(CV_HASH_PREFIX) - 1;

    memcpy(out, CV_HASH_PREFIX, sizeof(CV_HASH_PREFIX) - 1);
    for (size_t i = 0; i < CV_TOKEN_DIGEST; i++) {
        *at++ = digits[digest[i] >> 4];
        *at++ = digits[digest[i] & 15];
    }
    *at = '\0';
}

int cv_hash_parse(uint8_t out[CV_TOKEN_DIGEST], const char *text, size_t len)
{
    const char *digits = text + sizeof(CV_HASH_PREFIX) - 1;

    if (len != CV_HASH_LEN || memcmp(text, CV_HASH_PREFIX, sizeof(CV_HASH_PREFIX) - 1) != 0)
        return CV_ESYNTAX;
    for (size_t i = 0; i < CV_TOKEN_DIGEST; i++) {
        int high = cv_text_hex_digit(digits[2 * i]), low = cv_text_hex_digit(digits[2 * i + 1]);

        if (high < 0 || low < 0)
            return CV_ESYNTAX;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static bool token_byte(char c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    return memchr("-._~+/", c, 6) != NULL;
}

bool cv_token_valid(const char *text, size_t len)
{
    size_t body = 0;

    if (len > CV_TOKEN_MAX)
        return false;
    while (body < len && token_byte(text[body]))
        body++;
    for (size_t i = body; i < len; i++)
        if (text[i] != '=')
            return false;
    return body > 0;
}

bool cv_access_equal(const uint8_t a[CV_TOKEN_DIGEST], const uint8_t b[CV_TOKEN_DIGEST])
{
    volatile uint8_t differ = 0;

    for (size_t i = 0; i < CV_TOKEN_DIGEST; i++)
        differ = (uint8_t)(differ | (a[i] ^ b[i]));
    return differ == 0;
}
