#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/directory.h"

#define TIMEOUT   (2 * CV_SEC) /* as CV_REDIS_TIMEOUT */
#define RETRY_MAX (1500 * CV_MSEC)

static void parcel_free(struct dir_parcel *parcel)
{
    cv_list_remove(&parcel->link);
    free(parcel->answer);
    for (size_t i = 0; i < parcel->argc; i++)
        free(parcel->argv[i]);
    free(parcel);
}

static uint64_t delay(struct dir *d)
{
    return sim_below(&d->w, d->w.healed ? 2 * CV_MSEC : d->slowest);
}

static struct dir_parcel *parcel_new(struct dir *d, struct cv_list *queue, uint64_t *last)
{
    struct dir_parcel *parcel = calloc(1, sizeof(*parcel));
    uint64_t at = d->w.now + delay(d);

    if (!parcel)
        abort();
    *last = parcel->at = at > *last ? at : *last; /* a stream keeps its order */
    cv_list_push_back(queue, &parcel->link);
    return parcel;
}

static void lose(struct dir_pipe *pipe)
{
    struct dir *d = pipe->server->dir;
    struct cv_list *queues[] = {&pipe->out, &pipe->in};

    for (size_t i = 0; i < 2; i++)
        cv_list_each_safe (link, queues[i])
            parcel_free(cv_container_of(link, struct dir_parcel, link));
    redis_model_leave(&d->redis, pipe);
    pipe->again_at = d->w.now + sim_below(&d->w, RETRY_MAX);
    if (!pipe->up)
        return;
    pipe->up = false;
    if (pipe->server->core && pipe->watch)
        cv_directory_watch_down(pipe->server->core);
    else if (pipe->server->core)
        cv_directory_down(pipe->server->core, d->w.now);
}

static bool is_reachable(const struct dir_server *s)
{
    const struct dir *d = s->dir;

    return d->w.now >= s->cut_until && d->w.now >= d->redis_down_until &&
           d->w.now >= d->redis_frozen_until;
}

static void connect(struct dir_pipe *pipe)
{
    struct dir *d = pipe->server->dir;

    if (!is_reachable(pipe->server)) {
        pipe->again_at = d->w.now + sim_below(&d->w, RETRY_MAX);
        return;
    }
    pipe->up = true;
    pipe->awaited = 0;
    pipe->last_in = pipe->last_out = d->w.now;
    if (pipe->watch)
        cv_directory_watch_up(pipe->server->core);
    else
        cv_directory_up(pipe->server->core, d->w.now);
}

/* The server's end. */

static void receive(struct dir_pipe *pipe)
{
    struct dir_server *s = pipe->server;
    uint64_t now = s->dir->w.now;

    cv_list_each_safe (link, &pipe->in) {
        struct dir_parcel *parcel = cv_container_of(link, struct dir_parcel, link);
        const struct cv_reply *reply = &parcel->answer->reply;
        bool message = pipe->watch && strcmp(reply->items[0].text, "message") == 0;
        int rc;

        if (parcel->at > now)
            return;
        pipe->heard_at = now;
        pipe->awaited -= !message;
        rc = pipe->watch ? cv_directory_heard(s->core, reply)
                         : cv_directory_reply(s->core, reply, now);
        if (rc < 0)
            sim_fail(&s->dir->w, "server %u: an answer is refused: %d", s->index, rc);
        parcel_free(parcel);
    }
}

static void send_one(struct dir_pipe *pipe, const struct cv_command *command)
{
    struct dir *d = pipe->server->dir;
    struct dir_parcel *parcel = parcel_new(d, &pipe->out, &pipe->last_out);

    parcel->argc = command->argc;
    for (size_t i = 0; i < command->argc; i++)
        parcel->argv[i] = strdup(command->argv[i]);
    if (pipe->awaited++ == 0)
        pipe->heard_at = d->w.now;
    sim_wake(&d->redis_actor, parcel->at);
}

static uint64_t pipe_deadline(const struct dir_pipe *pipe)
{
    uint64_t at = CV_NEVER;

    if (!pipe->up)
        return pipe->again_at;
    if (!cv_list_empty(&pipe->in))
        at = cv_container_of(pipe->in.next, struct dir_parcel, link)->at;
    return pipe->awaited ? cv_min_time(at, pipe->heard_at + TIMEOUT) : at;
}

static void pipe_run(struct dir_pipe *pipe)
{
    uint64_t now = pipe->server->dir->w.now;

    if (pipe->up)
        receive(pipe);
    if (pipe->up && pipe->awaited && now >= pipe->heard_at + TIMEOUT)
        lose(pipe);
    else if (!pipe->up && now >= pipe->again_at)
        connect(pipe);
}

static void drain(struct dir_server *s)
{
    struct cv_command command;

    while (cv_directory_next(s->core, s->dir->w.now, &command))
        send_one(&s->pipes[0], &command);
    while (cv_directory_watch_next(s->core, &command))
        send_one(&s->pipes[1], &command);
}

