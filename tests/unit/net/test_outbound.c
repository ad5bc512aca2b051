#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/listener.h"
#include "net/outbound.h"
#include "net/tls.h"
#include "net_certs.h"
#include "net_fixture.h"

#define BULK ((size_t)1024 * 1024)
typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static atomic_int lookups; /* of server.test */

/* In place of the C library's: server.test is 127.0.0.1. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    resolver *real;

    memcpy(&real, &symbol, sizeof(real));
    if (!name || strcmp(name, "server.test") != 0)
        return real(name, service, hints, out);
    atomic_fetch_add(&lookups, 1);
    return real("127.0.0.1", service, hints, out);
}

/* A server that echoes on the same loop, and what became of one dial. */
static struct {
    struct net net;
    struct certs certs;
    struct cv_tls *tls;
    struct cv_listener *listener;
    struct cv_outbound *outbound;
    struct echo echoes[16];
    int accepted;
    bool plain;
    struct cv_stream *stream;
    int calls, error;
    char text[1024];
    bool readable, writable;
} s;

static void on_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_stream *stream;

    (void)ctx, (void)peer;
    if ((s.plain ? cv_stream_new(&stream, &s.net.loop, fd)
                 : cv_stream_new_tls(&stream, &s.net.loop, fd, s.tls)) < 0) {
        cr_assert_neq(s.net.memory.fail_at, 0, "only when it is meant to fail");
        close(fd);
        return;
    }
    echo_start(&s.echoes[s.accepted++], stream);
}

static void setup(void)
{
    char error[256];

    clearenv(); /* of proxies */
    net_init(&s.net);
    certs_make(&s.certs, "localhost");
    cr_assert_eq(cv_tls_new(&s.tls, CERT_FILES(s.certs), error, sizeof(error)), 0);
    cr_assert_eq(cv_listener_new(&s.listener, &s.net.loop, "127.0.0.1:0", on_accepted, NULL), 0);
    cr_assert_eq(cv_outbound_new(&s.outbound, &s.net.loop), 0);
}

static void teardown(void)
{
    cv_stream_close(s.stream);
    for (int i = 0; i < s.accepted; i++)
        cv_stream_close(s.echoes[i].stream);
    cv_outbound_free(s.outbound);
    cv_listener_close(s.listener);
    cv_tls_free(s.tls);
    certs_remove(&s.certs);
    net_deinit(&s.net);
}

TestSuite(outbound, .init = setup, .fini = teardown);

static uint16_t port_of(void)
{
    return (uint16_t)atoi(strrchr(cv_listener_address(s.listener), ':') + 1);
}

static void on_ready(void *ctx, int events)
{
    (void)ctx;
    s.readable = events & CV_READABLE;
    s.writable = events & CV_WRITABLE;
}

static void on_done(void *ctx, struct cv_stream *stream, int error, const char *text)
{
    (void)ctx;
    s.calls++;
    s.stream = stream;
    s.error = error;
    snprintf(s.text, sizeof(s.text), "%s", text);
    if (stream)
        cv_stream_owner(stream, on_ready, NULL);
}

static struct cv_outbound_options options(const char *host)
{
    return (struct cv_outbound_options){.host = host,
                                        .port = port_of(),
                                        .tls = !s.plain,
                                        .ca_file = s.plain ? NULL : s.certs.ca,
                                        .timeout = 10 * CV_SEC};
}

static struct cv_dialling *start(const struct cv_outbound_options *o)
{
    struct cv_dialling *dialling;

    cr_assert_eq(cv_outbound_dial(&dialling, s.outbound, o, on_done, NULL), 0);
    cr_assert_eq(s.calls, 0, "never before dial returns");
    return dialling;
}

static void finish(const struct cv_outbound_options *o)
{
    start(o);
    NET_UNTIL(&s.net, s.calls);
    cr_assert_eq(s.calls, 1);
    cr_assert_eq(s.stream != NULL, s.error == 0);
}

/* Sends @len bytes and takes as many back, by the stream's events alone. */
static void exchange(size_t len)
{
    uint8_t *data = malloc(len), *back = malloc(len);
    size_t out = 0, in = 0;

    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + i / 255);
    while (in < len) {
        ssize_t n = 0;

        while (out < len && (n = cv_stream_send(s.stream, data + out, len - out)) > 0)
            out += (size_t)n;
        cr_assert(n >= 0 || n == -EAGAIN);
        while (in < len && (n = cv_stream_recv(s.stream, back + in, len - in)) > 0)
            in += (size_t)n;
        cr_assert(n > 0 || n == -EAGAIN, "%zd", n);
        s.readable = s.writable = false;
        cr_assert_eq(cv_stream_watch(s.stream, CV_READABLE | (out < len ? CV_WRITABLE : 0)), 0);
        if (in < len)
            NET_UNTIL(&s.net, s.readable || s.writable);
    }
    cr_assert_eq(cv_stream_watch(s.stream, 0), 0);
    cr_assert_eq(memcmp(data, back, len), 0);
    free(data);
    free(back);
}

