#include <criterion/criterion.h>
#include <errno.h>
#include <linux/sockios.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "net/stream_kind.h"
#include "net/tls.h"
#include "net_certs.h"
#include "net_fixture.h"

#define BULK ((size_t)1024 * 1024)

struct setup {
    struct net net;
    struct certs certs;
    struct cv_tls *tls;
    struct client client;
    struct echo echo;
};

static struct setup s;

static void connect_client(struct client *client, struct echo *echo)
{
    struct cv_stream *stream;
    int fds[2];

    tcp_pair(fds);
    *client = (struct client){.fd = fds[0]};
    cr_assert_eq(cv_stream_new_tls(&stream, &s.net.loop, fds[1], s.tls), 0);
    echo_start(echo, stream);
}

static void setup(void)
{
    char error[256];

    net_init(&s.net);
    certs_make(&s.certs, "tunnel.test");
    cr_assert_eq(cv_tls_new(&s.tls, &(struct cv_tls_files){s.certs.cert, s.certs.key, NULL}, error,
                            sizeof(error)),
                 0, "%s", error);
    connect_client(&s.client, &s.echo);
}

static void teardown(void)
{
    cv_stream_close(s.echo.stream);
    client_close(&s.client);
    cv_tls_free(s.tls);
    certs_remove(&s.certs);
    net_deinit(&s.net);
}

TestSuite(tls, .init = setup, .fini = teardown);

static void shake(void)
{
    client_tls(&s.net, &s.client, s.certs.ca, "tunnel.test");
}

Test(tls, echoes_more_than_the_kernel_holds)
{
    uint8_t *data = malloc(BULK), *back = malloc(BULK);

    shake();
    cr_assert(cv_stream_is_tls(s.echo.stream));
    for (size_t i = 0; i < BULK; i++)
        data[i] = (uint8_t)(i * 31 + i / 255);
    for (size_t out = 0, in = 0; in < BULK;) {
        size_t n;

        if (SSL_write_ex(s.client.ssl, data + out, BULK - out, &n) == 1)
            out += n;
        if (SSL_read_ex(s.client.ssl, back + in, BULK - in, &n) == 1)
            in += n;
        net_turn(&s.net);
    }
    cr_assert_eq(memcmp(data, back, BULK), 0);
    free(data);
    free(back);
}

/* The first flight of a client was read by somebody else before there was a stream. */
Test(tls, goes_on_from_bytes_that_were_read_already)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    uint8_t hello[2048];
    struct client client;
    struct cv_stream *stream;
    struct echo echo = {0};
    char back[5] = "";
    int fds[2], rc;
    ssize_t n;

    tcp_pair(fds);
    client = (struct client){.fd = fds[0], .ssl = SSL_new(ctx)};
    SSL_CTX_free(ctx);
    SSL_set_fd(client.ssl, client.fd);
    cr_assert_neq(SSL_connect(client.ssl), 1);
    n = recv(fds[1], hello, sizeof(hello), 0);
    cr_assert_gt(n, 0);
    cr_assert_eq(cv_stream_new_tls_early(&stream, &s.net.loop, fds[1], s.tls, hello, (size_t)n), 0);
    echo_start(&echo, stream);
    while ((rc = SSL_connect(client.ssl)) != 1) {
        cr_assert_eq(SSL_get_error(client.ssl, rc), SSL_ERROR_WANT_READ);
        net_turn(&s.net);
    }
    cr_assert_eq(SSL_write(client.ssl, "hello", 5), 5);
    while (SSL_read(client.ssl, back, 5) <= 0)
        net_turn(&s.net);
    cr_assert_eq(memcmp(back, "hello", 5), 0);
    cv_stream_close(echo.stream);
    client_close(&client);
}

Test(tls, what_was_read_already_is_freed_when_nobody_asks_for_it)
{
    struct cv_stream *stream;
    int fds[2];

    tcp_pair(fds);
    cr_assert_eq(cv_stream_new_tls_early(&stream, &s.net.loop, fds[1], s.tls, "abc", 3), 0);
    cv_stream_close(stream);
    close(fds[0]);
}

Test(tls, speaks_1_3_with_aes_128_gcm_first)
{
    shake();
    cr_assert_str_eq(SSL_get_version(s.client.ssl), "TLSv1.3");
    cr_assert_str_eq(SSL_get_cipher_name(s.client.ssl), "TLS_AES_128_GCM_SHA256");
}

