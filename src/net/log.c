#include "net/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "base/error.h"
#include "base/key.h"
#include "base/text.h"

/* The fields of a line as text: a key of which every byte is escaped, two numbers, a reason, their
 * names. */
#define ABOUT_SIZE (4 * CV_KEY_MAX + 120)

/* Length of the character that starts at @s when it is well-formed UTF-8 (RFC 3629) and no control
 * (C0, DEL, C1), else 0. The NUL that ends @s stops any sequence. */
static size_t printable_len(const unsigned char *s)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (len == 1)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (s[0] == 0xc2 && s[1] < 0xa0)
        return 0; /* C1: 8-bit escape sequences of terminals */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90))
        return 0; /* overlong */
    if ((s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0; /* surrogates; past the last code point */
    return len;
}

/* @word: a space or a quote is escaped too, so that what it says cannot pass for a further field.
 */
static void escape(struct cv_text *out, const char *raw, bool word)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)raw;

    while (*s) {
        const char code[] = {'\\', 'x', digits[*s >> 4], digits[*s & 15]};
        size_t len = word && (*s == ' ' || *s == '"') ? 0 : printable_len(s);
        size_t piece = len ? len : sizeof(code);

        if (piece > out->size - 1 - out->len)
            return; /* a cut character or escape would be a lie */
        cv_text_bytes(out, len ? (const char *)s : code, piece);
        s += len ? len : 1;
    }
}

/* Puts the fields of @about, escaped, into @text, and a client of the same form into @client. */
static void write_fields(struct cv_text *text, struct cv_text *client,
                         const struct cv_log_about *about)
{
    if (about->client) {
        escape(client, about->client, true);
        cv_text_str(text, " client=");
        cv_text_str(text, client->buf);
    }
    if (about->session) {
        cv_text_str(text, " session=");
        cv_text_u64(text, about->session);
    }
    if (about->conn) {
        cv_text_str(text, " conn=");
        cv_text_i64(text, about->conn);
    }
    if (about->reason) {
        cv_text_str(text, " reason=");
        cv_text_str(text, about->reason);
    }
}

static void say(const struct cv_log *log, enum cv_log_level level, const struct cv_log_about *about,
                const char *raw)
{
    char line[CV_LOG_MAX + 1], fields[ABOUT_SIZE], client[4 * CV_KEY_MAX + 1];
    struct cv_log_about whom = *about;
    struct cv_text text, more, key;

    if (!whom.client)
        whom.client = log->client;
    cv_text_init(&more, fields, sizeof(fields));
    cv_text_init(&key, client, sizeof(client));
    write_fields(&more, &key, &whom);
    if (whom.client)
        whom.client = client;
    cv_text_init(&text, line, sizeof(line));
    escape(&text, raw, false);
    if (log->write_about && log->write_about(log->ctx, level, line, &whom))
        return;
    if (more.len) { /* the message is cut, and not its fields */
        cv_text_init(&text, line, sizeof(line) - more.len);
        escape(&text, raw, false);
        memcpy(line + text.len, fields, more.len + 1);
    }
    log->write(log->ctx, level, line);
}

void cv_log(const struct cv_log *log, enum cv_log_level level, const char *format, ...)
{
    char raw[CV_LOG_MAX + 1];
    va_list args;

    if (level > log->level || !log->write)
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    say(log, level, &(struct cv_log_about){.client = NULL}, raw);
}

void cv_log_about(const struct cv_log *log, enum cv_log_level level,
                  const struct cv_log_about *about, const char *format, ...)
{
    char raw[CV_LOG_MAX + 1];
    va_list args;

    if (level > log->level || !log->write)
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    say(log, level, about, raw);
}

const char *cv_strerror(int code)
{
    const char *text = cv_error_text(code);

    if (text)
        return text;
    /* uv_strerror() allocates for a code that it does not know, and never frees that. */
    switch (code) {
#define X(name, text) \
    case UV_##name:   \
        return text;
        UV_ERRNO_MAP(X)
#undef X
    }
    text = code < 0 ? strerrordesc_np(-code) : NULL;
    return text ? text : "unknown error";
}

/* They were of other connections, and ended otherwise. */
static void say_how_many(const struct cv_log *log, enum cv_log_level level,
                         const struct cv_log_limit *limit, uint64_t now,
                         const struct cv_log_about *whose)
{
    struct cv_log_about about = {.client = whose ? whose->client : NULL,
                                 .session = whose ? whose->session : 0};
    uint64_t seconds = (now - limit->since) / CV_SEC + 1;

    cv_log_about(log, level, &about, "%llu more like the next line in the last %llu s",
                 (unsigned long long)limit->dropped, (unsigned long long)seconds);
}

struct cv_log_limit *cv_log_share(struct cv_log_limits *limits, const char *client)
{
    uint32_t hash = 2166136261; /* FNV-1a: who picks keys that meet can flood one key as well */

    if (!client || !*client)
        return &limits->at[0];
    for (; *client; client++)
        hash = (hash ^ (unsigned char)*client) * 16777619;
    return &limits->at[1 + hash % (CV_LOG_SHARES - 1)];
}

uint64_t cv_log_left_out(struct cv_log_limits *limits, uint64_t now)
{
    uint64_t count = 0;

    for (size_t i = 0; i < CV_LOG_SHARES; i++) {
        struct cv_log_limit *limit = &limits->at[i];

        if (limit->full_at > now)
            continue;
        count += limit->dropped;
        limit->dropped = 0;
    }
    return count;
}

bool cv_log_admit(const struct cv_log *log, enum cv_log_level level, struct cv_log_limit *limit,
                  uint64_t now, const struct cv_log_about *whose)
{
    const uint64_t cost = CV_SEC / CV_LOG_RATE;
    uint64_t full_at = limit->full_at > now ? limit->full_at : now;

    if (level > log->level || !log->write)
        return false;
    if (full_at - now > (CV_LOG_BURST - 1) * cost) {
        if (limit->dropped++ == 0)
            limit->since = now;
        return false;
    }
    limit->full_at = full_at + cost;
    if (limit->dropped)
        say_how_many(log, level, limit, now, whose);
    limit->dropped = 0;
    return true;
}
