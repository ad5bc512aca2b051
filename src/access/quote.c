#include "access/quote.h"

#include <string.h>

#include "access/token.h"

static void put_escaped(struct cv_text *text, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char escaped[] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

    cv_text_bytes(text, escaped, sizeof(escaped));
}

void cv_escape(struct cv_text *text, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        unsigned char next = i + 1 < len ? (unsigned char)bytes[i + 1] : 0;
        /* U+0080 to U+009F are control characters too: some terminals obey them */
        bool c1 = c == 0xc2 && next >= 0x80 && next < 0xa0;

        if (c < 0x20 || c == 0x7f || c == '\'' || c == '\\' || c1)
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
