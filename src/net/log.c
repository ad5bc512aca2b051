#include "net/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/error.h"
#include "base/text.h"

#define STAMP_SIZE 32
/* A JSON line may double what it quotes. */
#define JSON_SIZE (2 * CV_LOG_MAX + 128)

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

static void escape(struct cv_text *out, const char *raw)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *s = (const unsigned char *)raw;

    while (*s) {
        const char code[] = {'\\', 'x', digits[*s >> 4], digits[*s & 15]};
        size_t len = printable_len(s);
        size_t piece = len ? len : sizeof(code);

        if (piece > out->size - 1 - out->len)
            return; /* a cut character or escape would be a lie */
        cv_text_bytes(out, len ? (const char *)s : code, piece);
        s += len ? len : 1;
    }
}

void cv_log(const struct cv_log *log, enum cv_log_level level, const char *format, ...)
{
    char raw[CV_LOG_MAX + 1], line[CV_LOG_MAX + 1];
    struct cv_text text;
    va_list args;

    if (level > log->level || !log->write)
        return;
    va_start(args, format);
    vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    cv_text_init(&text, line, sizeof(line));
    escape(&text, raw);
    log->write(log->ctx, level, line);
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

static const char *level_name(enum cv_log_level level)
{
    static const char *const names[] = {
        [CV_LOG_ERROR] = "error",
        [CV_LOG_WARN] = "warn",
        [CV_LOG_INFO] = "info",
        [CV_LOG_DEBUG] = "debug",
    };

    return names[level];
}

/* UTC, as RFC 3339 has it, with milliseconds. */
static void stamp(char out[STAMP_SIZE])
{
    struct timespec now;
    struct tm utc;
    size_t n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    n = strftime(out, STAMP_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, STAMP_SIZE - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

/* One write() a line, so that lines of several processes on one pipe do not mix. */
static void put(struct cv_text *line)
{
    ssize_t n;

    line->buf[line->len++] = '\n'; /* in place of the NUL */
    n = write(STDERR_FILENO, line->buf, line->len);
    (void)n; /* nobody is left to be told */
}

static void write_text(void *ctx, enum cv_log_level level, const char *message)
{
    char buf[CV_LOG_MAX + 64], time[STAMP_SIZE];
    struct cv_text line;

    (void)ctx;
    stamp(time);
    cv_text_init(&line, buf, sizeof(buf));
    cv_text_str(&line, time);
    cv_text_str(&line, " ");
    cv_text_str(&line, level_name(level));
    cv_text_str(&line, " ");
    cv_text_str(&line, message);
    put(&line);
}

/* RFC 8259, 7. Controls do not get this far: cv_log() has escaped them. */
static void quote(struct cv_text *out, const char *message)
{
    cv_text_str(out, "\"");
    for (; *message; message++) {
        if (*message == '"' || *message == '\\')
            cv_text_str(out, "\\");
        cv_text_bytes(out, message, 1);
    }
    cv_text_str(out, "\"");
}

static void write_json(void *ctx, enum cv_log_level level, const char *message)
{
    char buf[JSON_SIZE], time[STAMP_SIZE];
    struct cv_text line;

    (void)ctx;
    stamp(time);
    cv_text_init(&line, buf, sizeof(buf));
    cv_text_str(&line, "{\"ts\":\"");
    cv_text_str(&line, time);
    cv_text_str(&line, "\",\"level\":\"");
    cv_text_str(&line, level_name(level));
    cv_text_str(&line, "\",\"msg\":");
    quote(&line, message);
    cv_text_str(&line, "}");
    put(&line);
}

void cv_log_stderr(struct cv_log *log, enum cv_log_level level, bool json)
{
    *log = (struct cv_log){.level = level, .write = json ? write_json : write_text};
}

bool cv_log_allow(struct cv_log_limit *limit, uint64_t now, uint64_t *dropped)
{
    const uint64_t cost = CV_SEC / CV_LOG_RATE;
    uint64_t full_at = limit->full_at > now ? limit->full_at : now;

    *dropped = limit->dropped;
    if (full_at - now > (CV_LOG_BURST - 1) * cost) {
        limit->dropped++;
        return false;
    }
    limit->full_at = full_at + cost;
    limit->dropped = 0;
    return true;
}
