/* What libculvert promises, each scenario in a process of its own: `probe SCENARIO URL [WORD]`,
 * with an agent and a dialler on one loop and a culvert-server at URL; in those of serve.c the
 * server is on the loop too. Ends with 0 when it holds, and says what does not.
 * tests/integration/test_library.py and test_library_server.py run it. */
#include <culvert/version.h>

#include "world.h"

/* Serves nothing but its end. */
static void serve_quietly(struct cv_connection *c, void *data)
{
    struct cv_connection_callbacks calls = {.size = sizeof(calls), .on_close = served_closed};
    struct world *w = data;

    w->served = c;
    CHECK(cv_connection_accept(c, &calls, w) == 0);
}

/* What nobody allows, or its handler does not take. */

static void refuses(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_open = visitor_open};

    make(w, url, word, NULL);
    stand(w);
    dial(w, "probe/127.0.0.1:1", &calls);
    finish(w);
    CHECK(w->visitor_error == CV_EREMOTE && w->opened == 0);
    CHECK(strstr(w->visitor_text, "not allowed"));
}

static void take_not(struct cv_connection *c, void *data)
{
    (void)c, (void)data;
}

static void declines(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_open = visitor_open};

    make(w, url, word, take_not);
    stand(w);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == CV_EREMOTE && w->opened == 0);
    CHECK(strstr(w->visitor_text, "its handler refused"));
}

/* A target beside the agent, WORD, that a pattern allows; it answers GET as traffic.Target does. */

static void counts(struct cv_connection *c, const void *data, size_t len)
{
    (void)data;
    ((struct world *)cv_connection_data(c))->received += len;
}

static void allows(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_read = counts, .on_end = NULL};
    char target[96];

    make(w, url, word, NULL);
    CHECK(cv_agent_allow(w->agent, "127.0.0.1:*") == 0);
    CHECK(cv_agent_allow(w->agent, "no pattern") == CV_ESYNTAX);
    stand(w);
    snprintf(target, sizeof(target), "probe/%s", word);
    dial(w, target, &calls);
    CHECK(cv_connection_write(w->visitor, "GET 3000000 7\n", 14) == 14);
    finish(w);
    CHECK(w->visitor_error == 0 && w->received == 3000000);
}

/* Errors cross the tunnel. */

static void abort_it(struct cv_connection *c, const void *data, size_t len)
{
    (void)data, (void)len;
    cv_connection_abort(c, "enough of that");
    CHECK(cv_connection_write(c, "x", 1) == -EPIPE);
}

static void serve_abort(struct cv_connection *c, void *data)
{
    struct cv_connection_callbacks calls = {
        .size = sizeof(calls), .on_read = abort_it, .on_close = served_closed};

    ((struct world *)data)->served = c;
    CHECK(cv_connection_accept(c, &calls, data) == 0);
}

static void aborts(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_end = visitor_end};

    make(w, url, word, serve_abort);
    stand(w);
    dial(w, w->target, &calls);
    CHECK(cv_connection_write(w->visitor, "hello", 5) == 5);
    finish(w);
    CHECK(w->visitor_error == CV_EREMOTE);
    CHECK(w->served_error == -ECANCELED && w->ended == 0);
}

/* The agent closes from within a callback, with a connection open. */

static void closes_agent(struct cv_connection *c)
{
    end_agent(cv_connection_data(c));
}

static void closes(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_open = closes_agent};

    make(w, url, word, serve_quietly);
    stand(w);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error != 0 && w->served_error == -ECANCELED && w->served == NULL);
}

/* There is no server: a dial fails with the try that it waited for. */
static void unreachable(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_open = visitor_open};

    make(w, url, word, NULL);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == -ECONNREFUSED && w->downs > 0 && w->down_error == -ECONNREFUSED);
    CHECK(strstr(w->visitor_text, "cannot connect"));
}

/* The tokens are wrong. */
static void denied(struct world *w, const char *url, const char *word)
{
    struct cv_connection_callbacks calls = {.on_open = visitor_open};

    make(w, url, word, NULL);
    while (w->downs == 0)
        CHECK(uv_run(&w->loop, UV_RUN_ONCE) != 0);
    CHECK(w->down_error == CV_EDENIED);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == CV_EDENIED && w->opened == 0);
}

/* The server dies, says the test when it reads `open`; it is found again, and a dial waits for it.
 */

static void say_open(struct cv_connection *c)
{
    struct world *w = cv_connection_data(c);

    w->opened++;
    puts(w->opened == 1 ? "open" : "again");
    fflush(stdout);
    if (w->opened == 2)
        end(w);
}

