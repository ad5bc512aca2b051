#ifndef TESTS_UNIT_NET_FIXTURE_H
#define TESTS_UNIT_NET_FIXTURE_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "net/loop.h"
#include "net/stream.h"
#include "support/test_alloc.h"

/* A loop with a counting allocator, a log that is kept, and a heart that beats every millisecond,
 * so that a test can wait for anything with NET_UNTIL. */
struct net {
    struct cv_loop loop;
    struct test_alloc memory;
    uv_timer_t heart;
    int log_lines;
    char last_log[1024];
};

void net_init(struct net *net);

/* Asserts that every handle is closed and all memory back. */
void net_deinit(struct net *net);

/* Runs the loop once; fails the test after 20 seconds of it. */
void net_turn(struct net *net);

#define NET_UNTIL(net, condition) \
    while (!(condition))          \
    net_turn(net)

/* A TCP connection over loopback: two non-blocking ends. */
void tcp_pair(int fds[2]);

/* A listening TCP socket on 127.0.0.1, or with @v6 on ::1; *@port is taken when not 0, else filled
 * in. */
int tcp_listen(bool v6, uint16_t *port, int backlog);

/* A port on which nobody listens. */
uint16_t free_port(void);

/* A client at the other end of a stream: plain when ssl is NULL. */
struct client {
    int fd;
    SSL *ssl;
};

/* All of @len bytes, running the loop meanwhile. */
void client_send(struct net *net, struct client *client, const void *data, size_t len);

/* At most @len bytes, running the loop until some are there: a count, 0 at an orderly end, or
 * -errno (-EPROTO for an error of TLS, a missing close_notify among them). */
ssize_t client_recv(struct net *net, struct client *client, void *buf, size_t len);

/* Sends @len bytes to an echo, and asserts that just these come back. */
void client_expect_echo(struct net *net, struct client *client, const void *data, size_t len);

/* Starts TLS as a client that trusts the certificate file @ca (NULL: anything) and asks for @name.
 */
void client_tls(struct net *net, struct client *client, const char *ca, const char *name);
void client_close(struct client *client);

/* An owner that echoes and notes how the stream ended. */
struct echo {
    struct cv_stream *stream;
    uint8_t buf[65536];
    size_t len, sent;
    size_t total; /* bytes echoed */
    bool ended;   /* orderly end seen */
    int error;    /* or this error */
    int wakes;
    bool keep_open; /* at an orderly end do nothing, in place of shutting down */
};

void echo_start(struct echo *echo, struct cv_stream *stream);

#endif
