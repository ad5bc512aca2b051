/* What becomes of an agent, a dialler and a server on one loop when the n-th allocation of ours
 * fails, for each n: everything still ends, and nothing is left. `embed_memory [N]` tries N alone.
 * malloc and its like are wrapped by the linker, in what is ours and not in libuv. */
#include <stdlib.h>

#include "world.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);

static struct {
    long calls, live;
    long fail_at; /* 0: none */
} heap;

static bool fails(void)
{
    return ++heap.calls == heap.fail_at;
}

static void *count(void *block)
{
    heap.live += block != NULL;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t items, size_t size)
{
    return fails() ? NULL : count(__real_calloc(items, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (!old)
        return __wrap_malloc(size);
    return fails() ? NULL : __real_realloc(old, size);
}

void __wrap_free(void *block)
{
    heap.live -= block != NULL;
    __real_free(block);
}

/* The scenario: a visitor's dial, then one of the server's own; each says a word to the agent's
 * handler and hears it again. Whatever fails, all of it ends. */

static void echo(struct cv_connection *c, const void *data, size_t len)
{
    if (cv_connection_write(c, data, len) != (ssize_t)len)
        cv_connection_abort(c, NULL);
}

static void take(struct cv_connection *c, void *data)
{
    const struct cv_connection_callbacks calls = {.size = sizeof(calls), .on_read = echo};

    (void)!cv_connection_accept(c, &calls, data);
}

static void say_word(struct cv_connection *c)
{
    if (cv_connection_write(c, "word", 4) != 4)
        cv_connection_abort(c, NULL);
}

static void hear_word(struct cv_connection *c, const void *data, size_t len)
{
    (void)data;
    ((struct world *)cv_connection_data(c))->received += len;
    cv_connection_close(c);
}

static void dial_next(struct world *w);

static void over(struct cv_connection *c, int error, const char *text)
{
    struct world *w = cv_connection_data(c);

    CHECK(text[0]);
    w->ended++;
    if (error < 0 || w->ended == 2)
        end(w);
    else
        dial_next(w);
}

static void dial_next(struct world *w)
{
    const struct cv_connection_callbacks calls = {
        .size = sizeof(calls), .on_open = say_word, .on_read = hear_word, .on_close = over};
    int rc = w->ended == 0 ? cv_dial(NULL, w->dialler, w->target, &calls, w)
                           : cv_server_dial(NULL, w->server, w->target, &calls, w);

    CHECK(rc == 0 || rc == -ENOMEM);
    if (rc < 0)
        end(w);
}

static void one_up(struct world *w)
{
    if (++w->ups == 2)
        dial_next(w);
}

static void agent_up(struct cv_agent *agent, const char *url)
{
    (void)url;
    one_up(cv_agent_data(agent));
}

static void dialler_up(struct cv_dialler *dialler)
{
    one_up(cv_dialler_data(dialler));
}

static void agent_down(struct cv_agent *agent, const char *url, int error, const char *text)
{
    (void)url, (void)error, (void)text;
    end(cv_agent_data(agent));
}

static void dialler_down(struct cv_dialler *dialler, int error, const char *text)
{
    (void)error, (void)text;
    end(cv_dialler_data(dialler));
}

static int let_in(struct cv_server *server, const struct cv_server_claim *claim)
{
    (void)server, (void)claim;
    return 0;
}

static int allow(struct cv_server *server, const struct cv_server_session *visitor,
                 const char *target)
{
    (void)server, (void)visitor, (void)target;
    return 0;
}

static int make_server(struct world *w)
{
    static const char *const listen[] = {"127.0.0.1:0", NULL};
    const struct cv_server_options options = {
        .size = sizeof(options), .listen = listen, .data = w, .authorize = let_in, .allow = allow};
    int rc = cv_server_new(&w->server, &w->loop, &options);

    if (rc < 0)
        return rc;
    snprintf(w->own_url, sizeof(w->own_url), "ws://%s/connect", cv_server_address(w->server, 0));
    return cv_server_forward(w->server, "127.0.0.1:0", w->target, NULL);
}

static int make_agent(struct world *w, const struct cv_remote *remote)
{
    const struct cv_agent_options options = {.size = sizeof(options),
                                             .id = "probe",
                                             .data = w,
                                             .on_up = agent_up,
                                             .on_down = agent_down};
    int rc = cv_agent_new(&w->agent, &w->loop, &options);

    if (rc == 0)
        rc = cv_agent_handle(w->agent, "my.app:80", take, w);
    if (rc == 0)
        rc = cv_agent_allow(w->agent, "127.0.0.1:22");
    return rc < 0 ? rc : cv_agent_connect(w->agent, remote);
}

static int make_all(struct world *w)
{
    const struct cv_dialler_options options = {
        .size = sizeof(options), .data = w, .on_up = dialler_up, .on_down = dialler_down};
    const struct cv_remote remote = {.size = sizeof(remote), .url = w->own_url, .token = "a-token"};
    int rc;

    snprintf(w->target, sizeof(w->target), "probe/my.app:80");
    rc = make_server(w);
    if (rc == 0)
        rc = make_agent(w, &remote);
    return rc < 0 ? rc : cv_dialler_new(&w->dialler, &w->loop, &remote, &options);
}

/* Nothing is waited for that long: something is waited for in vain. */
static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    fprintf(stderr, "it does not end when allocation %ld fails\n", heap.fail_at);
    abort();
}

/* Whether the scenario came to its good end. */
static bool run(long fail_at)
{
    struct world w = {.word = ""};
    int rc;

    heap.calls = 0;
    heap.fail_at = fail_at;
    begin(&w);
    uv_timer_init(&w.loop, &w.timer);
    uv_timer_start(&w.timer, on_watchdog, 30000, 0);
    uv_unref((uv_handle_t *)&w.timer);
    rc = make_all(&w);
    CHECK(rc == 0 || rc == -ENOMEM);
    if (rc < 0)
        end(&w);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    heap.fail_at = 0;
    uv_close((uv_handle_t *)&w.timer, NULL);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    CHECK(!w.agent && !w.dialler && !w.server);
    CHECK(uv_loop_close(&w.loop) == 0);
    if (heap.live != 0)
        fprintf(stderr, "allocation %ld fails: %ld blocks are left\n", fail_at, heap.live);
    CHECK(heap.live == 0);
    return w.received == 8;
}

int main(int argc, char **argv)
{
    long good = 0, n = 1;

    CHECK(run(0));
    if (argc > 1)
        return run(strtol(argv[1], NULL, 10)), 0;
    do
        good += run(n);
    while (heap.calls >= n++);
    printf("%ld allocations; %ld times it did without one\n", n - 2, good - 1);
    CHECK(n > 100);
    return 0;
}
