#include "base/text.h"

#include <string.h>

void cv_text_init(struct cv_text *text, char *buf, size_t size)
{
    *text = (struct cv_text){.buf = buf, .size = size};
    buf[0] = '\0';
}

void cv_text_bytes(struct cv_text *text, const char *bytes, size_t len)
{
    size_t room = text->size - 1 - text->len;

    if (len > room) {
        text->truncated = true;
        len = room;
    }
    if (len)
        memcpy(text->buf + text->len, bytes, len);
    text->len += len;
    text->buf[text->len] = '\0';
}

void cv_text_str(struct cv_text *text, const char *str)
{
    cv_text_bytes(text, str, strlen(str));
}

void cv_text_u64(struct cv_text *text, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    cv_text_bytes(text, digits + at, sizeof(digits) - at);
}

void cv_text_i64(struct cv_text *text, int64_t value)
{
    if (value < 0)
        cv_text_bytes(text, "-", 1);
    cv_text_u64(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

bool cv_text_holds(const char *text, const char *part)
{
    size_t len = strlen(part);

    for (size_t left = strlen(text); left >= len; left--, text++)
        if (memcmp(text, part, len) == 0)
            return true;
    return false;
}

int cv_text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool cv_text_to_i64(const char *text, size_t len, int64_t *value)
{
    uint64_t sum = 0;

    if (len == 0 || len > 19)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        sum = sum * 10 + (uint64_t)(text[i] - '0');
    }
    if (sum > INT64_MAX)
        return false;
    *value = (int64_t)sum;
    return true;
}