void dir_server_run(struct dir_server *s)
{
    struct dir *d = s->dir;
    uint64_t at;

    if (!s->core) {
        if (d->w.now >= s->starts_at)
            dir_server_start(s);
        else
            sim_wake(&s->actor, s->starts_at);
        return;
    }
    pipe_run(&s->pipes[0]);
    pipe_run(&s->pipes[1]);
    cv_directory_tick(s->core, d->w.now);
    dir_dials_run(s);
    drain(s);
    at = cv_directory_deadline(s->core, d->w.now);
    at = cv_min_time(at, pipe_deadline(&s->pipes[0]));
    at = cv_min_time(at, pipe_deadline(&s->pipes[1]));
    sim_wake(&s->actor, cv_min_time(at, dir_dials_deadline(s)));
}

static void run_server(struct sim_actor *actor)
{
    dir_server_run(cv_container_of(actor, struct dir_server, actor));
}

void dir_server_start(struct dir_server *s)
{
    struct dir *d = s->dir;
    char id[8];
    struct cv_directory_config config = {
        .id = id, .url = "ws://127.0.0.1/connect", .version = "1.0", .incarnation = ++d->runs};

    snprintf(id, sizeof(id), "s%u", s->index);
    s->run = d->runs;
    if (cv_directory_new(&s->core, &d->memory.alloc, &d->random, &config) < 0) {
        s->core = NULL;
        s->starts_at = d->w.now + CV_SEC;
        sim_wake(&s->actor, s->starts_at);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        s->pipes[i].up = false;
        s->pipes[i].again_at = d->w.now + sim_below(&d->w, 100 * CV_MSEC);
    }
    sim_wake(&s->actor, d->w.now);
}

void dir_server_cut(struct dir_server *s)
{
    lose(&s->pipes[0]);
    lose(&s->pipes[1]);
    sim_wake(&s->actor, s->dir->w.now);
}

void dir_server_stop(struct dir_server *s, bool goodbye)
{
    struct dir *d = s->dir;

    if (goodbye) {
        cv_directory_leave(s->core);
        drain(s);
        cv_list_each_safe (link, &s->pipes[0].out) { /* it arrives, as far as Redis takes it */
            struct dir_parcel *parcel = cv_container_of(link, struct dir_parcel, link);

            if (is_reachable(s))
                free(redis_model_run(&d->redis, d->w.now, NULL, parcel->argc,
                                     (const char *const *)parcel->argv));
        }
    }
    s->pipes[0].up = s->pipes[1].up = false; /* nobody is told */
    dir_server_cut(s);
    cv_directory_free(s->core);
    s->core = NULL;
}

/* Redis. */

static void tell(void *ctx, void *who, const char *channel)
{
    struct dir *d = ctx;
    struct dir_pipe *pipe = who;
    struct dir_parcel *parcel = parcel_new(d, &pipe->in, &pipe->last_in);

    parcel->answer = redis_model_message(channel);
    sim_wake(&pipe->server->actor, parcel->at);
}

/* Executes what has arrived on @pipe; when the next does. */
static uint64_t serve(struct dir *d, struct dir_pipe *pipe)
{
    cv_list_each_safe (link, &pipe->out) {
        struct dir_parcel *parcel = cv_container_of(link, struct dir_parcel, link), *back;
        struct model_answer *answer;

        if (parcel->at > d->w.now)
            return parcel->at;
        answer = redis_model_run(&d->redis, d->w.now, pipe, parcel->argc,
                                 (const char *const *)parcel->argv);
        parcel_free(parcel);
        back = parcel_new(d, &pipe->in, &pipe->last_in);
        back->answer = answer;
        sim_wake(&pipe->server->actor, back->at);
    }
    return CV_NEVER;
}

static void run_redis(struct sim_actor *actor)
{
    struct dir *d = cv_container_of(actor, struct dir, redis_actor);
    uint64_t at = CV_NEVER;

    if (d->w.now < d->redis_frozen_until) {
        sim_wake(actor, d->redis_frozen_until);
        return;
    }
    d->redis.full = d->w.now < d->redis_full_until;
    for (uint32_t i = 0; i < d->server_count; i++)
        for (size_t k = 0; k < 2; k++)
            at = cv_min_time(at, serve(d, &d->servers[i].pipes[k]));
    sim_wake(actor, at);
}

void dir_redis_restart(struct dir *d, uint64_t back_at, bool forgets)
{
    d->redis_down_until = back_at;
    for (uint32_t i = 0; i < d->server_count; i++)
        dir_server_cut(&d->servers[i]);
    if (forgets)
        redis_model_flush(&d->redis);
}

void dir_wire_init(struct dir *d)
{
    redis_model_init(&d->redis);
    d->redis.tell = tell;
    d->redis.ctx = d;
    sim_actor_init(&d->w, &d->redis_actor, run_redis);
    for (uint32_t i = 0; i < d->server_count; i++) {
        struct dir_server *s = &d->servers[i];

        s->dir = d;
        s->index = i;
        cv_list_init(&s->dials);
        for (size_t k = 0; k < 2; k++) {
            s->pipes[k] = (struct dir_pipe){.server = s, .watch = k == 1};
            cv_list_init(&s->pipes[k].in);
            cv_list_init(&s->pipes[k].out);
        }
        sim_actor_init(&d->w, &s->actor, run_server);
        sim_wake(&s->actor, d->w.now);
    }
}