/* The stream's next word when it is no count: 0 or an error. */
static ssize_t last_word(void)
{
    uint8_t buf[4096];
    ssize_t n;

    while ((n = cv_stream_recv(s.stream, buf, sizeof(buf))) == -EAGAIN || n > 0)
        net_turn(&s.net);
    return n;
}

Test(outbound, dials_plain)
{
    struct cv_outbound_options o;

    s.plain = true;
    o = options("127.0.0.1");
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    cr_assert_not(cv_stream_is_tls(s.stream));
    cr_assert_eq(strncmp(cv_stream_peer(s.stream), "127.0.0.1:", 10), 0);
    exchange(BULK);
    cv_stream_shutdown(s.stream);
    cr_assert_eq(last_word(), 0);
}

Test(outbound, dials_a_name_over_tls_and_verifies_it)
{
    struct cv_outbound_options o = options("localhost");

    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    cr_assert(cv_stream_is_tls(s.stream));
    exchange(BULK);
}

Test(outbound, looks_a_name_up_once)
{
    struct cv_outbound_options o;

    s.plain = true;
    o = options("server.test");
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    cr_assert_eq(atomic_load(&lookups), 1);
    exchange(1000);
}

Test(outbound, refuses_a_certificate_of_another_name)
{
    struct cv_outbound_options o = options("127.0.0.1");

    finish(&o);
    cr_assert_eq(s.error, CV_EDENIED);
    cr_assert_not_null(strstr(s.text, "cannot connect to 127.0.0.1:"), "%s", s.text);
    cr_assert_not_null(strstr(s.text, "127.0.0.1"), "%s", s.text);
    cr_assert_null(strchr(s.text, '\n'));
}

Test(outbound, verifies_the_name_that_it_is_told)
{
    struct cv_outbound_options o = options("127.0.0.1");

    o.server_name = "localhost";
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    exchange(1000);
}

Test(outbound, does_not_verify_another_name_than_it_is_told)
{
    struct cv_outbound_options o = options("localhost");

    o.server_name = "elsewhere.test";
    finish(&o);
    cr_assert_eq(s.error, CV_EDENIED, "%s", s.text);
}

Test(outbound, refuses_a_certificate_of_an_unknown_authority)
{
    struct cv_outbound_options o = options("localhost");

    o.ca_file = NULL;
    finish(&o);
    cr_assert_eq(s.error, CV_EDENIED, "%s", s.text);
}

Test(outbound, takes_any_certificate_when_insecure)
{
    struct cv_outbound_options o = options("127.0.0.1");

    o.ca_file = NULL;
    o.insecure = true;
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    exchange(1000);
}

Test(outbound, names_a_ca_file_that_is_not_there)
{
    struct cv_outbound_options o = options("localhost");

    o.ca_file = "/nowhere/ca.pem";
    finish(&o);
    cr_assert_eq(s.error, CV_ESYNTAX);
    cr_assert_not_null(strstr(s.text, "/nowhere/ca.pem"), "%s", s.text);
}

Test(outbound, reports_a_refusal)
{
    struct cv_outbound_options o = options("127.0.0.1");

    o.port = free_port();
    finish(&o);
    cr_assert_eq(s.error, -ECONNREFUSED, "%d %s", s.error, s.text);
}

Test(outbound, reports_a_name_that_does_not_exist)
{
    struct cv_outbound_options o = options("no-such-name.invalid");

    finish(&o);
    cr_assert_eq(s.error == UV_EAI_NONAME || s.error == UV_EAI_AGAIN, true, "%d", s.error);
    cr_assert_not_null(strstr(s.text, "no-such-name.invalid"), "%s", s.text);
}

Test(outbound, gives_up_in_time_when_the_server_says_nothing)
{
    struct cv_outbound_options o = options("127.0.0.1");
    int silent = tcp_listen(false, &(uint16_t){0}, 8);
    struct sockaddr_in address;

    getsockname(silent, (struct sockaddr *)&address, &(socklen_t){sizeof(address)});
    o.port = ntohs(address.sin_port);
    o.timeout = 100 * CV_MSEC; /* it connects, and TLS is never answered */
    finish(&o);
    cr_assert_eq(s.error, -ETIMEDOUT, "%d %s", s.error, s.text);
    close(silent);
}

