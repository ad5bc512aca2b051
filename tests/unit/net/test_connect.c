#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "net/connect.h"
#include "net_fixture.h"

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* In place of the C library's, for libuv too: both.test is ::1 and 127.0.0.1, on whatever machine.
 */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    resolver *real;
    int rc;

    memcpy(&real, &symbol, sizeof(real));
    if (!name || strcmp(name, "both.test") != 0)
        return real(name, service, hints, out);
    rc = real("::1", service, hints, out);
    return rc ? rc : real("127.0.0.1", service, hints, &(*out)->ai_next);
}

struct result {
    int calls;
    int fd;
    int error;
    int asked;       /* addresses that allow() was asked about */
    int deny_family; /* of these it says no */
    bool asked_of_null;
};

static struct net net;
static struct result result;

static void on_done(void *ctx, int fd, int error)
{
    struct result *r = ctx;

    r->calls++;
    r->fd = fd;
    r->error = error;
}

static bool on_allow(void *ctx, const struct sockaddr *address)
{
    struct result *r = ctx;

    r->asked++;
    r->asked_of_null = address == NULL;
    return r->deny_family != (address ? address->sa_family : AF_UNIX);
}

static void setup(void)
{
    net_init(&net);
    memset(&result, 0, sizeof(result));
    result.fd = -1;
}

static void teardown(void)
{
    if (result.fd >= 0)
        close(result.fd);
    net_deinit(&net);
}

TestSuite(connect, .init = setup, .fini = teardown);

static struct cv_connecting *start(const char *host, uint16_t port, uint64_t timeout)
{
    const struct cv_connect_options options = {.host = host,
                                               .port = port,
                                               .timeout = timeout,
                                               .allow = on_allow,
                                               .done = on_done,
                                               .ctx = &result};
    struct cv_connecting *connecting;

    cr_assert_eq(cv_connect_start(&connecting, &net.loop, &options), 0);
    cr_assert_eq(result.calls, 0, "never before start returns");
    return connecting;
}

static void finish(const char *host, uint16_t port)
{
    start(host, port, 10 * CV_SEC);
    NET_UNTIL(&net, result.calls);
    for (int i = 0; i < 5; i++)
        net_turn(&net);
    cr_assert_eq(result.calls, 1);
}

/* A listener that answers nobody: its queue is full. The queue's fillers are left to the process's
 * end. */
static int black_hole(bool v6, uint16_t *port)
{
    int listener = tcp_listen(v6, port, 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);

    getsockname(listener, (struct sockaddr *)&address, &len);
    for (int i = 0; i < 4; i++) {
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);

        connect(fd, (struct sockaddr *)&address, len);
    }
    return listener;
}

Test(connect, reaches_a_numeric_address)
{
    uint16_t port = 0;
    int listener = tcp_listen(false, &port, 8), on = 0;

    finish("127.0.0.1", port);
    cr_assert_eq(result.error, 0);
    cr_assert_eq(result.asked, 1);
    cr_assert(fcntl(result.fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(result.fd, F_GETFD) & FD_CLOEXEC);
    getsockopt(result.fd, IPPROTO_TCP, TCP_NODELAY, &on, &(socklen_t){sizeof(on)});
    cr_assert_eq(on, 1);
    close(listener);
}

Test(connect, reaches_a_name_in_whichever_family_answers)
{
    uint16_t port = 0;
    int listener = tcp_listen(false, &port, 8);

    finish("both.test", port);
    cr_assert_eq(result.error, 0);
    close(listener);
    close(result.fd);
    result.calls = 0;
    port = 0;
    listener = tcp_listen(true, &port, 8);
    finish("both.test", port);
    cr_assert_eq(result.error, 0);
    close(listener);
}

Test(connect, goes_on_to_the_next_address_when_one_does_not_answer)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    uint16_t port = 0;
    int hole = black_hole(true, &port), listener = tcp_listen(false, &port, 8);
    uint64_t begin = uv_hrtime();

    finish("both.test", port);
    cr_assert_eq(result.error, 0);
    cr_assert_geq(uv_hrtime() - begin, 240000000);
    cr_assert_lt(uv_hrtime() - begin, 2000000000);
    getpeername(result.fd, (struct sockaddr *)&peer, &len);
    cr_assert_eq(peer.ss_family, AF_INET);
    close(hole);
    close(listener);
}

Test(connect, reports_a_refusal)
{
    finish("127.0.0.1", free_port());
    cr_assert_eq(result.error, -ECONNREFUSED);
    cr_assert_eq(result.fd, -1);
}

Test(connect, reports_a_refusal_of_every_address)
{
    finish("both.test", free_port());
    cr_assert_eq(result.error, -ECONNREFUSED);
    cr_assert_eq(result.asked, 2);
}

Test(connect, gives_up_in_time)
{
    uint16_t port = 0;
    int hole = black_hole(false, &port);
    uint64_t begin = uv_hrtime();

    start("127.0.0.1", port, 50 * CV_MSEC);
    NET_UNTIL(&net, result.calls);
    cr_assert_eq(result.error, -ETIMEDOUT);
    cr_assert_geq(uv_hrtime() - begin, 45000000);
    close(hole);
}