static void dial_again(struct cv_connection *c, int error, const char *text);

static void dial_once(struct world *w)
{
    struct cv_connection_callbacks calls = {.on_open = say_open, .on_close = dial_again};

    dial(w, w->target, &calls);
}

static void on_retry(uv_timer_t *timer)
{
    dial_once(timer->data);
}

static void dial_again(struct cv_connection *c, int error, const char *text)
{
    struct world *w = cv_connection_data(c);

    if (w->opened == 2) {
        uv_close((uv_handle_t *)&w->timer, NULL);
        return;
    }
    (void)text;
    w->visitor_error = w->visitor_error ? w->visitor_error : error;
    uv_timer_start(&w->timer, on_retry, 20, 0);
}

static void returns(struct world *w, const char *url, const char *word)
{
    make(w, url, word, serve_quietly);
    stand(w);
    uv_timer_init(&w->loop, &w->timer);
    w->timer.data = w;
    dial_once(w);
    finish(w);
    CHECK(w->opened == 2 && w->visitor_error == CV_ELOST && w->downs > 0 && w->ups >= 4);
}

/* What is refused at once, and leaves nothing behind. */
static void mistakes(struct world *w, const char *url, const char *word)
{
    struct cv_agent_options options = {.size = sizeof(options)};
    struct cv_connection_callbacks calls = {.size = 1};
    struct cv_remote server = {.size = sizeof(server), .url = "http://nowhere"};
    struct {
        struct cv_agent_options options;
        void *more;
    } newer = {{.size = sizeof(newer), .id = "probe"}, &newer};

    CHECK(strcmp(cv_version(), CV_VERSION) == 0 &&
          strcmp(cv_strerror(CV_EDENIED), "not allowed") == 0);
    make(w, url, word, serve_quietly);
    CHECK(cv_agent_new(&w->agent, &w->loop, &options) == -EINVAL);
    options.id = "no/key";
    CHECK(cv_agent_new(&w->agent, &w->loop, &options) == CV_EBADKEY);
    options.size = 8;
    CHECK(cv_agent_new(&w->agent, &w->loop, &options) == -EINVAL);
    CHECK(cv_agent_new(&w->agent, &w->loop, &newer.options) == -E2BIG);
    CHECK(cv_agent_connect(w->agent, &server) == CV_ESYNTAX);
    CHECK(cv_agent_handle(w->agent, "MY.app:80", serve_quietly, NULL) == -EEXIST);
    CHECK(cv_agent_handle(w->agent, "my.app", serve_quietly, NULL) == CV_ESYNTAX);
    CHECK(cv_dial(NULL, w->dialler, "probe", &calls, w) == CV_ESYNTAX);
    CHECK(cv_dial(NULL, w->dialler, "probe/udp/127.0.0.1:1", &calls, w) == CV_ESYNTAX);
    CHECK(cv_dial(NULL, w->dialler, "no key/127.0.0.1:1", &calls, w) == CV_EBADKEY);
    CHECK(cv_dial(NULL, w->dialler, "probe/127.0.0.1:1", &calls, w) == -EINVAL);
    CHECK(cv_dialler_new(&w->dialler, &w->loop, &server, NULL) == CV_ESYNTAX);
    end(w);
    calls.size = sizeof(calls);
    CHECK(cv_dial(NULL, w->dialler, "probe/127.0.0.1:1", &calls, w) == CV_ECLOSED);
    finish(w);
}

static const struct {
    const char *name;
    scenario *run;
} scenarios[] = {
    {"bytes", bytes},
    {"pauses", pauses},
    {"refuses", refuses},
    {"declines", declines},
    {"allows", allows},
    {"aborts", aborts},
    {"closes", closes},
    {"leaves", leaves},
    {"drops", drops},
    {"denied", denied},
    {"returns", returns},
    {"unreachable", unreachable},
    {"threads", threads},
    {"mistakes", mistakes},

    {"serves", serves},
    {"two-servers", two_servers},
    {"dials", dials},
    {"strangers", strangers},
    {"limits", limits},
    {"lists", lists},
    {"drains", drains},
    {"hastens", hastens},
    {"wrong-servers", wrong_servers},
    {"hosts", hosts},
    {"acts", acts},
};

int main(int argc, char **argv)
{
    static struct world world;

    CHECK(argc >= 3);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run(&world, argv[2], argc > 3 ? argv[3] : "");
            return 0;
        }
    }
    fprintf(stderr, "no scenario %s\n", argv[1]);
    return 2;
}
