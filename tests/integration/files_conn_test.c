/* The file service: how it treats its connections. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "integration/files_fixture.h"

TestSuite(files_conn, .init = files_setup, .fini = files_teardown, .timeout = 60);

Test(files_conn, answers_pipelined_requests_in_order_at_any_cut)
{
    static const char requests[] = "GET /a.txt HTTP/1.1\r\n" H "\r\n"
                                   "HEAD /a.txt HTTP/1.1\r\n" H "\r\n"
                                   "GET /zoo/x.json HTTP/1.1\r\n" H "\r\n"
                                   "GET /nothing HTTP/1.1\r\n" H "\r\n"
                                   "GET /docs/ HTTP/1.1\r\n" H CLOSE;
    static const int statuses[] = {200, 200, 200, 404, 200};

    for (size_t cut = 1; cut <= sizeof(requests) - 1; cut += cut < 80 ? 1 : 17) {
        int fd = client();
        size_t len, head_len;
        char *text, *at;

        for (size_t i = 0; i < sizeof(requests) - 1; i += cut)
            say(fd, requests + i, i + cut < sizeof(requests) ? cut : sizeof(requests) - 1 - i);
        at = text = read_all(fd, &len);
        for (size_t i = 0; i < 5; i++) {
            struct cv_http_head head;

            cr_assert_eq(cv_http_response_parse(&head, at, (size_t)(text + len - at), &head_len),
                         0);
            cr_assert_eq(head.status, statuses[i], "cut %zu, answer %zu: %d", cut, i, head.status);
            cr_assert_eq(head.keep_alive, i < 4);
            at += head_len + (i == 1 ? 0 : (size_t)head.content_length);
        }
        cr_assert_eq(at, text + len);
        cr_assert_str_eq(at - 9, "the index");
        free(text);
        close(fd);
    }
}

Test(files_conn, answers_more_pipelined_requests_than_one_wake_takes)
{
    static const char request[] = "GET /zoo/x.json HTTP/1.1\r\n" H "\r\n";
    int fd = client(), count = 0;
    size_t len;
    char *text;

    for (int i = 0; i < 200; i++)
        say(fd, request, sizeof(request) - 1);
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    text = read_all(fd, &len);
    for (const char *at = text; (at = strstr(at, "HTTP/1.1 200 OK")); at++)
        count++;
    cr_assert_eq(count, 200);
    free(text);
    close(fd);
}

Test(files_conn, keeps_an_old_client_only_when_it_asks)
{
    struct answer answer = ask("GET /a.txt HTTP/1.0\r\n\r\n");

    cr_assert_eq(answer.head.status, 200);
    assert_header(&answer, "connection", "close");
    free(answer.text);
    answer = ask("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
    assert_header(&answer, "connection", "keep-alive");
    free(answer.text);
}

Test(files_conn, sends_a_big_file_whole_while_others_are_served)
{
    const size_t size = (size_t)16 << 20;
    char *want = put_big("big.iso", size);
    int slow = client();
    struct answer answer;

    say(slow, "GET /big.iso HTTP/1.1\r\n" H CLOSE, strlen("GET /big.iso HTTP/1.1\r\n" H CLOSE));
    for (int i = 0; i < 20; i++) /* it does not read: the answer stands still in the socket */
        turn();
    assert_status("/a.txt", 200);
    answer = take(slow);
    cr_assert_eq(answer.body_len, size);
    cr_assert_eq(memcmp(answer.body, want, size), 0);
    free(answer.text);
    free(want);
}

Test(files_conn, cuts_the_connection_when_a_file_shrinks_on_the_way)
{
    const size_t size = (size_t)4 << 20;
    char path[512], *want = put_big("big.iso", size);
    int fd = client();
    struct answer answer;

    say(fd, "GET /big.iso HTTP/1.1\r\n" H "\r\n", strlen("GET /big.iso HTTP/1.1\r\n" H "\r\n"));
    turn();
    snprintf(path, sizeof(path), "%s/big.iso", files_shelf);
    cr_assert_eq(truncate(path, (off_t)size / 2), 0);
    answer = take(fd);
    cr_assert_eq(answer.head.content_length, (int64_t)size);
    cr_assert_lt(answer.body_len, size);
    cr_assert_eq(cv_files_count(files), 0);
    free(answer.text);
    free(want);
}

static size_t open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    cr_assert_not_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

