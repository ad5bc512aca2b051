#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net_fixture.h"

#define BULK ((size_t)1024 * 1024)

static struct cv_stream *plain(struct net *net, struct client *client)
{
    struct cv_stream *stream;
    int fds[2];

    tcp_pair(fds);
    *client = (struct client){.fd = fds[0]};
    cr_assert_eq(cv_stream_new(&stream, &net->loop, fds[1]), 0);
    return stream;
}

Test(stream, echoes_more_than_the_kernel_holds)
{
    uint8_t *data = malloc(BULK), *back = malloc(BULK);
    static struct echo echo;
    struct client client;
    struct net net;

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    for (size_t i = 0; i < BULK; i++)
        data[i] = (uint8_t)(i * 31 + i / 255);
    for (size_t out = 0, in = 0; in < BULK;) {
        ssize_t n = send(client.fd, data + out, BULK - out, MSG_NOSIGNAL);

        out += n > 0 ? (size_t)n : 0;
        n = recv(client.fd, back + in, BULK - in, 0);
        in += n > 0 ? (size_t)n : 0;
        net_turn(&net);
    }
    cr_assert_eq(memcmp(data, back, BULK), 0);
    cr_assert_not(cv_stream_is_tls(echo.stream));
    cv_stream_close(echo.stream);
    client_close(&client);
    free(data);
    free(back);
    net_deinit(&net);
}

Test(stream, half_closes_in_both_directions)
{
    static struct echo echo;
    struct client client;
    struct net net;
    char buf[8];

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    client_send(&net, &client, "bye", 3);
    shutdown(client.fd, SHUT_WR);
    cr_assert_eq(client_recv(&net, &client, buf, sizeof(buf)), 3);
    cr_assert_eq(client_recv(&net, &client, buf, sizeof(buf)), 0);
    cr_assert(echo.ended);
    cv_stream_close(echo.stream);
    client_close(&client);
    net_deinit(&net);
}

Test(stream, goes_on_reading_after_shutdown)
{
    static struct echo echo;
    struct client client;
    struct net net;
    char buf[8];

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    cv_stream_shutdown(echo.stream);
    cr_assert_eq(client_recv(&net, &client, buf, sizeof(buf)), 0);
    client_send(&net, &client, "late", 4);
    NET_UNTIL(&net, echo.error); /* the bytes came in; the echo of them is refused */
    cr_assert_eq(echo.error, -EPIPE);
    cr_assert_eq(echo.len, 4);
    cv_stream_close(echo.stream);
    client_close(&client);
    net_deinit(&net);
}

Test(stream, sees_a_reset_as_econnreset)
{
    const struct linger linger = {.l_onoff = 1};
    static struct echo echo;
    struct client client;
    struct net net;

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    client_close(&client);
    NET_UNTIL(&net, echo.error);
    cr_assert_eq(echo.error, -ECONNRESET);
    cv_stream_close(echo.stream);
    net_deinit(&net);
}

Test(stream, resets_when_asked_to)
{
    static struct echo echo;
    struct client client;
    struct net net;
    char buf[8];

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    cv_stream_reset(echo.stream);
    cv_stream_close(echo.stream);
    cr_assert_eq(client_recv(&net, &client, buf, sizeof(buf)), -ECONNRESET);
    client_close(&client);
    net_deinit(&net);
}

Test(stream, gives_epipe_and_no_signal)
{
    static struct echo echo;
    struct client client;
    struct net net;

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    cv_stream_shutdown(echo.stream);
    cr_assert_eq(cv_stream_send(echo.stream, "x", 1), -EPIPE);
    cv_stream_close(echo.stream);
    client_close(&client);
    net_deinit(&net);
}

static void close_it(void *ctx, int events)
{
    struct echo *echo = ctx;

    (void)events;
    echo->wakes++;
    cv_stream_close(echo->stream);
}

Test(stream, may_be_closed_by_its_own_callback)
{
    static struct echo echo;
    struct client client;
    struct net net;
    char buf[8];

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    cv_stream_owner(echo.stream, close_it, &echo);
    cr_assert_eq(cv_stream_watch(echo.stream, CV_READABLE | CV_WRITABLE), 0);
    client_send(&net, &client, "x", 1);
    cr_assert_leq(client_recv(&net, &client, buf, sizeof(buf)), 0);
    cr_assert_eq(echo.wakes, 1);
    client_close(&client);
    net_deinit(&net);
}

static void count(void *ctx, int events)
{
    struct echo *echo = ctx;

    echo->wakes++;
    echo->total |= (size_t)events;
}

