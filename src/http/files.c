#include "http/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/error.h"
#include "base/list.h"
#include "http/file_answer.h"
#include "net/stream.h"
#include "net/timer.h"

#define TICK       (250 * CV_MSEC) /* how often deadlines are looked at */
#define TURNS_MAX  8 /* steps of one connection in one wake, so that the others get theirs */
#define FILE_SLICE ((size_t)256 * 1024) /* bytes of a file in one step */

enum conn_state {
    CONN_READ,  /* collects a request head */
    CONN_SEND,  /* sends an answer; what arrives meanwhile stays in the socket */
    CONN_DRAIN, /* has said its last and waits for the other end to close: closing first, with bytes
                 * unread, would reset the connection and take the answer away */
};

struct conn {
    struct cv_list link; /* in files->conns */
    struct cv_files *files;
    struct cv_stream *stream; /* owned */
    enum conn_state state;
    uint64_t deadline; /* in every state */
    struct cv_file_answer answer;
    size_t sent; /* of answer.text */
    size_t in_len;
    char in[CV_HTTP_HEAD_MAX]; /* what has arrived and is not answered yet */
};

struct cv_files {
    struct cv_loop *loop;   /* borrowed */
    struct cv_timer *timer; /* owned; set while there are connections */
    struct cv_list conns;
    size_t count;
    int root_fd;
    uint64_t head_wait, idle_wait, drain_wait;
};

/* What a step of a connection has come to; negative: an error, close. */
enum { STEP_ON, STEP_WAIT };

static void conn_close(struct conn *conn)
{
    struct cv_files *files = conn->files;

    cv_list_remove(&conn->link);
    if (--files->count == 0)
        cv_timer_stop(files->timer);
    cv_stream_close(conn->stream);
    cv_file_answer_clear(&conn->answer);
    cv_free(&files->loop->alloc, conn);
}

static void conn_wait(struct conn *conn, uint64_t wait)
{
    conn->deadline = cv_loop_now(conn->files->loop) + wait;
}

static int watch(struct conn *conn, int events)
{
    int rc = cv_stream_watch(conn->stream, events);

    return rc < 0 ? rc : STEP_WAIT;
}

static int conn_refuse(struct conn *conn, int status)
{
    int rc = cv_file_answer_refusal(&conn->answer, status);

    conn->state = CONN_SEND;
    conn->sent = 0;
    conn_wait(conn, conn->files->idle_wait);
    return rc;
}

/* Answers the first head in the buffer. CV_EMORE when there is none yet. */
static int conn_answer(struct conn *conn)
{
    struct cv_http_head head;
    size_t head_len;
    int rc = cv_http_request_parse(&head, conn->in, conn->in_len, &head_len);

    if (rc == CV_EMORE)
        return rc;
    if (rc < 0)
        return conn_refuse(conn, head.refusal);
    rc = cv_file_answer(&conn->answer, conn->files->root_fd, &head);
    conn->in_len -= head_len;
    memmove(conn->in, conn->in + head_len, conn->in_len);
    conn->state = CONN_SEND;
    conn->sent = 0;
    conn_wait(conn, conn->files->idle_wait);
    return rc;
}

static int step_read(struct conn *conn)
{
    int rc = conn->in_len ? conn_answer(conn) : CV_EMORE;
    ssize_t n;

    if (rc != CV_EMORE)
        return rc;
    /* There is room: the parser refuses a full buffer without an end of head. */
    n = cv_stream_recv(conn->stream, conn->in + conn->in_len, sizeof(conn->in) - conn->in_len);
    if (n == -EAGAIN)
        return watch(conn, CV_READABLE);
    if (n <= 0)
        return n ? (int)n : CV_ECLOSED;
    if (conn->in_len == 0)
        conn_wait(conn, conn->files->head_wait);
    conn->in_len += (size_t)n;
    return STEP_ON;
}

/* The answer is out: on to the next request, or to the end. */
static int answer_done(struct conn *conn)
{
    bool last = conn->answer.last;

    cv_file_answer_clear(&conn->answer);
    if (last) {
        cv_stream_shutdown(conn->stream);
        conn->state = CONN_DRAIN;
        conn_wait(conn, conn->files->drain_wait);
        return STEP_ON;
    }
    conn->state = CONN_READ;
    conn_wait(conn, conn->in_len ? conn->files->head_wait : conn->files->idle_wait);
    return STEP_ON;
}

/* The length was promised in the head: a file that has shrunk since then, or cannot be read, ends
 * in a reset, so that nobody takes the stump for the whole. */