Test(connect, reports_a_name_that_does_not_exist)
{
    finish("no such name", 80);
    cr_assert_eq(result.error, UV_EAI_NONAME);
}

Test(connect, is_denied_when_no_address_is_allowed)
{
    result.deny_family = AF_INET;
    finish("127.0.0.1", 1);
    cr_assert_eq(result.error, CV_EDENIED);
}

Test(connect, dials_only_the_addresses_that_are_allowed)
{
    uint16_t port = 0;
    int listener = tcp_listen(false, &port, 8), six = tcp_listen(true, &port, 8);
    struct sockaddr_storage peer;

    result.deny_family = AF_INET6;
    finish("both.test", port);
    cr_assert_eq(result.error, 0);
    getpeername(result.fd, (struct sockaddr *)&peer, &(socklen_t){sizeof(peer)});
    cr_assert_eq(peer.ss_family, AF_INET);
    close(listener);
    close(six);
}

static int start_unix(const char *path, struct cv_connecting **out)
{
    const struct cv_connect_options options = {.host = path,
                                               .is_unix = true,
                                               .timeout = CV_SEC,
                                               .allow = on_allow,
                                               .done = on_done,
                                               .ctx = &result};

    return cv_connect_start(out, &net.loop, &options);
}

Test(connect, reaches_a_unix_socket_if_allowed)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct cv_connecting *connecting;

    sprintf(path.sun_path, "/tmp/culvert-connect-%d", (int)getpid());
    unlink(path.sun_path);
    cr_assert_eq(bind(listener, (struct sockaddr *)&path, sizeof(path)), 0);
    listen(listener, 1);
    cr_assert_eq(start_unix(path.sun_path, &connecting), 0);
    NET_UNTIL(&net, result.calls);
    cr_assert_eq(result.error, 0);
    cr_assert(result.asked_of_null);
    close(listener);
    unlink(path.sun_path);
    cr_assert_eq(start_unix(path.sun_path, &connecting), 0);
    close(result.fd);
    NET_UNTIL(&net, result.calls == 2);
    cr_assert_eq(result.error, -ENOENT);
    result.deny_family = AF_UNIX;
    cr_assert_eq(start_unix(path.sun_path, &connecting), 0);
    NET_UNTIL(&net, result.calls == 3);
    cr_assert_eq(result.error, CV_EDENIED);
}

Test(connect, refuses_a_path_that_the_kernel_would_cut)
{
    struct cv_connecting *connecting;
    char path[109];

    memset(path, 'p', sizeof(path));
    path[108] = '\0';
    cr_assert_eq(start_unix(path, &connecting), -ENAMETOOLONG);
}

Test(connect, can_be_cancelled_at_every_stage)
{
    uint16_t port = 0;
    int hole = black_hole(false, &port);
    struct cv_connecting *connecting;

    cv_connect_cancel(start("127.0.0.1", port, CV_SEC)); /* not begun */
    cv_connect_cancel(start("both.test", port, CV_SEC)); /* looking up, or waiting for a thread */
    for (int i = 0; i < 10; i++)
        cv_connect_cancel(start("both.test", port, CV_SEC)); /* more than there are threads */
    connecting = start("127.0.0.1", port, 10 * CV_SEC);
    NET_UNTIL(&net, result.asked == 1);
    for (int i = 0; i < 3; i++)
        net_turn(&net);
    cv_connect_cancel(connecting); /* connecting */
    connecting = start("both.test", port, 10 * CV_SEC);
    result.asked = 0;
    NET_UNTIL(&net, result.asked > 0);
    cv_connect_cancel(connecting);
    for (int i = 0; i < 20; i++)
        net_turn(&net);
    cr_assert_eq(result.calls, 0);
    close(hole);
}

Test(connect, reports_that_descriptors_ran_out)
{
    struct rlimit limit, low;
    int highest;

    net_turn(&net);
    highest = open("/dev/null", O_RDONLY);
    close(highest);
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = (rlim_t)highest;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    finish("127.0.0.1", 1);
    setrlimit(RLIMIT_NOFILE, &limit);
    cr_assert_eq(result.error, -EMFILE);
}

Test(connect, survives_each_allocation_failing)
{
    uint16_t port = 0;
    int listener = tcp_listen(false, &port, 64);

    for (int named = 0; named < 2; named++) {
        for (size_t n = 1; n <= 2; n++) {
            const struct cv_connect_options options = {.host = named ? "both.test" : "127.0.0.1",
                                                       .port = port,
                                                       .timeout = 10 * CV_SEC,
                                                       .done = on_done,
                                                       .ctx = &result};
            struct cv_connecting *connecting;
            int rc;

            result.calls = 0;
            net.memory.fail_at = net.memory.calls + n;
            rc = cv_connect_start(&connecting, &net.loop, &options);
            if (rc == 0)
                NET_UNTIL(&net, result.calls);
            cr_assert_eq(rc ? rc : result.error, -ENOMEM);
        }
    }
    close(listener);
}