Test(outbound, ends_tls_in_order_and_goes_on_reading)
{
    struct cv_outbound_options o = options("localhost");

    finish(&o);
    s.echoes[0].keep_open = true;
    exchange(1000);
    cv_stream_shutdown(s.stream);
    NET_UNTIL(&s.net, s.echoes[0].ended || s.echoes[0].error);
    cr_assert_eq(s.echoes[0].error, 0, "close_notify came before FIN");
    cr_assert_eq(cv_stream_send(s.echoes[0].stream, "late", 4), 4);
    cv_stream_shutdown(s.echoes[0].stream);
    {
        char buf[8];
        ssize_t n;

        while ((n = cv_stream_recv(s.stream, buf, sizeof(buf))) == -EAGAIN)
            net_turn(&s.net);
        cr_assert_eq(n, 4);
    }
    cr_assert_eq(last_word(), 0);
}

Test(outbound, sees_a_cut_as_econnreset)
{
    struct cv_outbound_options o = options("localhost");

    finish(&o);
    exchange(1000);
    shutdown(cv_stream_fd(s.echoes[0].stream), SHUT_WR);
    cr_assert_eq(last_word(), -ECONNRESET);
    cr_assert_eq(last_word(), -ECONNRESET);
}

Test(outbound, sees_a_reset_as_econnreset)
{
    struct cv_outbound_options o = options("localhost");

    finish(&o);
    exchange(1000);
    cv_stream_reset(s.echoes[0].stream);
    cv_stream_close(s.echoes[0].stream);
    s.accepted = 0;
    cr_assert_eq(last_word(), -ECONNRESET);
}

Test(outbound, resets_when_asked_to)
{
    struct cv_outbound_options o = options("localhost");

    finish(&o);
    exchange(1000);
    cv_stream_reset(s.stream);
    cv_stream_close(s.stream);
    s.stream = NULL;
    NET_UNTIL(&s.net, s.echoes[0].ended || s.echoes[0].error);
    cr_assert_eq(s.echoes[0].error, -ECONNRESET);
}

Test(outbound, says_goodbye_when_closed)
{
    struct cv_outbound_options o = options("localhost");

    finish(&o);
    exchange(1000);
    cv_stream_close(s.stream);
    s.stream = NULL;
    NET_UNTIL(&s.net, s.echoes[0].ended || s.echoes[0].error);
    cr_assert_eq(s.echoes[0].error, 0);
}

Test(outbound, keeps_older_streams_when_it_dials_again)
{
    struct cv_outbound_options o = options("localhost");
    struct cv_stream *first;

    finish(&o);
    exchange(1000);
    first = s.stream;
    s.calls = 0;
    finish(&o);
    exchange(1000);
    cv_stream_close(s.stream);
    s.stream = first;
    exchange(BULK);
}

Test(outbound, can_be_cancelled_at_every_stage)
{
    struct cv_outbound_options o = options("localhost");

    for (int turns = 0; turns < 12; turns++) {
        struct cv_dialling *dialling = start(&o);

        for (int i = 0; i < turns && !s.calls; i++)
            net_turn(&s.net);
        if (!s.calls)
            cv_outbound_cancel(dialling);
        for (int i = 0; i < s.accepted; i++)
            cv_stream_close(s.echoes[i].stream);
        s.accepted = 0;
        cv_stream_close(s.stream); /* it was quicker */
        s.stream = NULL;
        s.calls = 0;
    }
    start(&o); /* and by cv_outbound_free() */
}

/* A CONNECT proxy on a thread of its own: one connection, blocking. */
struct proxy {
    int listener;
    uint16_t port;
    pthread_t thread;
    const char *answer; /* in place of going through; NULL: goes through to @target */
    uint16_t target;
    char request[512];
};

