#include "access/quote.h"

#include <string.h>

#include "access/token.h"

static void put_escaped(struct cv_text *text, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char escaped[] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

    cv_text_bytes(text, escaped, sizeof(escaped));
}

/* U+0080 to U+009F are control characters too, some terminals obey them: whether @at is in one. */
static bool in_c1(const char *bytes, size_t len, size_t at)
{
    size_t first = at > 0 && (unsigned char)bytes[at - 1] == 0xc2 ? at - 1 : at;

    return first + 1 < len && (unsigned char)bytes[first] == 0xc2 &&
           (unsigned char)bytes[first + 1] >= 0x80 && (unsigned char)bytes[first + 1] < 0xa0;
}

void cv_escape(struct cv_text *text, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c < 0x20 || c == 0x7f || c == '\'' || c == '\\' || in_c1(bytes, len, i))
            put_escaped(text, c);
        else
            cv_text_bytes(text, bytes + i, 1);
    }
}

/* Whether a token may stand in @bytes, at whatever place. */
static bool holds_token(const char *bytes, size_t len)
{
    for (size_t i = 0; i + sizeof(CV_TOKEN_PREFIX) - 1 <= len; i++)
        if (memcmp(bytes + i, CV_TOKEN_PREFIX, sizeof(CV_TOKEN_PREFIX) - 1) == 0)
            return true;
    return false;
}

void cv_quote(struct cv_text *text, const char *bytes, size_t len)
{
    size_t shown = cv_min_size(len, CV_QUOTE_MAX);

    if (holds_token(bytes, len)) {
        cv_text_str(text, "(a token, not shown)");
        return;
    }
    cv_text_str(text, "'");
    cv_escape(text, bytes, shown);
    cv_text_str(text, shown < len ? "'..." : "'");
}

void cv_quote_str(struct cv_text *text, const char *str)
{
    cv_quote(text, str, strlen(str));
}
