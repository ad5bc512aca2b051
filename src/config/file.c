#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/quote.h"
#include "base/error.h"

#define READ_SIZE ((size_t)16 * 1024)

struct reading {
    struct cv_file *out;
    struct cv_arena *arena;
    const char *program, *path;
    size_t max;
    struct cv_config_error *error;
};

/* `PROGRAM: PATH: PROBLEM`; returns @rc. */
static int refuse(const struct reading *reading, const char *problem, int rc)
{
    struct cv_text text;

    cv_config_error_start(&text, reading->error, reading->program);
    cv_escape(&text, reading->path, strlen(reading->path));
    cv_text_str(&text, ": ");
    cv_text_str(&text, problem);
    return rc;
}

static int refuse_errno(const struct reading *reading)
{
    int code = errno > 0 ? errno : EIO;

    (void)refuse(reading, strerror(code), -code);
    return -code;
}

static int refuse_mode(const struct reading *reading, mode_t mode)
{
    const char digits[] = {(char)('0' + (mode >> 6 & 7)), (char)('0' + (mode >> 3 & 7)),
                           (char)('0' + (mode & 7)), '\0'};
    struct cv_text text;

    (void)refuse(reading, "others may read it (mode 0", CV_EDENIED);
    text = (struct cv_text){.buf = reading->error->line,
                            .len = strlen(reading->error->line),
                            .size = sizeof(reading->error->line)};
    cv_text_str(&text, digits);
    cv_text_str(&text, "): run chmod 600 on it");
    return CV_EDENIED;
}

/* Moves what was read to a block of twice the size. */
static int grow(const struct reading *reading, size_t *size)
{
    char *grown = cv_arena_take(reading->arena, 2 * *size + 1);

    if (!grown)
        return cv_config_error_memory(reading->error, reading->program);
    memcpy(grown, reading->out->text, reading->out->len);
    reading->out->text = grown;
    *size *= 2;
    return 0;
}

/* Reads @fd to its end: it may be a pipe, so its size is not asked for. */
static int read_all(const struct reading *reading, int fd)
{
    size_t size = READ_SIZE;

    reading->out->len = 0;
    reading->out->text = cv_arena_take(reading->arena, size + 1);
    if (!reading->out->text)
        return cv_config_error_memory(reading->error, reading->program);
    for (;;) {
        ssize_t n = read(fd, reading->out->text + reading->out->len, size - reading->out->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return refuse_errno(reading);
        if (n == 0) {
            reading->out->text[reading->out->len] = '\0';
            return 0;
        }
        reading->out->len += (size_t)n;
        if (reading->out->len > reading->max)
            return refuse(reading, "the file is too large", CV_ETOOLONG);
        if (reading->out->len == size) {
            int rc = grow(reading, &size);

            if (rc < 0)
                return rc;
        }
    }
}

int cv_file_read(struct cv_file *out, struct cv_arena *arena, const char *program, const char *path,
                 size_t max, bool secret, struct cv_config_error *error)
{
    const struct reading reading = {out, arena, program, path, max, error};
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
    struct stat status;

    *out = (struct cv_file){0};
    if (fd < 0)
        return refuse_errno(&reading);
    if (fstat(fd, &status) < 0)
        rc = refuse_errno(&reading);
    else if (secret && (status.st_mode & 077))
        rc = refuse_mode(&reading, status.st_mode);
    else
        rc = read_all(&reading, fd);
    close(fd);
    return rc;
}

int cv_credentials_load(struct cv_credentials **out, const struct cv_alloc *alloc,
                        const char *program, const char *path, struct cv_config_error *error)
{
    struct cv_credential_error bad;
    struct cv_arena arena;
    struct cv_file file;
    int rc;

    cv_arena_init(&arena, alloc);
    rc = cv_file_read(&file, &arena, program, path, CV_CREDENTIAL_FILE_MAX, true, error);
    if (rc == 0) {
        rc = cv_credentials_parse(out, alloc, file.text, file.len, &bad);
        if (rc < 0) {
            struct cv_text text;

            cv_config_error_start(&text, error, program);
            cv_escape(&text, path, strlen(path));
            if (bad.line) {
                cv_text_str(&text, ":");
                cv_text_u64(&text, bad.line);
            }
            cv_text_str(&text, ": ");
            cv_text_str(&text, bad.text);
        }
    }
    cv_arena_deinit(&arena);
    return rc;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The first line of a secret file, without blanks around it, ended by NUL. *@len is its length. */
static int first_line(char **out, size_t *len, const struct reading *reading)
{
    struct cv_file file;
    char *start, *end;
    int rc = cv_file_read(&file, reading->arena, reading->program, reading->path,
                          CV_CONFIG_VALUE_MAX, true, reading->error);

    if (rc < 0 || !file.text)
        return rc;
    start = file.text;
    end = memchr(start, '\n', file.len);
    end = end ? end : start + file.len;
    while (start < end && is_blank(start[0]))
        start++;
    while (end > start && is_blank(end[-1]))
        end--;
    *end = '\0';
    *out = start;
    *len = (size_t)(end - start);
    return 0;
}

int cv_token_load(const char **out, struct cv_arena *arena, const char *program, const char *path,
                  struct cv_config_error *error)
{
    const struct reading reading = {
        .arena = arena, .program = program, .path = path, .error = error};
    char *line = NULL;
    size_t len = 0;
    int rc = first_line(&line, &len, &reading);

    if (rc < 0 || !line)
        return rc;
    if (len >= sizeof(CV_HASH_PREFIX) - 1 &&
        memcmp(line, CV_HASH_PREFIX, sizeof(CV_HASH_PREFIX) - 1) == 0)
        return refuse(&reading, "holds a token's hash, not the token", CV_ESYNTAX);
    if (!cv_token_valid(line, len))
        return refuse(&reading, "its first line is no token", CV_ESYNTAX);
    *out = line;
    return 0;
}

int cv_proxy_auth_load(const char **out, struct cv_arena *arena, const char *program,
                       const char *path, struct cv_config_error *error)
{
    const struct reading reading = {
        .arena = arena, .program = program, .path = path, .error = error};
    char *line = NULL;
    size_t len = 0;
    int rc = first_line(&line, &len, &reading);

    if (rc < 0 || !line)
        return rc;
    if (strlen(line) != len || line[0] == ':' || !strchr(line, ':'))
        return refuse(&reading, "its first line is not USER:PASSWORD", CV_ESYNTAX);
    *out = line;
    return 0;
}