static int send_file(struct conn *conn)
{
    struct cv_file_answer *answer = &conn->answer;
    size_t len = answer->left < FILE_SLICE ? (size_t)answer->left : FILE_SLICE;
    ssize_t n = sendfile(cv_stream_fd(conn->stream), answer->fd, &answer->at, len);

    if (n > 0) {
        answer->left -= (uint64_t)n;
        return (int)n;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    cv_stream_reset(conn->stream);
    return n < 0 ? -errno : -EIO;
}

static int step_send(struct conn *conn)
{
    struct cv_file_answer *answer = &conn->answer;
    int rc;

    if (conn->sent < answer->len) {
        rc = (int)cv_stream_send(conn->stream, answer->text + conn->sent, answer->len - conn->sent);
        if (rc > 0)
            conn->sent += (size_t)rc;
    } else if (answer->left) {
        rc = send_file(conn);
    } else {
        return answer_done(conn);
    }
    if (rc == -EAGAIN)
        return watch(conn, CV_WRITABLE);
    if (rc < 0)
        return rc;
    conn_wait(conn, conn->files->idle_wait);
    return STEP_ON;
}

static int step_drain(struct conn *conn)
{
    ssize_t n = cv_stream_recv(conn->stream, conn->files->loop->read_buf, CV_READ_SIZE);

    if (n == -EAGAIN)
        return watch(conn, CV_READABLE);
    if (n <= 0)
        return n ? (int)n : CV_ECLOSED;
    return STEP_ON;
}

static int conn_step(struct conn *conn)
{
    switch (conn->state) {
    case CONN_READ:
        return step_read(conn);
    case CONN_SEND:
        return step_send(conn);
    case CONN_DRAIN:
        return step_drain(conn);
    }
    return CV_ECLOSED;
}

/* Frees @conn when it has come to its end. */
static void conn_run(struct conn *conn)
{
    int rc = STEP_ON;

    for (int turn = 0; turn < TURNS_MAX && rc == STEP_ON; turn++)
        rc = conn_step(conn);
    if (rc == STEP_ON) /* there is more to do, perhaps with bytes that no poll tells of: come back
                          by writability */
        rc = watch(conn, conn->state == CONN_DRAIN ? CV_READABLE : CV_WRITABLE);
    if (rc < 0)
        conn_close(conn);
}

static void on_ready(void *ctx, int events)
{
    (void)events;
    conn_run(ctx);
}

static void conn_expire(struct conn *conn)
{
    if (conn->state == CONN_READ && conn->in_len && conn_refuse(conn, 408) >= 0)
        conn_run(conn);
    else
        conn_close(conn);
}

static void on_tick(void *ctx)
{
    struct cv_files *files = ctx;
    uint64_t now = cv_loop_now(files->loop);

    cv_list_each_safe (entry, &files->conns) {
        struct conn *conn = cv_container_of(entry, struct conn, link);

        if (conn->deadline <= now)
            conn_expire(conn);
    }
    if (files->count)
        cv_timer_set(files->timer, TICK);
}

int cv_files_new(struct cv_files **out, struct cv_loop *loop, const char *root_dir)
{
    struct cv_files *files = cv_alloc_zero(&loop->alloc, sizeof(*files));
    int rc;

    if (!files)
        return -ENOMEM;
    files->loop = loop;
    files->root_fd = open(root_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    rc = files->root_fd < 0 ? -errno : cv_timer_new(&files->timer, loop, on_tick, files);
    if (rc < 0) {
        if (files->root_fd >= 0)
            close(files->root_fd);
        cv_free(&loop->alloc, files);
        return rc;
    }
    cv_list_init(&files->conns);
    cv_files_set_waits(files, CV_FILES_HEAD_WAIT, CV_FILES_IDLE_WAIT, CV_FILES_DRAIN_WAIT);
    *out = files;
    return 0;
}

void cv_files_set_waits(struct cv_files *files, uint64_t head, uint64_t idle, uint64_t drain)
{
    files->head_wait = head;
    files->idle_wait = idle;
    files->drain_wait = drain;
}

int cv_files_serve(struct cv_files *files, int fd)
{
    const struct cv_alloc *alloc = &files->loop->alloc;
    struct conn *conn;
    int rc;

    if (files->count == CV_FILES_CONNS_MAX)
        return CV_EFULL;
    conn = cv_alloc(
        alloc,
        sizeof(*conn)); /* not cleared: the buffer need not become real memory before it is used */
    if (!conn)
        return -ENOMEM;
    rc = cv_stream_new(&conn->stream, files->loop, fd);
    if (rc < 0) {
        cv_free(alloc, conn);
        return rc;
    }
    conn->files = files;
    conn->state = CONN_READ;
    conn->answer = (struct cv_file_answer){.fd = -1};
    conn->sent = conn->in_len = 0;
    conn_wait(conn, files->idle_wait);
    cv_list_init(&conn->link);
    cv_list_push_back(&files->conns, &conn->link);
    if (files->count++ == 0)
        cv_timer_set(files->timer, TICK);
    cv_stream_owner(conn->stream, on_ready, conn);
    if (watch(conn, CV_READABLE) < 0)
        conn_close(conn); /* @fd was taken, so its end is what the other side hears */
    return 0;
}

size_t cv_files_count(const struct cv_files *files)
{
    return files->count;
}

void cv_files_free(struct cv_files *files)
{
    if (!files)
        return;
    cv_list_each_safe (entry, &files->conns)
        conn_close(cv_container_of(entry, struct conn, link));
    close(files->root_fd);
    cv_timer_free(files->timer);
    cv_free(&files->loop->alloc, files);
}
