#include "integration/files_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

struct cv_loop files_loop;
struct cv_files *files;
static char root[] = "/tmp/culvert-files-XXXXXX";
char files_shelf[64]; /* root/shelf */

static void no_log(void *ctx, enum cv_log_level level, const char *line)
{
    (void)ctx;
    (void)level;
    (void)line;
}

void put(const char *name, const char *text)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", files_shelf, name);
    file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    fputs(text, file);
    fclose(file);
}

void put_folder(const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", files_shelf, name);
    cr_assert_eq(mkdir(path, 0755), 0);
}

void put_link(const char *to, const char *name)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", files_shelf, name);
    cr_assert_eq(symlink(to, path), 0);
}

void files_setup(void)
{
    const struct cv_log log = {.level = CV_LOG_ERROR, .write = no_log};
    char path[512];

    cr_assert_not_null(mkdtemp(root));
    snprintf(files_shelf, sizeof(files_shelf), "%s/shelf", root);
    cr_assert_eq(mkdir(files_shelf, 0755), 0);
    put("../outside.txt", "secret");
    put("a.txt", "0123456789");
    put("empty.bin", "");
    put(".hidden", "hidden");
    put("b <&\"'>.html", "<p>b</p>");
    put("\xc3\xa4 %41.md", "umlaut");
    put_folder("docs");
    put("docs/index.html", "the index");
    put_folder("zoo");
    put("zoo/x.json", "{}");
    put_folder("zoo/.git");
    put("zoo/.git/config", "hidden");
    put_link("../a.txt", "zoo/inside");
    put_link("../../outside.txt", "zoo/outside");
    put_link("/etc/hostname", "absolute");
    put_link("/proc/self/root/etc/hostname", "magic");
    put_link("loop", "loop");
    snprintf(path, sizeof(path), "%s/pipe", files_shelf);
    cr_assert_eq(mkfifo(path, 0644), 0);
    cr_assert_eq(cv_loop_init(&files_loop, &log), 0);
    cr_assert_eq(cv_files_new(&files, &files_loop, files_shelf), 0);
}

void files_teardown(void)
{
    char command[128];

    cv_files_free(files);
    uv_run(files_loop.uv, UV_RUN_DEFAULT);
    cr_assert_eq(cv_loop_deinit(&files_loop), 0);
    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    cr_assert_eq(system(command), 0);
}

int client(void)
{
    int pair[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    cr_assert_eq(cv_files_serve(files, pair[1]), 0);
    return pair[0];
}

void turn(void)
{
    uv_run(files_loop.uv, UV_RUN_NOWAIT);
}

char *read_all(int fd, size_t *len)
{
    size_t room = 1 << 16;
    char *text = malloc(room);
    ssize_t n;

    *len = 0;
    for (;;) {
        turn();
        if (room - *len < 1 << 15)
            text = realloc(text, room *= 2);
        cr_assert_not_null(text);
        n = recv(fd, text + *len, room - *len - 1, 0);
        if (n < 0 && errno == EAGAIN) {
            usleep(500);
            continue;
        }
        if (n <= 0)
            break;
        *len += (size_t)n;
    }
    text[*len] = '\0';
    return text;
}

void say(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
        if (n < 0 && errno != EAGAIN)
            return;
        turn();
    }
}

struct answer take(int fd)
{
    struct answer answer;
    size_t len, head_len;

    answer.text = read_all(fd, &len);
    cr_assert_eq(cv_http_response_parse(&answer.head, answer.text, len, &head_len), 0, "%s",
                 answer.text);
    answer.body = answer.text + head_len;
    answer.body_len = len - head_len;
    close(fd);
    return answer;
}

struct answer ask(const char *request)
{
    int fd = client();

    say(fd, request, strlen(request));
    return take(fd);
}

struct answer get(const char *target, const char *headers)
{
    char request[8192];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" H "%s" CLOSE, target, headers);
    return ask(request);
}

void assert_header(const struct answer *answer, const char *name, const char *want)
{
    const struct cv_slice *value = cv_http_find(&answer->head, name);

    if (!want) {
        cr_assert_null(value, "%s is there", name);
        return;
    }
    cr_assert_not_null(value, "no %s: %s", name, answer->text);
    cr_assert(value->len == strlen(want) && memcmp(value->at, want, value->len) == 0, "%s: %.*s",
              name, (int)value->len, value->at);
}

void assert_status(const char *target, int want)
{
    struct answer answer = get(target, "");

    cr_assert_eq(answer.head.status, want, "%s gave %d", target, answer.head.status);
    cr_assert_eq(answer.head.content_length, (int64_t)answer.body_len, "%s", target);
    cr_assert_null(strstr(answer.text, "secret"), "%s", target);
    free(answer.text);
}

char *put_big(const char *name, size_t size)
{
    uint64_t *words = malloc(size);
    char path[512];
    FILE *file;

    cr_assert_not_null(words);
    for (size_t i = 0; i < size / 8; i++)
        words[i] = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    snprintf(path, sizeof(path), "%s/%s", files_shelf, name);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(words, 1, size, file), size);
    fclose(file);
    return (char *)words;
}
