#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "net/address.h"
#include "net/listener.h"
#include "net_fixture.h"

struct door {
    struct cv_listener *listener;
    int fds[512];
    int count;
    char peer[80];
    bool close_at_once;
};

static struct net net;

static void on_accepted(void *ctx, int fd, const char *peer)
{
    struct door *door = ctx;

    door->fds[door->count++] = fd;
    snprintf(door->peer, sizeof(door->peer), "%s", peer);
    if (door->close_at_once)
        cv_listener_close(door->listener);
}

static void open_door(struct door *door, const char *address)
{
    memset(door, 0, sizeof(*door));
    cr_assert_eq(cv_listener_new(&door->listener, &net.loop, address, on_accepted, door), 0);
}

static void close_door(struct door *door)
{
    for (int i = 0; i < door->count; i++)
        close(door->fds[i]);
    if (!door->close_at_once)
        cv_listener_close(door->listener);
}

static uint16_t port_of(const struct door *door)
{
    return (uint16_t)atoi(strrchr(cv_listener_address(door->listener), ':') + 1);
}

/* A non-blocking connection to @port of 127.0.0.1 or ::1, under way. */
static int visit(bool v6, uint16_t port)
{
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    cr_assert_geq(fd, 0);
    if (v6)
        connect(fd, (struct sockaddr *)&six, sizeof(six));
    else
        connect(fd, (struct sockaddr *)&four, sizeof(four));
    return fd;
}

static void setup(void)
{
    net_init(&net);
}

static void teardown(void)
{
    net_deinit(&net);
}

TestSuite(listener, .init = setup, .fini = teardown);

