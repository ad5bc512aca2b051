#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "net/log.h"

/* Where the lines of a program go: standard error, as text or JSON, or systemd's journal. */

#define JOURNAL "/run/systemd/journal/socket"

#define STAMP_SIZE 32
/* A JSON line may double what it quotes. */
#define JSON_SIZE (2 * CV_LOG_MAX + 640)

static const struct {
    const char *name, *priority; /* as of syslog(3) */
} levels[] = {
    [CV_LOG_ERROR] = {"error", "3"},
    [CV_LOG_WARN] = {"warn", "4"},
    [CV_LOG_INFO] = {"info", "6"},
    [CV_LOG_DEBUG] = {"debug", "7"},
};

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

/* Who reads standard error for the journal takes a line's priority from before it
 * (sd-daemon(3)). */
static void begin(struct cv_text *line, const struct cv_log_out *out, enum cv_log_level level)
{
    if (!out || !out->journal)
        return;
    cv_text_str(line, "<");
    cv_text_str(line, levels[level].priority);
    cv_text_str(line, ">");
}

static void write_text(void *ctx, enum cv_log_level level, const char *message)
{
    char buf[CV_LOG_MAX + 64], time[STAMP_SIZE];
    struct cv_text line;

    stamp(time);
    cv_text_init(&line, buf, sizeof(buf));
    begin(&line, ctx, level);
    cv_text_str(&line, time);
    cv_text_str(&line, " ");
    cv_text_str(&line, levels[level].name);
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

static bool write_json(void *ctx, enum cv_log_level level, const char *message,
                       const struct cv_log_about *about)
{
    char buf[JSON_SIZE], time[STAMP_SIZE];
    struct cv_text line;

    stamp(time);
    cv_text_init(&line, buf, sizeof(buf));
    begin(&line, ctx, level);
    cv_text_str(&line, "{\"ts\":\"");
    cv_text_str(&line, time);
    cv_text_str(&line, "\",\"level\":\"");
    cv_text_str(&line, levels[level].name);
    cv_text_str(&line, "\",\"msg\":");
    quote(&line, message);
    if (about->client) {
        cv_text_str(&line, ",\"client\":");
        quote(&line, about->client);
    }
    if (about->session) {
        cv_text_str(&line, ",\"session\":");
        cv_text_u64(&line, about->session);
    }
    if (about->conn) {
        cv_text_str(&line, ",\"conn\":");
        cv_text_i64(&line, about->conn);
    }
    if (about->reason) {
        cv_text_str(&line, ",\"reason\":");
        quote(&line, about->reason);
    }
    cv_text_str(&line, "}");
    put(&line);
    return true;
}

/* The journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL). */

/* With the length before the value, which thereby may hold anything. */
static void field(struct cv_text *out, const char *name, const char *value)
{
    uint64_t len = strlen(value);
    char little[8];

    for (size_t i = 0; i < sizeof(little); i++)
        little[i] = (char)(len >> 8 * i & 0xff);
    cv_text_str(out, name);
    cv_text_str(out, "\n");
    cv_text_bytes(out, little, sizeof(little));
    cv_text_str(out, value);
    cv_text_str(out, "\n");
}

static bool send_fields(const struct cv_log_out *out, const struct cv_text *entry)
{
    static const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = JOURNAL};

    return sendto(out->fd, entry->buf, entry->len, MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&journal, sizeof(journal)) >= 0;
}

static bool write_journal(void *ctx, enum cv_log_level level, const char *message,
                          const struct cv_log_about *about)
{
    const struct cv_log_out *out = ctx;
    char buf[CV_LOG_MAX + 1024];
    struct cv_text entry;

    cv_text_init(&entry, buf, sizeof(buf));
    field(&entry, "PRIORITY", levels[level].priority);
    field(&entry, "SYSLOG_IDENTIFIER", out->name);
    field(&entry, "MESSAGE", message);
    if (about->client)
        field(&entry, "CULVERT_CLIENT", about->client);
    if (about->session) {
        cv_text_str(&entry, "CULVERT_SESSION=");
        cv_text_u64(&entry, about->session);
        cv_text_str(&entry, "\n");
    }
    if (about->conn) {
        cv_text_str(&entry, "CULVERT_CONN=");
        cv_text_i64(&entry, about->conn);
        cv_text_str(&entry, "\n");
    }
    if (about->reason)
        field(&entry, "CULVERT_REASON", about->reason);
    return send_fields(out, &entry); /* it is not there, or full: its other way in may wait */
}

void cv_log_stderr(struct cv_log *log, enum cv_log_level level, bool json)
{
    *log = (struct cv_log){
        .level = level, .write = write_text, .write_about = json ? write_json : NULL};
}

/* Whether standard error is the journal's: systemd says which file that is (systemd.exec(5)). */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char expected[64];
    struct stat file;

    if (!stream || fstat(STDERR_FILENO, &file) < 0)
        return false;
    snprintf(expected, sizeof(expected), "%llu:%llu", (unsigned long long)file.st_dev,
             (unsigned long long)file.st_ino);
    return strcmp(stream, expected) == 0;
}

void cv_log_open(struct cv_log *log, struct cv_log_out *out, const char *name,
                 enum cv_log_level level, bool json)
{
    *out = (struct cv_log_out){.name = name, .fd = -1, .journal = is_journal()};
    cv_log_stderr(log, level, json);
    log->ctx = out;
    if (!out->journal || json)
        return;
    out->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (out->fd >= 0)
        log->write_about = write_journal;
}

void cv_log_close(struct cv_log_out *out)
{
    if (out->fd >= 0)
        close(out->fd);
}