/* Tries a handshake with a client set up by hand; returns SSL_connect()'s last word. */
static int try_client(SSL_CTX *ctx)
{
    int rc;

    s.client.ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(s.client.ssl, s.client.fd);
    while ((rc = SSL_connect(s.client.ssl)) != 1) {
        if (SSL_get_error(s.client.ssl, rc) != SSL_ERROR_WANT_READ)
            break;
        net_turn(&s.net);
    }
    return rc;
}

Test(tls, speaks_1_2_with_an_aead_suite)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    cr_assert_eq(try_client(ctx), 1);
    cr_assert_str_eq(SSL_get_cipher_name(s.client.ssl), "ECDHE-ECDSA-AES128-GCM-SHA256");
}

Test(tls, refuses_1_2_without_aead_and_tells_the_owner)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-SHA256");
    cr_assert_neq(try_client(ctx), 1);
    cr_assert_eq(s.echo.error, -EPROTO);
}

Test(tls, refuses_1_1)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    cr_assert_neq(try_client(ctx), 1);
}

static void expect_alpn(const char *offer, unsigned offer_len, const char *chosen)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    const unsigned char *alpn;
    unsigned len;

    SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)offer, offer_len);
    cr_assert_eq(try_client(ctx), 1);
    SSL_get0_alpn_selected(s.client.ssl, &alpn, &len);
    cr_assert_eq(len, strlen(chosen));
    cr_assert(len == 0 || memcmp(alpn, chosen, len) == 0);
}

Test(tls, chooses_http_1_1_by_alpn)
{
    expect_alpn("\x02h2\x08http/1.1", 12, "http/1.1");
}

Test(tls, goes_on_without_alpn_when_only_others_are_offered)
{
    expect_alpn("\x02h2", 3, "");
}

Test(tls, resumes_a_session_by_ticket)
{
    struct client second;
    static struct echo echo;
    SSL_SESSION *session;
    char buf[8];

    shake();
    client_send(&s.net, &s.client, "x", 1); /* the tickets come with the answer */
    cr_assert_eq(client_recv(&s.net, &s.client, buf, sizeof(buf)), 1);
    session = SSL_get1_session(s.client.ssl);
    connect_client(&second, &echo);
    second.ssl = SSL_new(SSL_get_SSL_CTX(s.client.ssl));
    SSL_set1_host(second.ssl, "tunnel.test");
    SSL_set_session(second.ssl, session);
    SSL_set_fd(second.ssl, second.fd);
    SSL_set_connect_state(second.ssl);
    client_send(&s.net, &second, "y", 1);
    cr_assert_eq(SSL_session_reused(second.ssl), 1);
    SSL_SESSION_free(session);
    cv_stream_close(echo.stream);
    client_close(&second);
}