Test(stream, wakes_while_the_event_holds_and_only_for_what_is_watched)
{
    static struct echo echo;
    struct client client;
    struct net net;

    net_init(&net);
    echo.stream = plain(&net, &client);
    cv_stream_owner(echo.stream, count, &echo);
    client_send(&net, &client, "x", 1);
    cr_assert_eq(cv_stream_watch(echo.stream, CV_READABLE), 0);
    NET_UNTIL(&net, echo.wakes >= 3); /* nobody reads: it goes on */
    cr_assert_eq(echo.total, CV_READABLE);
    cr_assert_eq(cv_stream_watch(echo.stream, CV_WRITABLE), 0);
    echo.total = 0;
    echo.wakes = 0;
    NET_UNTIL(&net, echo.wakes >= 3);
    cr_assert_eq(echo.total, CV_WRITABLE);
    cr_assert_eq(cv_stream_watch(echo.stream, 0), 0);
    echo.wakes = 0;
    for (int i = 0; i < 5; i++)
        net_turn(&net);
    cr_assert_eq(echo.wakes, 0);
    cv_stream_close(echo.stream);
    client_close(&client);
    net_deinit(&net);
}

Test(stream, goes_on_telling_of_an_error_that_nobody_reads)
{
    const struct linger linger = {.l_onoff = 1};
    static struct echo echo;
    struct client client;
    struct net net;

    net_init(&net);
    echo.stream = plain(&net, &client);
    cv_stream_owner(echo.stream, count, &echo);
    cr_assert_eq(cv_stream_watch(echo.stream, CV_READABLE), 0);
    setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    client_close(&client);
    NET_UNTIL(&net, echo.wakes >= 3);
    cr_assert_eq(echo.total, CV_READABLE | CV_WRITABLE | CV_HANGUP);
    cv_stream_close(echo.stream);
    net_deinit(&net);
}

Test(stream, leaves_an_owner_alone_that_has_let_go)
{
    static struct echo echo;
    struct client client;
    struct net net;

    net_init(&net);
    echo_start(&echo, plain(&net, &client));
    cv_stream_owner(echo.stream, NULL, NULL);
    client_send(&net, &client, "x", 1);
    for (int i = 0; i < 5; i++)
        net_turn(&net);
    cr_assert_eq(echo.wakes, 0);
    cv_stream_close(echo.stream);
    client_close(&client);
    net_deinit(&net);
}

/* A number that is free again must not be mixed up with the stream that had it. */
Test(stream, frees_its_descriptor_at_once_for_another_stream)
{
    static struct echo first, second;
    struct client a, b;
    struct net net;
    char buf[8];
    int fd;

    net_init(&net);
    echo_start(&first, plain(&net, &a));
    client_send(&net, &a, "1", 1);
    cr_assert_eq(client_recv(&net, &a, buf, sizeof(buf)), 1);
    fd = cv_stream_fd(first.stream);
    cv_stream_close(first.stream);
    cr_assert_eq(fcntl(fd, F_GETFD), -1);
    echo_start(&second, plain(&net, &b));
    client_send(&net, &b, "2", 1);
    cr_assert_eq(client_recv(&net, &b, buf, sizeof(buf)), 1);
    cv_stream_close(second.stream);
    client_close(&a);
    client_close(&b);
    net_deinit(&net);
}

Test(stream, names_its_peer)
{
    struct sockaddr_storage address;
    struct cv_stream *stream;
    struct client client;
    struct net net;
    char text[80];
    int pair[2];

    net_init(&net);
    stream = plain(&net, &client);
    getsockname(client.fd, (struct sockaddr *)&address, &(socklen_t){sizeof(address)});
    uv_inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, text, sizeof(text));
    sprintf(text + strlen(text), ":%d", ntohs(((struct sockaddr_in *)&address)->sin_port));
    cr_assert_str_eq(cv_stream_peer(stream), text);
    cv_stream_name_peer(stream, "192.0.2.7:4711");
    cr_assert_str_eq(cv_stream_peer(stream), "192.0.2.7:4711");
    cv_stream_close(stream);
    client_close(&client);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(cv_stream_new(&stream, &net.loop, pair[0]), 0);
    cr_assert_str_eq(cv_stream_peer(stream), "unix");
    cv_stream_close(stream);
    close(pair[1]);
    net_deinit(&net);
}

Test(stream, peeks_at_what_stays_to_be_received)
{
    struct cv_stream *stream;
    struct client client;
    struct net net;
    char buf[8];

    net_init(&net);
    stream = plain(&net, &client);
    cr_assert_eq(cv_stream_peek(stream, buf, sizeof(buf)), -EAGAIN);
    client_send(&net, &client, "head", 4);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(cv_stream_peek(stream, buf, 3), 3);
        cr_assert_eq(memcmp(buf, "hea", 3), 0);
    }
    cr_assert_eq(cv_stream_recv(stream, buf, sizeof(buf)), 4);
    client_close(&client);
    cr_assert_eq(cv_stream_peek(stream, buf, sizeof(buf)), 0);
    cv_stream_close(stream);
    net_deinit(&net);
}

Test(stream, leaves_the_socket_to_the_caller_when_it_cannot_be_made)
{
    struct cv_stream *stream;
    struct net net;
    int fds[2];

    net_init(&net);
    tcp_pair(fds);
    net.memory.fail_at = net.memory.calls + 1;
    cr_assert_eq(cv_stream_new(&stream, &net.loop, fds[1]), -ENOMEM);
    cr_assert_eq(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
    cv_stream_close(NULL);
    net_deinit(&net);
}
