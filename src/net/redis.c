#include "net/redis.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/connect.h"
#include "net/linger.h"
#include "net/log.h"
#include "net/timer.h"

#define WHY_SIZE 400

enum state {
    STATE_WAITING, /* for the next try */
    STATE_CONNECTING,
    STATE_GREETING, /* AUTH, SELECT and PING are on their way */
    STATE_UP,
};

struct cv_redis {
    struct cv_loop *loop;         /* borrowed */
    struct cv_outbound *outbound; /* borrowed */
    struct cv_redis_config config;
    enum state state;
    struct cv_timer *timer;           /* owned */
    struct cv_connecting *connecting; /* at most one of these three */
    struct cv_dialling *dialling;
    struct cv_stream *stream;            /* owned */
    redisReader *reader;                 /* owned */
    redisReplyObjectFunctions functions; /* the reader's, but for our own look at arrays */
    void *(*create_array)(const redisReadTask *task, int count); /* hiredis's own */
    size_t unfinished; /* bytes that came since the last whole answer */
    bool over;         /* an array was announced that is longer than an answer may be */
    char *out;         /* owned; what is queued, from `sent` on */
    size_t out_len, out_size, sent;
    int broken;         /* an error that the next flush reports */
    uint64_t awaited;   /* answers that are missing */
    uint64_t pongs;     /* of those to our own pings */
    uint64_t heard_at;  /* the last answer, or the first command after none was missing */
    unsigned greetings; /* answers of the greeting that are missing */
    unsigned tries;
    bool reading; /* so that nothing is freed under the reader */
};

static void dial(struct cv_redis *redis);

/* The end of a connection. */

static void drop(struct cv_redis *redis)
{
    if (redis->connecting)
        cv_connect_cancel(redis->connecting);
    if (redis->dialling)
        cv_outbound_cancel(redis->dialling);
    cv_stream_close(redis->stream);
    if (redis->reader)
        redisReaderFree(redis->reader);
    redis->connecting = NULL;
    redis->dialling = NULL;
    redis->stream = NULL;
    redis->reader = NULL;
    redis->out_len = redis->sent = 0;
    redis->broken = 0;
    redis->awaited = redis->pongs = 0;
}

static void fail(struct cv_redis *redis, const char *why)
{
    uint64_t bound = CV_REDIS_RETRY;

    drop(redis);
    redis->state = STATE_WAITING;
    for (unsigned i = 0; i < redis->tries && bound < CV_REDIS_RETRY_MAX; i++)
        bound *= 2;
    redis->tries++;
    cv_timer_set(redis->timer,
                 cv_random_below(&redis->loop->random, cv_min_time(bound, CV_REDIS_RETRY_MAX)));
    redis->config.down(redis->config.ctx, why);
}

static void fail_code(struct cv_redis *redis, int code)
{
    fail(redis, cv_strerror(code));
}

/* Sending. */

static bool make_room(struct cv_redis *redis, size_t len)
{
    size_t size = redis->out_size ? redis->out_size : 4096;
    char *grown;

    if (redis->sent > 0) {
        memmove(redis->out, redis->out + redis->sent, redis->out_len - redis->sent);
        redis->out_len -= redis->sent;
        redis->sent = 0;
    }
    if (redis->out_len + len <= redis->out_size)
        return true;
    while (size < redis->out_len + len)
        size *= 2;
    if (size > CV_REDIS_OUT_MAX)
        return false;
    grown = realloc(redis->out, size);
    if (!grown)
        return false;
    redis->out = grown;
    redis->out_size = size;
    return true;
}

static void queue(struct cv_redis *redis, size_t argc, const char *const *argv)
{
    char *text = NULL;
    int len = redisFormatCommandArgv(&text, (int)argc, (const char **)argv, NULL);

    if (len < 0 || !make_room(redis, (size_t)len)) {
        redis->broken = -ENOMEM;
    } else {
        memcpy(redis->out + redis->out_len, text, (size_t)len);
        redis->out_len += (size_t)len;
        if (redis->awaited++ == 0)
            redis->heard_at = cv_loop_now(redis->loop);
    }
    if (len >= 0)
        redisFreeCommand(text);
}

void cv_redis_send(struct cv_redis *redis, size_t argc, const char *const *argv)
{
    if (redis->state == STATE_UP)
        queue(redis, argc, argv);
}

/* As much as the socket takes. */
static int push(struct cv_redis *redis)
{
    while (redis->sent < redis->out_len) {
        ssize_t n =
            cv_stream_send(redis->stream, redis->out + redis->sent, redis->out_len - redis->sent);

        if (n == -EAGAIN)
            return cv_stream_watch(redis->stream, CV_READABLE | CV_WRITABLE);
        if (n < 0)
            return (int)n;
        redis->sent += (size_t)n;
    }
    redis->out_len = redis->sent = 0;
    return cv_stream_watch(redis->stream, CV_READABLE);
}

