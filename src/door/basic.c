#include "door/basic.h"

#include <string.h>

#include "base/error.h"

static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Base64 with its padding (RFC 4648, 4); returns the length. */
static int decode(char *out, size_t size, struct cv_slice in)
{
    uint32_t bits = 0;
    size_t len = 0, digits = in.len;

    if (in.len == 0 || in.len % 4)
        return CV_ESYNTAX;
    while (digits > in.len - 2 && in.at[digits - 1] == '=')
        digits--;
    for (size_t i = 0; i < digits; i++) {
        int value = digit(in.at[i]);

        if (value < 0)
            return CV_ESYNTAX;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 0)
            continue;
        if (len == size)
            return CV_ETOOLONG;
        out[len++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return (int)len;
}

int cv_basic_read(struct cv_basic *out, struct cv_slice value)
{
    static const char scheme[] = "Basic ";
    size_t skip = sizeof(scheme) - 1;
    char *colon;
    int len;

    memset(out, 0, sizeof(*out));
    if (value.len < skip || !cv_slice_is((struct cv_slice){value.at, skip}, scheme))
        return CV_ESYNTAX;
    while (skip < value.len && value.at[skip] == ' ')
        skip++;
    len = decode(out->text, CV_BASIC_MAX, (struct cv_slice){value.at + skip, value.len - skip});
    if (len < 0)
        return len;
    colon = memchr(out->text, ':', (size_t)len);
    if (!colon || memchr(out->text, '\0', (size_t)len))
        return CV_ESYNTAX;
    *colon = '\0';
    out->user = out->text;
    out->password = colon + 1;
    return 0;
}