Test(listener, tells_addresses_from_other_text)
{
    static const char *const good[] = {"127.0.0.1:80", "[::1]:80",  "localhost:0", ":65535",
                                       "unix:/tmp/x",  "a-b.c_d:1", "[::]:1",      "0.0.0.0:1"};
    static const char *const bad[] = {"",        "80",       "127.0.0.1",    "127.0.0.1:",
                                      ":65536",  ":-1",      ":+1",          ": 1",
                                      ":1x",     "::1:80",   "[::1]",        "[127.0.0.1]:80",
                                      "[::1:80", "1.2.3:80", "1.2.3.256:80", "a b:80",
                                      "a/b:80",  "unix:",    "[name]:80",    ":000080"};
    char path[200] = "unix:";

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert_eq(cv_listener_check(good[i]), 0, "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(cv_listener_check(bad[i]), CV_ESYNTAX, "%s", bad[i]);
    memset(path + 5, 'p', 107);
    cr_assert_eq(cv_listener_check(path), 0);
    path[5 + 107] = 'p';
    cr_assert_eq(cv_listener_check(path), CV_ESYNTAX);
}

Test(listener, takes_a_free_port_and_names_it)
{
    struct door door;
    int visitor, on = 0;

    open_door(&door, "127.0.0.1:0");
    cr_assert_neq(port_of(&door), 0);
    visitor = visit(false, port_of(&door));
    NET_UNTIL(&net, door.count == 1);
    cr_assert_eq(strncmp(door.peer, "127.0.0.1:", 10), 0);
    cr_assert(fcntl(door.fds[0], F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(door.fds[0], F_GETFD) & FD_CLOEXEC);
    getsockopt(door.fds[0], IPPROTO_TCP, TCP_NODELAY, &on, &(socklen_t){sizeof(on)});
    cr_assert_eq(on, 1);
    close(visitor);
    close_door(&door);
}

Test(listener, listens_on_ipv6)
{
    struct door door;
    int visitor;

    open_door(&door, "[::1]:0");
    cr_assert_eq(strncmp(cv_listener_address(door.listener), "[::1]:", 6), 0);
    visitor = visit(true, port_of(&door));
    NET_UNTIL(&net, door.count == 1);
    cr_assert_eq(strncmp(door.peer, "[::1]:", 6), 0);
    close(visitor);
    close_door(&door);
}

Test(listener, listens_everywhere_in_both_families)
{
    struct door door;
    int four, six;

    open_door(&door, ":0");
    four = visit(false, port_of(&door));
    NET_UNTIL(&net, door.count == 1);
    cr_assert_eq(strncmp(door.peer, "127.0.0.1:", 10), 0, "%s: not as ::ffff:", door.peer);
    six = visit(true, port_of(&door));
    NET_UNTIL(&net, door.count == 2);
    close(four);
    close(six);
    close_door(&door);
}

Test(listener, resolves_localhost_to_ipv4_first)
{
    struct door door;

    open_door(&door, "localhost:0");
    cr_assert_eq(strncmp(cv_listener_address(door.listener), "127.0.0.1:", 10), 0);
    close_door(&door);
}

Test(listener, says_that_a_port_is_in_use)
{
    struct door door;
    struct cv_listener *second;

    open_door(&door, "127.0.0.1:0");
    cr_assert_eq(
        cv_listener_new(&second, &net.loop, cv_listener_address(door.listener), on_accepted, NULL),
        -EADDRINUSE);
    cr_assert_eq(cv_listener_new(&second, &net.loop, "nonsense", on_accepted, NULL), CV_ESYNTAX);
    cr_assert_eq(cv_listener_new(&second, &net.loop, "192.0.2.1:0", on_accepted, NULL),
                 -EADDRNOTAVAIL);
    net.memory.fail_at = net.memory.calls + 1;
    cr_assert_eq(cv_listener_new(&second, &net.loop, "127.0.0.1:0", on_accepted, NULL), -ENOMEM);
    close_door(&door);
    cv_listener_close(NULL);
}

static void unix_address(char *address, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    sprintf(out->sun_path, "/tmp/culvert-listener-%d", (int)getpid());
    sprintf(address, "unix:%s", out->sun_path);
}

Test(listener, listens_on_a_unix_socket_and_removes_it)
{
    struct sockaddr_un path;
    struct cv_listener *second;
    struct stat file;
    struct door door;
    char address[128];
    int visitor;

    unix_address(address, &path);
    open_door(&door, address);
    cr_assert_str_eq(cv_listener_address(door.listener), address);
    visitor = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(connect(visitor, (struct sockaddr *)&path, sizeof(path)), 0);
    NET_UNTIL(&net, door.count == 1);
    cr_assert_str_eq(door.peer, "unix");
    cr_assert_eq(cv_listener_new(&second, &net.loop, address, on_accepted, NULL), -EADDRINUSE);
    close(visitor);
    close_door(&door);
    cr_assert_eq(lstat(path.sun_path, &file), -1);
}

Test(listener, replaces_a_stale_unix_socket_but_no_other_file)
{
    struct sockaddr_un path;
    struct cv_listener *refused;
    struct stat file;
    struct door door;
    char address[128];
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);

    unix_address(address, &path);
    cr_assert_eq(bind(stale, (struct sockaddr *)&path, sizeof(path)), 0);
    close(stale);
    open_door(&door, address);
    unlink(path.sun_path);
    close(open(path.sun_path, O_CREAT | O_WRONLY, 0600));
    close_door(&door);
    cr_assert_eq(lstat(path.sun_path, &file), 0, "a file that is not its own stays");
    cr_assert_eq(cv_listener_new(&refused, &net.loop, address, on_accepted, NULL), -EADDRINUSE);
    cr_assert_eq(lstat(path.sun_path, &file), 0);
    unlink(path.sun_path);
}

Test(listener, may_be_closed_while_it_accepts)
{
    struct door door;
    int visitors[3];
    uint16_t port;

    open_door(&door, "127.0.0.1:0");
    door.close_at_once = true;
    port = port_of(&door);
    for (int i = 0; i < 3; i++)
        visitors[i] = visit(false, port);
    NET_UNTIL(&net, door.count > 0);
    for (int i = 0; i < 5; i++)
        net_turn(&net);
    cr_assert_eq(door.count, 1);
    for (int i = 0; i < 3; i++)
        close(visitors[i]);
    close_door(&door);
}

static double cpu_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Visitors that have been turned away so far. */
static int turned_away(const int *visitors, int count)
{
    int n = 0;
    char byte;

    for (int i = 0; i < count; i++)
        n += recv(visitors[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    return n;
}

Test(listener, sheds_visitors_without_spinning_when_out_of_descriptors)
{
    enum { VISITORS = 20 };
    struct rlimit limit, low;
    struct door door;
    int visitors[VISITORS], late, highest;
    uint64_t start;
    double cpu;

    open_door(&door, "127.0.0.1:0");
    for (int i = 0; i < VISITORS; i++)
        visitors[i] = visit(false, port_of(&door));
    highest = open("/dev/null", O_RDONLY);
    close(highest);
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = (rlim_t)highest; /* not one more */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &low), 0);

    start = uv_hrtime();
    cpu = cpu_seconds();
    NET_UNTIL(&net, turned_away(visitors, VISITORS) == 4); /* at 0, 50, 150 and 350 ms */
    cpu = cpu_seconds() - cpu;
    cr_assert_geq(uv_hrtime() - start, 340000000, "it pauses between two");
    cr_assert_lt(cpu, 0.3 * (double)(uv_hrtime() - start) / 1e9);
    cr_assert_eq(door.count, 0);
    cr_assert_eq(net.log_lines, 1, "said once");
    cr_assert_not_null(strstr(net.last_log, "too many open files"), "%s", net.last_log);

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    late = visit(false, port_of(&door));
    NET_UNTIL(&net, door.count == VISITORS - 4 + 1);
    close(late);
    for (int i = 0; i < VISITORS; i++)
        close(visitors[i]);
    close_door(&door);
}

/* Connects @count visitors and waits until both doors together have let them in. */
static void visit_both(struct door *first, struct door *second, int count, int *fds)
{
    for (int i = 0; i < count; i++)
        fds[i] = visit(false, port_of(first));
    NET_UNTIL(&net, first->count + second->count == count);
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

Test(listener, one_beside_another_takes_its_share_of_the_visitors)
{
    struct door first = {.count = 0}, second = {.count = 0};
    int fds[200];

    cr_assert_eq(
        cv_listener_new_shared(&first.listener, &net.loop, "127.0.0.1:0", on_accepted, &first), 0);
    cr_assert_eq(
        cv_listener_new_beside(&second.listener, &net.loop, first.listener, on_accepted, &second),
        0);
    cr_assert_str_eq(cv_listener_address(first.listener), cv_listener_address(second.listener));
    visit_both(&first, &second, 200, fds);
    cr_assert_gt(first.count, 0);
    cr_assert_gt(second.count, 0);
    close_door(&first);
    close_door(&second);
}

Test(listener, a_shared_address_is_no_strangers)
{
    struct door first = {.count = 0};
    struct cv_listener *second;
    char address[CV_ADDRESS_SIZE];

    cr_assert_eq(cv_listener_new_shared(&first.listener, &net.loop, ":0", on_accepted, &first), 0);
    snprintf(address, sizeof(address), ":%u", (unsigned)port_of(&first));
    cr_assert_eq(cv_listener_new_shared(&second, &net.loop, address, on_accepted, NULL),
                 -EADDRINUSE);
    cr_assert_eq(cv_listener_new_beside(&second, &net.loop, first.listener, on_accepted, &first),
                 0);
    cv_listener_close(second);
    close_door(&first);
}

Test(listener, a_unix_socket_has_nobody_beside_it)
{
    struct door first = {.count = 0};
    struct cv_listener *second;
    char dir[] = "/tmp/culvert-listener-XXXXXX", address[64];

    cr_assert_not_null(mkdtemp(dir));
    snprintf(address, sizeof(address), "unix:%s/door", dir);
    cr_assert_eq(cv_listener_new_shared(&first.listener, &net.loop, address, on_accepted, &first),
                 0);
    cr_assert_eq(cv_listener_new_beside(&second, &net.loop, first.listener, on_accepted, NULL),
                 -EOPNOTSUPP);
    close_door(&first);
    cr_assert_eq(rmdir(dir), 0);
}

/* What the network has not taken when nothing of it is read. */
static size_t fill(struct cv_stream *stream)
{
    static uint8_t bytes[65536];
    size_t sent = 0;
    ssize_t n;

    while ((n = cv_stream_send(stream, bytes, sizeof(bytes))) > 0)
        sent += (size_t)n;
    cr_assert_eq(n, -EAGAIN);
    return sent;
}

static int limit_of(int fd)
{
    int bytes = -1;
    socklen_t len = sizeof(bytes);

    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &len), 0);
    return bytes;
}