Test(tls, sees_close_notify_as_an_orderly_end_and_answers_it)
{
    char buf[8];

    shake();
    client_send(&s.net, &s.client, "bye", 3);
    SSL_shutdown(s.client.ssl);
    NET_UNTIL(&s.net, s.echo.ended);
    cr_assert_eq(client_recv(&s.net, &s.client, buf, sizeof(buf)), 3);
    cr_assert_eq(client_recv(&s.net, &s.client, buf, sizeof(buf)), 0);
    cr_assert_eq(SSL_get_shutdown(s.client.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    cr_assert_eq(recv(s.client.fd, buf, 1, 0), 0, "FIN follows");
}

Test(tls, sees_a_cut_without_close_notify_as_econnreset)
{
    shake();
    client_send(&s.net, &s.client, "half", 4);
    shutdown(s.client.fd, SHUT_WR);
    NET_UNTIL(&s.net, s.echo.error || s.echo.ended);
    cr_assert_eq(s.echo.error, -ECONNRESET);
    cr_assert_eq(s.echo.len + s.echo.total, 4, "what came before the cut arrives");
    cr_assert_eq(cv_stream_send(s.echo.stream, "x", 1), -ECONNRESET, "it stays broken");
}

Test(tls, sees_a_cut_in_the_handshake_as_econnreset)
{
    shutdown(s.client.fd, SHUT_WR);
    NET_UNTIL(&s.net, s.echo.error || s.echo.ended);
    cr_assert_eq(s.echo.error, -ECONNRESET);
}

Test(tls, sees_a_reset_as_econnreset)
{
    const struct linger linger = {.l_onoff = 1};

    shake();
    setsockopt(s.client.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    client_close(&s.client);
    s.client = (struct client){.fd = -1};
    NET_UNTIL(&s.net, s.echo.error);
    cr_assert_eq(s.echo.error, -ECONNRESET);
}

Test(tls, sees_bytes_that_are_no_tls_as_eproto)
{
    client_send(&s.net, &s.client, "GET / HTTP/1.1\r\n\r\n", 18);
    NET_UNTIL(&s.net, s.echo.error || s.echo.ended);
    cr_assert_eq(s.echo.error, -EPROTO);
}

Test(tls, says_goodbye_when_closed)
{
    struct client second;
    static struct echo echo;
    char buf[8];

    shake();
    connect_client(&second, &echo);
    client_tls(&s.net, &second, s.certs.ca, "tunnel.test");
    client_send(&s.net, &second, "x", 1); /* so that the server has seen the handshake's end */
    cr_assert_eq(client_recv(&s.net, &second, buf, sizeof(buf)), 1);
    cv_stream_close(echo.stream);
    cr_assert_eq(client_recv(&s.net, &second, buf, sizeof(buf)), 0);
    client_close(&second);
}

Test(tls, says_no_goodbye_when_reset)
{
    struct client second;
    static struct echo echo;
    char buf[8];

    shake();
    connect_client(&second, &echo);
    client_tls(&s.net, &second, s.certs.ca, "tunnel.test");
    client_send(&s.net, &second, "x", 1);
    cr_assert_eq(client_recv(&s.net, &second, buf, sizeof(buf)), 1);
    cv_stream_reset(echo.stream);
    cv_stream_close(echo.stream);
    cr_assert_lt(client_recv(&s.net, &second, buf, sizeof(buf)), 0);
    client_close(&second);
}

/* Whether the kernel takes not one byte more; for unix sockets, which have no last packet to fill
 * up. */
static bool is_full(int fd)
{
    int queued = 0, limit = 0;

    cr_assert_eq(ioctl(fd, SIOCOUTQ, &queued), 0);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &limit, &(socklen_t){sizeof(limit)}), 0);
    return queued >= limit;
}

/* The socket is full: close_notify has to wait until the other end reads. */
Test(tls, sends_close_notify_when_there_is_room_at_last)
{
    static uint8_t block[16384], buf[16384];
    size_t sent = 0, got = 0;
    ssize_t n = 0;
    int pair[2];

    cv_stream_close(s.echo.stream);
    client_close(&s.client);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    s.client = (struct client){.fd = pair[0]};
    cr_assert_eq(cv_stream_new_tls(&s.echo.stream, &s.net.loop, pair[1], s.tls), 0);
    echo_start(&s.echo, s.echo.stream);
    shake();
    cv_stream_owner(s.echo.stream, NULL, NULL);
    while (n < 0 || !is_full(cv_stream_fd(s.echo.stream))) {
        n = cv_stream_send(s.echo.stream, block, sizeof(block));
        if (n > 0) {
            sent += (size_t)n;
            continue;
        }
        cr_assert_eq(n, -EAGAIN);
        got += (size_t)client_recv(&s.net, &s.client, buf, sizeof(buf));
    }
    cv_stream_shutdown(s.echo.stream);
    cr_assert(s.echo.stream->goodbye_owed);
    while ((n = client_recv(&s.net, &s.client, buf, sizeof(buf))) > 0)
        got += (size_t)n;
    cr_assert_eq(n, 0, "an orderly end, not a cut: %zd", n);
    cr_assert(got == sent || got == sent + 1, "the last byte is taken when the socket has it");
}

struct slow {
    int wakes;
    size_t got;
};

static void read_one_byte(void *ctx, int events)
{
    struct slow *slow = ctx;
    char byte;

    cr_assert_eq(events, CV_READABLE);
    slow->wakes++;
    if (cv_stream_recv(s.echo.stream, &byte, 1) == 1)
        slow->got++;
}

/* The kernel has nothing more to say once a record is decrypted. */
Test(tls, goes_on_waking_an_owner_that_reads_a_little_at_a_time)
{
    struct slow slow = {0};
    size_t before;

    shake();
    cv_stream_owner(s.echo.stream, read_one_byte, &slow);
    client_send(&s.net, &s.client, "0123456789", 10);
    NET_UNTIL(&s.net, slow.got == 5);
    cr_assert_eq(cv_stream_watch(s.echo.stream, 0), 0);
    for (int i = 0; i < 5; i++)
        net_turn(&s.net);
    cr_assert_eq(slow.got, 5, "not while it does not watch");
    cr_assert_eq(cv_stream_watch(s.echo.stream, CV_READABLE), 0);
    NET_UNTIL(&s.net, slow.got == 10);
    for (int i = 0; i < 5; i++)
        net_turn(&s.net);
    before = (size_t)slow.wakes;
    for (int i = 0; i < 5; i++)
        net_turn(&s.net);
    cr_assert_eq((size_t)slow.wakes, before, "nothing is left to wake for");
}

Test(tls, takes_a_new_certificate_at_reload_for_new_streams)
{
    struct client second;
    static struct echo echo;
    char error[256], buf[8];

    shake();
    certs_renew(&s.certs, "other.test");
    cr_assert_eq(cv_tls_reload(s.tls, error, sizeof(error)), 0);
    connect_client(&second, &echo);
    client_tls(&s.net, &second, s.certs.ca, "other.test");
    client_send(&s.net, &s.client, "x", 1); /* the old one lives on */
    cr_assert_eq(client_recv(&s.net, &s.client, buf, sizeof(buf)), 1);
    cv_stream_close(echo.stream);
    client_close(&second);
}

Test(tls, keeps_the_old_certificate_when_a_reload_fails)
{
    char error[256];

    cr_assert_eq(truncate(s.certs.cert, 100), 0);
    cr_assert_eq(cv_tls_reload(s.tls, error, sizeof(error)), CV_ESYNTAX);
    cr_assert_not_null(strstr(error, s.certs.cert), "%s", error);
    shake();
}

Test(tls, names_the_file_that_it_cannot_use)
{
    struct certs other;
    struct cv_tls *tls;
    char error[256];

    certs_make(&other, "other.test");
    cr_assert_eq(cv_tls_new(&tls, &(struct cv_tls_files){"/nowhere/cert.pem", other.key, NULL},
                            error, sizeof(error)),
                 -ENOENT);
    cr_assert_str_eq(error, "/nowhere/cert.pem: no such file or directory");
    cr_assert_eq(cv_tls_new(&tls, &(struct cv_tls_files){other.cert, "/nowhere/key.pem", NULL},
                            error, sizeof(error)),
                 -ENOENT);
    cr_assert_str_eq(error, "/nowhere/key.pem: no such file or directory");
    cr_assert_eq(cv_tls_new(&tls, &(struct cv_tls_files){other.cert, s.certs.key, NULL}, error,
                            sizeof(error)),
                 CV_ESYNTAX);
    cr_assert_not_null(strstr(error, "key values mismatch"), "%s", error);
    cr_assert_eq(
        cv_tls_new(&tls, &(struct cv_tls_files){other.key, other.key, NULL}, error, sizeof(error)),
        CV_ESYNTAX);
    cr_assert_not_null(strstr(error, "no usable certificate"), "%s", error);
    cr_assert_eq(
        cv_tls_new(&tls, &(struct cv_tls_files){other.cert, other.ca, NULL}, error, sizeof(error)),
        CV_ESYNTAX);
    cr_assert_not_null(strstr(error, "no usable key"), "%s", error);
    certs_remove(&other);
}

Test(tls, leaves_the_socket_to_the_caller_when_a_stream_cannot_be_made)
{
    struct cv_stream *stream;
    int fds[2];

    tcp_pair(fds);
    s.net.memory.fail_at = s.net.memory.calls + 1;
    cr_assert_eq(cv_stream_new_tls(&stream, &s.net.loop, fds[1], s.tls), -ENOMEM);
    cr_assert_eq(send(fds[1], "x", 1, MSG_NOSIGNAL), 1);
    close(fds[0]);
    close(fds[1]);
}

/* Bytes that the process holds on its heap. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(HAS_SANITIZER)
size_t __sanitizer_get_current_allocated_bytes(void);

static size_t held(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t held(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}
#endif

Test(tls, gives_the_read_buffer_back_while_idle)
{
    enum { N = 20 };
    static struct echo echoes[N];
    struct client clients[N];
    size_t before, one;
    char buf[8];

    shake();
    before = held();
    for (int i = 0; i < N; i++) {
        connect_client(&clients[i], &echoes[i]);
        client_tls(&s.net, &clients[i], NULL, "tunnel.test");
        client_send(&s.net, &clients[i], "ping", 4);
        cr_assert_eq(client_recv(&s.net, &clients[i], buf, sizeof(buf)), 4);
    }
    for (int i = 0; i < N; i++) {
        /* The client's half, which has no part in it, goes without a word. */
        SSL_free(clients[i].ssl);
        clients[i].ssl = NULL;
    }
    one = (held() - before) / N;
    cr_log_info("%zu bytes a stream", one);
    cr_assert_lt(one, 20 * 1024);
    for (int i = 0; i < N; i++) {
        client_close(&clients[i]);
        cv_stream_close(echoes[i].stream);
    }
}
