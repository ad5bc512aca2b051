#include "net_fixture.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void keep_log(void *ctx, enum cv_log_level level, const char *line)
{
    struct net *net = ctx;

    (void)level;
    net->log_lines++;
    snprintf(net->last_log, sizeof(net->last_log), "%s", line);
}

static void on_beat(uv_timer_t *timer)
{
    (void)timer;
}

void net_init(struct net *net)
{
    struct cv_log log = {.level = CV_LOG_DEBUG, .write = keep_log, .ctx = net};

    memset(net, 0, sizeof(*net));
    cr_assert_eq(cv_loop_init(&net->loop, &log), 0);
    test_alloc_init(&net->memory);
    net->loop.alloc = net->memory.alloc;
    uv_timer_init(net->loop.uv, &net->heart);
    uv_timer_start(&net->heart, on_beat, 1, 1);
}

void net_deinit(struct net *net)
{
    uv_close((uv_handle_t *)&net->heart, NULL);
    for (int i = 0; i < 1000 && uv_loop_alive(net->loop.uv); i++)
        uv_run(net->loop.uv, UV_RUN_ONCE);
    cr_assert_eq(cv_loop_deinit(&net->loop), 0, "a handle is open");
    cr_assert_eq(net->memory.live, 0, "%zu blocks are live", net->memory.live);
}

void net_turn(struct net *net)
{
    static uint64_t start;

    if (!start)
        start = uv_hrtime();
    cr_assert_lt(uv_hrtime() - start, UINT64_C(20000000000), "nothing came for 20 seconds");
    uv_run(net->loop.uv, UV_RUN_ONCE);
}

int tcp_listen(bool v6, uint16_t *port, int backlog)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(*port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr *address = v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t len = v6 ? sizeof(six) : sizeof(four);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(fd, address, len), 0);
    if (backlog >= 0)
        cr_assert_eq(listen(fd, backlog), 0);
    cr_assert_eq(getsockname(fd, address, &len), 0);
    *port = ntohs(v6 ? six.sin6_port : four.sin_port);
    return fd;
}

uint16_t free_port(void)
{
    uint16_t port = 0;

    close(tcp_listen(false, &port, -1));
    return port;
}

void tcp_pair(int fds[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint16_t port = 0;
    int listener = tcp_listen(false, &port, 1);

    address.sin_port = htons(port);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fds[0], (struct sockaddr *)&address, sizeof(address)), 0);
    fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(fds[1], 0);
    close(listener);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
}

/* The result of a TLS call as a count, 0 or -errno. */
static ssize_t ssl_result(SSL *ssl, int rc)
{
    switch (SSL_get_error(ssl, rc)) {
    case SSL_ERROR_NONE:
        return rc;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_SYSCALL:
        return errno ? -errno : -EPROTO;
    default:
        return -EPROTO;
    }
}

void client_send(struct net *net, struct client *client, const void *data, size_t len)
{
    size_t done = 0;

    while (done < len) {
        const uint8_t *at = (const uint8_t *)data + done;
        ssize_t n;

        ERR_clear_error();
        if (client->ssl)
            n = ssl_result(client->ssl, SSL_write(client->ssl, at, (int)(len - done)));
        else
            n = send(client->fd, at, len - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else
            net_turn(net);
    }
}

ssize_t client_recv(struct net *net, struct client *client, void *buf, size_t len)
{
    for (;;) {
        ssize_t n;

        ERR_clear_error();
        errno = 0;
        if (client->ssl) {
            n = ssl_result(client->ssl, SSL_read(client->ssl, buf, (int)len));
        } else {
            n = recv(client->fd, buf, len, 0);
            n = n < 0 ? -errno : n;
        }
        if (n != -EAGAIN)
            return n;
        net_turn(net);
    }
}

void client_expect_echo(struct net *net, struct client *client, const void *data, size_t len)
{
    uint8_t *back = malloc(len);

    client_send(net, client, data, len);
    for (size_t got = 0; got < len;) {
        ssize_t n = client_recv(net, client, back + got, len - got);

        cr_assert_gt(n, 0, "%zd after %zu bytes", n, got);
        got += (size_t)n;
    }
    cr_assert_arr_eq(back, data, len);
    free(back);
}

void client_tls(struct net *net, struct client *client, const char *ca, const char *name)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    ssize_t rc = -EAGAIN;

    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (ca) {
        cr_assert_eq(SSL_CTX_load_verify_file(ctx, ca), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    client->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set1_host(client->ssl, name);
    SSL_set_tlsext_host_name(client->ssl, name);
    SSL_set_fd(client->ssl, client->fd);
    while (rc == -EAGAIN) {
        rc = ssl_result(client->ssl, SSL_connect(client->ssl));
        if (rc == -EAGAIN)
            net_turn(net);
    }
    cr_assert_eq(rc, 1, "handshake: %zd", rc);
}

void client_close(struct client *client)
{
    SSL_free(client->ssl);
    close(client->fd);
}

/* Sends what is there; false when the stream is stuck or done with. */
static bool echo_flush(struct echo *echo)
{
    while (echo->sent < echo->len) {
        ssize_t n = cv_stream_send(echo->stream, echo->buf + echo->sent, echo->len - echo->sent);

        if (n < 0) {
            if (n != -EAGAIN)
                echo->error = (int)n;
            return false;
        }
        echo->sent += (size_t)n;
        echo->total += (size_t)n;
    }
    echo->len = echo->sent = 0;
    return true;
}

static void echo_ready(void *ctx, int events)
{
    struct echo *echo = ctx;

    (void)events;
    echo->wakes++;
    while (!echo->error && !echo->ended && echo_flush(echo)) {
        ssize_t n = cv_stream_recv(echo->stream, echo->buf, sizeof(echo->buf));

        if (n == -EAGAIN)
            break;
        if (n < 0)
            echo->error = (int)n;
        else if (n == 0)
            echo->ended = true;
        else
            echo->len = (size_t)n;
    }
    if (echo->ended && !echo->keep_open)
        cv_stream_shutdown(echo->stream);
    if (echo->ended || echo->error)
        cr_assert_eq(cv_stream_watch(echo->stream, 0), 0);
    else
        cr_assert_eq(cv_stream_watch(echo->stream, echo->len ? CV_WRITABLE : CV_READABLE), 0);
}

void echo_start(struct echo *echo, struct cv_stream *stream)
{
    memset(echo, 0, sizeof(*echo));
    echo->stream = stream;
    cv_stream_owner(stream, echo_ready, echo);
    cr_assert_eq(cv_stream_watch(stream, CV_READABLE), 0);
}