Test(listener, who_does_not_read_is_given_little)
{
    const int small = 4096;
    struct cv_stream *stream;
    struct door door;
    int fd, ours;

    open_door(&door, "127.0.0.1:0");
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    connect(fd,
            (struct sockaddr *)&(struct sockaddr_in){.sin_family = AF_INET,
                                                     .sin_port = htons(port_of(&door)),
                                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
            sizeof(struct sockaddr_in));
    NET_UNTIL(&net, door.count == 1);
    ours = door.fds[0];
    door.count = 0; /* the stream has it */
    cr_assert_eq(cv_stream_new(&stream, &net.loop, ours), 0);
    cr_assert_lt(fill(stream), 2 * CV_STREAM_TRIAL_UNSENT);
    cr_assert_eq(limit_of(ours), CV_STREAM_TRIAL_UNSENT);
    cv_stream_close(stream);
    close(fd);
    close_door(&door);
}

Test(listener, who_reads_is_given_as_much_as_the_kernel_likes)
{
    static uint8_t bytes[65536];
    struct cv_stream *stream;
    struct door door;
    int fd, ours;

    open_door(&door, "127.0.0.1:0");
    fd = visit(false, port_of(&door));
    NET_UNTIL(&net, door.count == 1);
    ours = door.fds[0];
    door.count = 0;
    cr_assert_eq(cv_stream_new(&stream, &net.loop, ours), 0);
    for (size_t sent = 0; sent < CV_STREAM_TRIAL;) {
        ssize_t n = cv_stream_send(stream, bytes, sizeof(bytes));

        sent += n > 0 ? (size_t)n : 0;
        cr_assert_eq(limit_of(ours), sent < CV_STREAM_TRIAL ? CV_STREAM_TRIAL_UNSENT : 0);
        while (recv(fd, bytes, sizeof(bytes), 0) > 0)
            ;
        net_turn(&net);
    }
    cv_stream_close(stream);
    close(fd);
    close_door(&door);
}