static void pass(int a, int b)
{
    struct pollfd polls[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    char buf[65536];

    for (int open = 2; open > 0;) {
        poll(polls, 2, 5000);
        for (int i = 0; i < 2; i++) {
            int other = polls[!i].fd < 0 ? (i ? a : b) : polls[!i].fd;
            ssize_t n;

            if (polls[i].fd < 0 || !polls[i].revents)
                continue;
            n = read(polls[i].fd, buf, sizeof(buf));
            if (n > 0) {
                for (ssize_t at = 0; at < n;)
                    at += send(other, buf + at, (size_t)(n - at), MSG_NOSIGNAL);
            } else {
                shutdown(other, SHUT_WR);
                polls[i].fd = -1;
                open--;
            }
        }
    }
}

static void *proxy_run(void *ctx)
{
    struct proxy *proxy = ctx;
    struct sockaddr_in target = {.sin_family = AF_INET,
                                 .sin_port = htons(proxy->target),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = accept(proxy->listener, NULL, NULL), through = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;

    while (!strstr(proxy->request, "\r\n\r\n")) {
        ssize_t n = read(fd, proxy->request + len, sizeof(proxy->request) - 1 - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    if (proxy->answer) {
        send(fd, proxy->answer, strlen(proxy->answer), MSG_NOSIGNAL);
    } else if (connect(through, (struct sockaddr *)&target, sizeof(target)) == 0) {
        send(fd, "HTTP/1.1 200 OK\r\n\r\n", 19, MSG_NOSIGNAL);
        pass(fd, through);
    }
    close(through);
    close(fd);
    return NULL;
}

static void proxy_start(struct proxy *proxy, char *url)
{
    proxy->listener = tcp_listen(false, &proxy->port, 8);
    proxy->target = port_of();
    cr_assert_eq(pthread_create(&proxy->thread, NULL, proxy_run, proxy), 0);
    sprintf(url, "http://localhost:%u", proxy->port);
}

static void proxy_stop(struct proxy *proxy)
{
    cv_stream_close(s.stream);
    s.stream = NULL;
    for (int i = 0; i < s.accepted; i++)
        cv_stream_close(s.echoes[i].stream);
    s.accepted = 0;
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
}

Test(outbound, goes_through_a_proxy_with_tls)
{
    struct proxy proxy = {0};
    struct cv_outbound_options o = options("target.test");
    char url[64];

    proxy_start(&proxy, url);
    o.proxy = url;
    o.server_name = "localhost";
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    exchange(BULK);
    cr_assert_eq(strncmp(proxy.request, "CONNECT target.test:", 20), 0, "%s", proxy.request);
    proxy_stop(&proxy);
}

Test(outbound, goes_through_a_proxy_without_tls)
{
    struct proxy proxy = {0};
    struct cv_outbound_options o;
    char url[64];

    s.plain = true;
    o = options("target.test");
    proxy_start(&proxy, url);
    o.proxy = url;
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    exchange(BULK);
    cr_assert_eq(strncmp(proxy.request, "CONNECT target.test:", 20), 0, "%s", proxy.request);
    proxy_stop(&proxy);
}

Test(outbound, finds_the_proxy_in_the_environment)
{
    struct proxy proxy = {0};
    struct cv_outbound_options o = options("target.test");
    char url[64];

    proxy_start(&proxy, url);
    setenv("https_proxy", url, 1);
    o.server_name = "localhost";
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
    exchange(1000);
    proxy_stop(&proxy);
}

Test(outbound, obeys_no_proxy)
{
    struct cv_outbound_options o = options("localhost");

    setenv("https_proxy", "http://127.0.0.1:1", 1);
    setenv("no_proxy", "localhost", 1);
    finish(&o);
    cr_assert_eq(s.error, 0, "%s", s.text);
}

Test(outbound, reports_a_proxy_that_says_no)
{
    struct proxy proxy = {.answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"};
    struct cv_outbound_options o = options("target.test");
    char url[64];

    proxy_start(&proxy, url);
    o.proxy = url;
    finish(&o);
    cr_assert_eq(s.error, -ECONNREFUSED, "%d %s", s.error, s.text);
    cr_assert_not_null(strstr(s.text, "403"), "%s", s.text);
    proxy_stop(&proxy);
}

Test(outbound, survives_each_allocation_failing)
{
    struct cv_outbound_options o;
    int failures = 0;

    s.plain = true;
    o = options("localhost");
    for (size_t n = 1; n < 8; n++) {
        struct cv_dialling *dialling;
        int rc;

        s.calls = 0;
        s.net.memory.fail_at = s.net.memory.calls + n;
        rc = cv_outbound_dial(&dialling, s.outbound, &o, on_done, NULL);
        if (rc == 0)
            NET_UNTIL(&s.net, s.calls);
        rc = rc ? rc : s.error;
        cr_assert(rc == 0 || rc == -ENOMEM);
        failures += rc == -ENOMEM;
        cv_stream_close(s.stream);
        s.stream = NULL;
        net_turn(&s.net); /* the server allocates too: not within the next dial */
    }
    s.net.memory.fail_at = 0;
    cr_assert_eq(failures, 4, "%d: the dial, the connecting, its addresses, the stream", failures);
}