void cv_redis_flush(struct cv_redis *redis)
{
    int rc = redis->broken;

    if (!redis->stream || redis->reading) /* what is read is flushed after */
        return;
    if (rc == 0)
        rc = push(redis);
    if (rc < 0)
        fail_code(redis, rc);
}

/* Reading. */

static void free_items(const struct cv_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++)
        free_items(&reply->items[i]);
    free((void *)reply->items);
}

static int convert(struct cv_reply *out, const redisReply *from)
{
    struct cv_reply *items;

    *out = (struct cv_reply){.text = ""};
    switch (from->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        out->type = from->type == REDIS_REPLY_ERROR ? CV_REPLY_ERROR : CV_REPLY_TEXT;
        out->text = from->str;
        out->len = from->len;
        return 0;
    case REDIS_REPLY_INTEGER:
        out->type = CV_REPLY_INTEGER;
        out->number = from->integer;
        return 0;
    case REDIS_REPLY_ARRAY:
        out->type = CV_REPLY_ARRAY;
        break;
    default:
        return 0;
    }
    items = from->elements ? calloc(from->elements, sizeof(*items)) : NULL;
    if (from->elements && !items)
        return -ENOMEM;
    out->items = items;
    for (; out->count < from->elements; out->count++) {
        int rc = convert(&items[out->count], from->element[out->count]);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* An answer of the greeting. Returns 0, or -EACCES with the reason in @why. */
static int greeted(struct cv_redis *redis, const struct cv_reply *reply, char *why)
{
    if (reply->type == CV_REPLY_ERROR) {
        snprintf(why, WHY_SIZE, "%s", reply->text);
        return -EACCES;
    }
    if (--redis->greetings > 0)
        return 0;
    redis->state = STATE_UP;
    redis->tries = 0;
    redis->config.up(redis->config.ctx);
    return 0;
}

static bool is_pong(const struct cv_reply *reply)
{
    if (reply->type == CV_REPLY_ARRAY)
        return reply->count == 2 && strcmp(reply->items[0].text, "pong") == 0;
    return reply->type == CV_REPLY_TEXT && strcmp(reply->text, "PONG") == 0;
}

static bool is_message(const struct cv_reply *reply)
{
    return reply->type == CV_REPLY_ARRAY && reply->count > 0 &&
           strcmp(reply->items[0].text, "message") == 0;
}

static int take(struct cv_redis *redis, const struct cv_reply *reply, char *why)
{
    redis->heard_at = cv_loop_now(redis->loop);
    if (!redis->config.subscribes || !is_message(reply))
        redis->awaited -= redis->awaited > 0;
    if (redis->state == STATE_GREETING)
        return greeted(redis, reply, why);
    if (redis->config.subscribes && redis->pongs && is_pong(reply)) {
        redis->pongs--;
        return 0;
    }
    return redis->config.reply(redis->config.ctx, reply);
}

/* No item is shorter than "+\r\n". hiredis would ask for the memory before the items are there. */
static void *create_array(const redisReadTask *task, int count)
{
    struct cv_redis *redis = task->privdata;

    redis->over = count > (int)(CV_REDIS_ANSWER_MAX / 3);
    return redis->over ? NULL : redis->create_array(task, count);
}

/* Everything that the reader has. */
static int take_all(struct cv_redis *redis, char *why)
{
    for (;;) {
        struct cv_reply reply;
        void *read = NULL;
        int rc;

        if (redisReaderGetReply(redis->reader, &read) != REDIS_OK)
            return redis->over ? CV_EFLOW : CV_EPROTO;
        if (!read)
            return redis->unfinished > CV_REDIS_ANSWER_MAX ? CV_EFLOW : 0;
        redis->unfinished = redis->reader->len - redis->reader->pos;
        rc = convert(&reply, read);
        if (rc == 0)
            rc = take(redis, &reply, why);
        free_items(&reply);
        freeReplyObject(read);
        if (rc < 0)
            return rc;
    }
}

static int read_all(struct cv_redis *redis, char *why)
{
    for (int i = 0; i < 16; i++) {
        ssize_t n = cv_stream_recv(redis->stream, redis->loop->read_buf, CV_READ_SIZE);
        int rc;

        if (n == -EAGAIN)
            return 0;
        if (n == 0)
            return CV_ECLOSED;
        if (n < 0)
            return (int)n;
        if (redisReaderFeed(redis->reader, (char *)redis->loop->read_buf, (size_t)n) != REDIS_OK)
            return -ENOMEM;
        redis->unfinished += (size_t)n;
        rc = take_all(redis, why);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void on_ready(void *ctx, int events)
{
    struct cv_redis *redis = ctx;
    char why[WHY_SIZE] = "";
    int rc = 0;

    if (events & CV_READABLE) {
        redis->reading = true;
        rc = read_all(redis, why);
        redis->reading = false;
    }
    if (rc < 0)
        fail(redis, why[0] ? why : cv_strerror(rc));
    else
        cv_redis_flush(redis);
}

/* Time. */

static void ping(struct cv_redis *redis)
{
    redis->pongs++;
    queue(redis, 1, (const char *const[]){"PING"});
    cv_redis_flush(redis);
}

static void on_timer(void *ctx)
{
    struct cv_redis *redis = ctx;
    uint64_t now = cv_loop_now(redis->loop);

    if (redis->state == STATE_WAITING) {
        dial(redis);
        return;
    }
    cv_timer_set(redis->timer, CV_REDIS_PING);
    if (redis->stream && redis->awaited && now - redis->heard_at >= CV_REDIS_TIMEOUT)
        fail(redis, "it does not answer");
    else if (redis->state == STATE_UP && redis->config.subscribes && !redis->pongs)
        ping(redis);
}

/* Connecting. */

static void greet(struct cv_redis *redis)
{
    const struct cv_redis_config *config = &redis->config;
    char database[24];

    redis->state = STATE_GREETING;
    redis->greetings = 1;
    if (config->password && config->user)
        queue(redis, 3, (const char *const[]){"AUTH", config->user, config->password});
    else if (config->password)
        queue(redis, 2, (const char *const[]){"AUTH", config->password});
    redis->greetings += config->password != NULL;
    if (config->database) {
        snprintf(database, sizeof(database), "%llu", (unsigned long long)config->database);
        queue(redis, 2, (const char *const[]){"SELECT", database});
        redis->greetings++;
    }
    queue(redis, 1, (const char *const[]){"PING"});
    cv_redis_flush(redis);
}

static int start_reader(struct cv_redis *redis)
{
    redisReader *reader = redisReaderCreate();

    if (!reader)
        return -ENOMEM;
    redis->functions = *reader->fn;
    redis->create_array = redis->functions.createArray;
    redis->functions.createArray = create_array;
    reader->fn = &redis->functions;
    reader->privdata = redis;
    redis->reader = reader;
    redis->unfinished = 0;
    redis->over = false;
    return 0;
}

/* Takes @stream. */
static void start(struct cv_redis *redis, struct cv_stream *stream)
{
    int rc = start_reader(redis);

    redis->stream = stream;
    if (rc < 0) {
        fail_code(redis, rc);
        return;
    }
    cv_stream_owner(stream, on_ready, redis);
    greet(redis);
}

static void on_tls(void *ctx, struct cv_stream *stream, int error, const char *text)
{
    struct cv_redis *redis = ctx;

    redis->dialling = NULL;
    if (error)
        fail(redis, text);
    else
        start(redis, stream);
}

static int shake(struct cv_redis *redis, int fd)
{
    const struct cv_outbound_options options = {.host = redis->config.host,
                                                .port = redis->config.port,
                                                .tls = true,
                                                .ca_file = redis->config.ca_file,
                                                .timeout = CV_REDIS_TIMEOUT};

    return cv_outbound_over(&redis->dialling, redis->outbound, fd, &options, on_tls, redis);
}

static void on_connected(void *ctx, int fd, int error)
{
    struct cv_redis *redis = ctx;
    struct cv_stream *stream = NULL;
    int rc = error;

    redis->connecting = NULL;
    if (rc == 0)
        rc = redis->config.tls ? shake(redis, fd) : cv_stream_new(&stream, redis->loop, fd);
    if (rc < 0 && fd >= 0)
        close(fd);
    if (rc < 0)
        fail_code(redis, rc);
    else if (stream)
        start(redis, stream);
}

static void dial(struct cv_redis *redis)
{
    const struct cv_redis_config *config = &redis->config;
    const struct cv_connect_options options = {.host = config->path ? config->path : config->host,
                                               .port = config->port,
                                               .is_unix = config->path != NULL,
                                               .timeout = CV_REDIS_TIMEOUT,
                                               .done = on_connected,
                                               .ctx = redis};
    int rc = cv_connect_start(&redis->connecting, redis->loop, &options);

    redis->state = STATE_CONNECTING;
    if (rc < 0) {
        redis->connecting = NULL;
        fail_code(redis, rc);
        return;
    }
    cv_timer_set(redis->timer, CV_REDIS_PING);
}

int cv_redis_new(struct cv_redis **out, struct cv_loop *loop, struct cv_outbound *outbound,
                 const struct cv_redis_config *config)
{
    struct cv_redis *redis = cv_alloc_zero(&loop->alloc, sizeof(*redis));

    if (!redis)
        return -ENOMEM;
    redis->loop = loop;
    redis->outbound = outbound;
    redis->config = *config;
    if (cv_timer_new(&redis->timer, loop, on_timer, redis) < 0) {
        cv_free(&loop->alloc, redis);
        return -ENOMEM;
    }
    cv_timer_set(redis->timer, 0);
    *out = redis;
    return 0;
}

void cv_redis_free(struct cv_redis *redis)
{
    if (!redis)
        return;
    if (redis->state == STATE_UP && redis->sent == redis->out_len) {
        cv_stream_owner(redis->stream, NULL, NULL);
        cv_linger(redis->loop, redis->stream);
        redis->stream = NULL;
    }
    drop(redis);
    cv_timer_free(redis->timer);
    free(redis->out);
    cv_free(&redis->loop->alloc, redis);
}
