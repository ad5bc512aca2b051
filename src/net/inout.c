#include "net/inout.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE ((size_t)64 * 1024) /* of one read */

/* Waits for one descriptor that is non-blocking, since somebody else made it so. */
static void wait_for(int fd, short events)
{
    struct pollfd wait = {.fd = fd, .events = events};

    (void)!poll(&wait, 1, -1);
}

static bool again(int error)
{
    return error == EINTR || error == EAGAIN;
}

/* An end that is no orderly one: the other side of the pair sees a reset. */
static int give_up(struct cv_inout *inout, int error)
{
    cv_pair_reset(inout->pair, CV_PAIR_OUTER);
    shutdown(inout->fd, SHUT_RDWR);
    return -error;
}

/* False when nobody takes it any more. */
static bool send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* Waits for standard input: false when the pair is over before. */
static bool wait_for_input(const struct cv_inout *inout)
{
    struct pollfd fds[] = {{.fd = inout->in_fd, .events = POLLIN}, {.fd = inout->fd}};

    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return !fds[1].revents;
}

static void move_in(void *ctx)
{
    struct cv_inout *inout = ctx;
    char buf[PIECE];

    while (wait_for_input(inout)) {
        ssize_t n = read(inout->in_fd, buf, sizeof(buf));

        if (n < 0 && again(errno))
            continue;
        if (n < 0)
            inout->in_error = give_up(inout, errno);
        if (n == 0)
            shutdown(inout->fd, SHUT_WR);
        if (n <= 0 || !send_all(inout->fd, buf, (size_t)n))
            return;
    }
}

/* 0 or an errno. */
static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && !again(errno))
            return errno;
        if (n < 0 && errno == EAGAIN)
            wait_for(fd, POLLOUT);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static void move_out(void *ctx)
{
    struct cv_inout *inout = ctx;
    char buf[PIECE];
    ssize_t n;

    while ((n = recv(inout->fd, buf, sizeof(buf), 0)) > 0 || (n < 0 && errno == EINTR)) {
        int error = n > 0 ? write_all(inout->out_fd, buf, (size_t)n) : 0;

        if (error) {
            inout->out_error = give_up(inout, error);
            return;
        }
    }
    if (isatty(inout->in_fd)) /* nobody should have to press a key after the last word */
        shutdown(inout->fd, SHUT_WR);
}

/* The threads may block; the loop may not. */
static int make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
}

static int start_threads(struct cv_inout *inout)
{
    int rc = make_blocking(inout->fd);

    if (rc == 0)
        rc = uv_thread_create(&inout->out, move_out, inout);
    if (rc < 0)
        return rc;
    rc = uv_thread_create(&inout->in, move_in, inout);
    if (rc < 0) {
        give_up(inout, 0);
        uv_thread_join(&inout->out);
    }
    return rc;
}

static void let_go(struct cv_inout *inout)
{
    close(inout->fd);
    inout->fd = -1;
    cv_pair_unref(inout->pair);
}

int cv_inout_open(struct cv_inout *inout, struct cv_loop *loop, int in_fd, int out_fd,
                  struct cv_stream **stream)
{
    int fds[2];
    int rc = cv_pair_new(&inout->pair, fds);

    if (rc < 0)
        return rc;
    inout->fd = fds[CV_PAIR_OUTER];
    inout->in_fd = in_fd;
    inout->out_fd = out_fd;
    rc = cv_pair_stream(stream, loop, inout->pair, CV_PAIR_INNER, fds[CV_PAIR_INNER]);
    if (rc < 0) {
        close(fds[CV_PAIR_INNER]);
        cv_pair_unref(inout->pair);
        let_go(inout);
        return rc;
    }
    rc = start_threads(inout);
    if (rc < 0) {
        cv_stream_close(*stream);
        let_go(inout);
    }
    return rc;
}

void cv_inout_join(struct cv_inout *inout)
{
    if (inout->fd < 0)
        return;
    uv_thread_join(&inout->out);
    uv_thread_join(&inout->in);
    let_go(inout);
}
