#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "net/listener.h"
#include "net/redis.h"
#include "net_fixture.h"

/* A Redis that greets, and then sends what the test says; and one connection to it. */
static struct {
    struct net net;
    struct cv_listener *listener;
    struct cv_redis *redis;
    struct client peer;
    bool up, down;
    char why[200];
    size_t answers, len; /* of the last one: its text, or how many items it has */
} s;

static void on_accepted(void *ctx, int fd, const char *peer)
{
    (void)ctx, (void)peer;
    if (s.peer.fd >= 0)
        close(fd); /* a later try */
    else
        s.peer.fd = fd;
}

static void on_up(void *ctx)
{
    (void)ctx;
    s.up = true;
}

static void on_down(void *ctx, const char *why)
{
    (void)ctx;
    if (!s.down)
        snprintf(s.why, sizeof(s.why), "%s", why);
    s.down = true;
}

static int on_reply(void *ctx, const struct cv_reply *reply)
{
    (void)ctx;
    s.answers++;
    s.len = reply->type == CV_REPLY_ARRAY ? reply->count : reply->len;
    return 0;
}

/* All of it, or as much as is taken until the connection is given up. */
static void pour(const char *data, size_t len)
{
    while (len > 0 && !s.down) {
        ssize_t n = send(s.peer.fd, data, len, MSG_NOSIGNAL);

        if (n < 0) {
            net_turn(&s.net);
        } else {
            data += n;
            len -= (size_t)n;
        }
    }
}

static void say(const char *text)
{
    pour(text, strlen(text));
}

static void setup(void)
{
    struct cv_redis_config config = {
        .host = "127.0.0.1", .up = on_up, .down = on_down, .reply = on_reply};

    memset(&s, 0, sizeof(s));
    s.peer.fd = -1;
    net_init(&s.net);
    cr_assert_eq(cv_listener_new(&s.listener, &s.net.loop, "127.0.0.1:0", on_accepted, NULL), 0);
    config.port = (uint16_t)atoi(strrchr(cv_listener_address(s.listener), ':') + 1);
    cr_assert_eq(cv_redis_new(&s.redis, &s.net.loop, NULL, &config), 0);
    NET_UNTIL(&s.net, s.peer.fd >= 0);
    say("+PONG\r\n");
    NET_UNTIL(&s.net, s.up);
}

static void teardown(void)
{
    cv_redis_free(s.redis);
    client_close(&s.peer);
    cv_listener_close(s.listener);
    net_deinit(&s.net);
}

TestSuite(redis, .init = setup, .fini = teardown);

/* A string of @len bytes, of which only @sent are sent. */
static void say_string(size_t len, size_t sent)
{
    char head[40];
    char *body = malloc(sent);

    cr_assert_not_null(body);
    memset(body, 'x', sent);
    snprintf(head, sizeof(head), "$%zu\r\n", len);
    say(head);
    pour(body, sent);
    free(body);
}

Test(redis, reads_answers_up_to_the_limit_however_many)
{
    const size_t len = CV_REDIS_ANSWER_MAX - 20; /* the rest is its head and end */

    for (size_t i = 1; i <= 3; i++) {
        say_string(len, len);
        say("\r\n*2\r\n$1\r\na\r\n*1\r\n:5\r\n");
        NET_UNTIL(&s.net, s.answers == 2 * i || s.down);
        cr_assert(!s.down, "%s", s.why);
        cr_assert_eq(s.len, 2);
    }
}

Test(redis, gives_up_an_answer_without_end)
{
    const size_t len = (size_t)512 << 20;

    say_string(len, CV_REDIS_ANSWER_MAX + 1);
    NET_UNTIL(&s.net, s.down);
    cr_assert_str_eq(s.why, cv_strerror(CV_EFLOW));
    cr_assert_eq(s.answers, 0);
}

Test(redis, gives_up_many_items_that_are_no_whole_answer)
{
    say("*200000\r\n");
    for (int i = 0; i < 1200 && !s.down; i++) {
        char item[1100];

        snprintf(item, sizeof(item), "$1000\r\n%01000d\r\n", 1);
        say(item);
    }
    NET_UNTIL(&s.net, s.down);
    cr_assert_str_eq(s.why, cv_strerror(CV_EFLOW));
}

Test(redis, asks_for_no_memory_for_items_that_cannot_come)
{
    say("*2147483647\r\n");
    NET_UNTIL(&s.net, s.down);
    cr_assert_str_eq(s.why, cv_strerror(CV_EFLOW));
}

Test(redis, asks_for_none_inside_another_answer_either)
{
    say("*2\r\n:1\r\n*400000\r\n");
    NET_UNTIL(&s.net, s.down);
    cr_assert_str_eq(s.why, cv_strerror(CV_EFLOW));
}