Test(files_conn, survives_a_client_that_goes_away)
{
    char *want = put_big("big.iso", (size_t)4 << 20);
    size_t before = open_files();
    int fd = client();

    say(fd, "GET /big.iso HTTP/1.1\r\n" H "\r\n", strlen("GET /big.iso HTTP/1.1\r\n" H "\r\n"));
    turn();
    cr_assert_eq(cv_files_count(files), 1);
    close(fd);
    for (int i = 0; i < 10; i++)
        turn();
    cr_assert_eq(cv_files_count(files), 0);
    free(want);
    cr_assert_eq(open_files(), before);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

Test(files_conn, waits_so_long_for_a_head_even_when_it_trickles_in)
{
    struct answer answer;
    double start = seconds();
    int fd = client();

    cv_files_set_waits(files, CV_SEC, 60 * CV_SEC, CV_SEC / 2);
    say(fd, "GET / HTTP/1.1\r\nA: ", 19);
    while (seconds() - start < 2.5 && cv_files_count(files) == 1) {
        if (send(fd, "a", 1, MSG_NOSIGNAL) < 0)
            break;
        turn();
        usleep(50000);
        if (recv(fd, (char[1]){0}, 1, MSG_PEEK) > 0)
            break;
    }
    cr_assert_gt(seconds() - start, 0.9);
    answer = take(fd);
    cr_assert_lt(seconds() - start, 3);
    cr_assert_eq(answer.head.status, 408);
    free(answer.text);
}

Test(files_conn, closes_a_connection_that_is_idle)
{
    double start = seconds();
    size_t len;
    int fd = client();
    char *text;

    close(fd);
    turn();
    turn();
    cr_assert_eq(cv_files_count(files), 0, "the end of the other side was not seen");
    cv_files_set_waits(files, 60 * CV_SEC, CV_SEC / 2, CV_SEC / 2);
    fd = client();
    text = read_all(fd, &len);
    cr_assert_eq(len, 0);
    cr_assert_gt(seconds() - start, 0.4);
    cr_assert_lt(seconds() - start, 3);
    free(text);
    close(fd);
}

Test(files_conn, does_not_wait_for_ever_for_a_client_that_does_not_read)
{
    char *want = put_big("big.iso", (size_t)4 << 20);
    double start = seconds();
    int fd = client();

    cv_files_set_waits(files, CV_SEC, CV_SEC / 2, CV_SEC / 2);
    say(fd, "GET /big.iso HTTP/1.1\r\n" H "\r\n", strlen("GET /big.iso HTTP/1.1\r\n" H "\r\n"));
    while (cv_files_count(files) && seconds() - start < 5) {
        turn();
        usleep(10000);
    }
    cr_assert_eq(cv_files_count(files), 0);
    close(fd);
    free(want);
}

Test(files_conn, does_not_wait_for_ever_for_a_client_that_does_not_close)
{
    static const char request[] = "GET /a.txt HTTP/1.1\r\n" H CLOSE;
    double start = seconds();
    int fd = client();

    cv_files_set_waits(files, CV_SEC, 60 * CV_SEC, CV_SEC / 2);
    say(fd, request, sizeof(request) - 1);
    while (cv_files_count(files) && seconds() - start < 5) {
        (void)!send(fd, "more", 4, MSG_NOSIGNAL);
        turn();
        usleep(10000);
    }
    cr_assert_eq(cv_files_count(files), 0);
    cr_assert_gt(seconds() - start, 0.4);
    close(fd);
}

Test(files_conn, takes_so_many_connections_and_no_more)
{
    static int clients[CV_FILES_CONNS_MAX];
    struct rlimit limit;
    int pair[2];

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < CV_FILES_CONNS_MAX; i++)
        clients[i] = client();
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    cr_assert_eq(cv_files_serve(files, pair[1]), CV_EFULL);
    cr_assert_eq(close(pair[1]), 0, "the caller keeps it");
    close(pair[0]);
    close(clients[0]);
    turn();
    clients[0] = client();
    for (int i = 0; i < CV_FILES_CONNS_MAX; i++)
        close(clients[i]);
}

Test(files_conn, closes_its_connections_when_it_ends)
{
    int fd = client();
    ssize_t n;
    char byte;

    say(fd, "GET / HTTP", 10);
    cv_files_free(files);
    files = NULL;
    turn();
    n = recv(fd, &byte, 1, 0);
    cr_assert(n == 0 || (n < 0 && errno == ECONNRESET), "still open");
    close(fd);
}

Test(files_conn, needs_a_folder)
{
    struct cv_files *other = NULL;
    char path[512];

    snprintf(path, sizeof(path), "%s/a.txt", files_shelf);
    cr_assert_eq(cv_files_new(&other, &files_loop, path), -ENOTDIR);
    snprintf(path, sizeof(path), "%s/none", files_shelf);
    cr_assert_eq(cv_files_new(&other, &files_loop, path), -ENOENT);
    cv_files_free(NULL);
}

Test(files_conn, leaves_no_descriptor_open)
{
    size_t before = open_files();

    assert_status("/a.txt", 200);
    assert_status("/", 200);
    assert_status("/docs/", 200);
    assert_status("/zoo/", 200);
    assert_status("/zoo", 301);
    assert_status("/pipe", 404);
    assert_status("/nothing", 404);
    for (int i = 0; i < 5; i++)
        turn();
    cr_assert_eq(open_files(), before);
}
