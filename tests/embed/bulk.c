/* Scenarios with many bytes. */
#include "world.h"

#define BULK ((size_t)24 << 20) /* more than all windows and buffers of one direction hold */

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8));
}

static void visitor_reads(struct cv_connection *c, const void *data, size_t len)
{
    struct world *w = cv_connection_data(c);

    for (size_t i = 0; i < len; i++, w->received++)
        CHECK(((const uint8_t *)data)[i] == byte_at(w->received));
}

/* Writes the pattern as far as it is taken, and ends behind BULK bytes of it. */
static void pump(struct world *w, struct cv_connection *c)
{
    uint8_t block[50000];

    while (w->sent < BULK) {
        size_t len = BULK - w->sent < sizeof(block) ? BULK - w->sent : sizeof(block);
        ssize_t n;

        for (size_t i = 0; i < len; i++)
            block[i] = byte_at(w->sent + i);
        n = cv_connection_write(c, block, len);
        CHECK(n >= 0);
        w->sent += (size_t)n;
        if ((size_t)n < len)
            return;
    }
    cv_connection_shutdown(c);
    CHECK(cv_connection_write(c, "x", 1) == -EPIPE);
}

static void pump_on(struct cv_connection *c)
{
    struct world *w = cv_connection_data(c);

    w->writable++;
    pump(w, c);
}

/* An echo with a buffer of one piece: what does not go back pauses what comes. */

struct echo {
    struct world *world;
    uint8_t kept[512 << 10];
    size_t len, at;
    bool ended;
};

static void echo_more(struct cv_connection *c)
{
    struct echo *echo = cv_connection_data(c);

    while (echo->at < echo->len) {
        ssize_t n = cv_connection_write(c, echo->kept + echo->at, echo->len - echo->at);

        CHECK(n >= 0);
        echo->at += (size_t)n;
        if (echo->at < echo->len)
            return;
    }
    if (echo->ended)
        cv_connection_shutdown(c);
    else
        cv_connection_resume(c);
}

static void echo_reads(struct cv_connection *c, const void *data, size_t len)
{
    struct echo *echo = cv_connection_data(c);

    CHECK(echo->at == echo->len && len <= sizeof(echo->kept));
    memcpy(echo->kept, data, len);
    echo->len = len;
    echo->at = 0;
    cv_connection_pause(c);
    echo_more(c);
}

static void echo_ends(struct cv_connection *c)
{
    struct echo *echo = cv_connection_data(c);

    echo->ended = true;
    echo_more(c);
}

static void echo_closed(struct cv_connection *c, int error, const char *text)
{
    struct echo *echo = cv_connection_data(c);

    cv_connection_set_data(c, echo->world);
    free(echo);
    served_closed(c, error, text);
}

static void serve_echo(struct cv_connection *c, void *data)
{
    struct cv_connection_callbacks calls = {.size = sizeof(calls),
                                            .on_read = echo_reads,
                                            .on_end = echo_ends,
                                            .on_writable = echo_more,
                                            .on_close = echo_closed};
    struct echo *echo = calloc(1, sizeof(*echo));

    echo->world = data;
    echo->world->served = c;
    CHECK(strcmp(cv_connection_target(c), "My.App:80") == 0);
    CHECK(cv_connection_accept(c, &calls, echo) == 0);
    CHECK(cv_connection_accept(c, &calls, echo) == -EINVAL);
}

void bytes(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_open = visitor_open,
                                            .on_read = visitor_reads,
                                            .on_end = visitor_end,
                                            .on_writable = pump_on};

    make(w, url, word, serve_echo);
    stand(w);
    dial(w, w->target, &calls);
    pump(w, w->visitor); /* before it is even dialled */
    finish(w);
    CHECK(w->visitor_error == 0 && w->served_error == 0);
    CHECK(w->opened == 1 && w->ended == 1 && w->writable > 0);
    CHECK(w->received == BULK);
}

/* The visitor does not read: the sender's writes are taken no more, long before the end. */

static void look(uv_timer_t *timer)
{
    struct world *w = timer->data;

    if (w->sent == 0 || w->sent != w->seen) {
        w->seen = w->sent;
        return;
    }
    CHECK(w->received == 0 && w->sent < BULK);
    uv_close((uv_handle_t *)timer, NULL);
    cv_connection_resume(w->visitor);
}

static void go_on(struct cv_connection *c)
{
    (void)c;
}

static void serve_bulk(struct cv_connection *c, void *data)
{
    struct cv_connection_callbacks calls = {
        .size = sizeof(calls), .on_end = go_on, .on_writable = pump_on, .on_close = served_closed};

    ((struct world *)data)->served = c;
    CHECK(cv_connection_accept(c, &calls, data) == 0);
    pump(data, c);
}

void pauses(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_read = visitor_reads};

    make(w, url, word, serve_bulk);
    stand(w);
    dial(w, w->target, &calls);
    cv_connection_pause(w->visitor);
    uv_timer_init(&w->loop, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, look, 200, 200);
    finish(w);
    CHECK(w->received == BULK && w->visitor_error == 0 && w->served_error == 0);
}

/* Both ends at once, in the middle of bulk. */

static void leave_all(struct cv_connection *c, const void *data, size_t len)
{
    (void)data, (void)len;
    cv_connection_close(c);
    end(cv_connection_data(c));
}

void leaves(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_read = leave_all};

    make(w, url, word, serve_bulk);
    stand(w);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == -ECANCELED && w->served_error == -ECANCELED);
}

/* After cv_connection_close() what comes is dropped, and the end is in order. */

static void drop_rest(struct cv_connection *c, const void *data, size_t len)
{
    struct world *w = cv_connection_data(c);

    (void)data;
    CHECK(w->received == 0);
    w->received += len;
    cv_connection_close(c);
}

void drops(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_read = drop_rest, .on_end = visitor_end};

    make(w, url, word, serve_bulk);
    stand(w);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == 0 && w->served_error == 0 && w->ended == 0);
    CHECK(w->sent == BULK && w->received < BULK);
}

/* Two loops in two threads share nothing. */

struct half {
    const char *url, *word, *id;
};

static void run_half(void *arg)
{
    struct half *half = arg;
    struct world *w = calloc(1, sizeof(*w));

    snprintf(w->id, sizeof(w->id), "%s", half->id);
    bytes(w, half->url, half->word);
    free(w);
}

void threads(struct world *w, const char *url, const char *word)
{
    struct half halves[2] = {{url, word, "one"}, {url, word, "two"}};
    uv_thread_t thread[2];

    (void)w;
    for (int i = 0; i < 2; i++)
        CHECK(uv_thread_create(&thread[i], run_half, &halves[i]) == 0);
    for (int i = 0; i < 2; i++)
        uv_thread_join(&thread[i]);
}
