/* Scenarios with a server on the loop. */
#include <signal.h>

#include "world.h"

/* Setting up. */

static int let_in(struct cv_server *server, const struct cv_server_claim *claim)
{
    struct world *w = cv_server_data(server);
    const char *token =
        getenv(claim->role == CV_SERVER_AGENT ? "PROBE_AGENT_TOKEN" : "PROBE_VISITOR_TOKEN");

    CHECK(claim->size == sizeof(*claim) && claim->key[0] && claim->remote[0]);
    w->asked++;
    if (!token)
        return claim->token ? CV_EDENIED : 0;
    return claim->token && strcmp(claim->token, token) == 0 ? 0 : CV_EDENIED;
}

static int allow_all(struct cv_server *server, const struct cv_server_session *visitor,
                     const char *target)
{
    (void)server;
    CHECK(visitor->role == CV_SERVER_VISITOR && visitor->id && target[0]);
    return 0;
}

static void on_join(struct cv_server *server, const struct cv_server_session *session)
{
    struct world *w = cv_server_data(server);

    CHECK(session->size == sizeof(*session) && session->id && session->connections == 0);
    if (session->role == CV_SERVER_AGENT)
        w->agent_session = session->id;
    w->joined++;
}

/* Who leaves is listed no more. */
static void look_past(void *data, const struct cv_server_session *session)
{
    const struct cv_server_session *leaving = data;

    CHECK(session->id != leaving->id);
}

static void on_leave(struct cv_server *server, const struct cv_server_session *session, int error,
                     const char *text)
{
    struct world *w = cv_server_data(server);

    CHECK(session->id && error < 0 && text[0]);
    CHECK(cv_server_end_session(server, session->id) == CV_ESTALE);
    cv_server_each(server, look_past, (void *)session);
    w->left++;
}

static const char *const anywhere[] = {"127.0.0.1:0", NULL};

static struct cv_server_options usual(struct world *w)
{
    return (struct cv_server_options){.size = sizeof(struct cv_server_options),
                                      .listen = anywhere,
                                      .cert_file = getenv("PROBE_CERT"),
                                      .key_file = getenv("PROBE_KEY"),
                                      .log_level = CV_LOG_DEBUG,
                                      .log = on_log,
                                      .data = w,
                                      .authorize = let_in,
                                      .allow = allow_all,
                                      .on_join = on_join,
                                      .on_leave = on_leave};
}

static const char *serve(struct world *w, const struct cv_server_options *options)
{
    begin(w);
    CHECK(cv_server_new(&w->server, &w->loop, options) == 0);
    CHECK(cv_server_address(w->server, 1) == NULL);
    snprintf(w->own_url, sizeof(w->own_url), "%s://%s/connect", options->cert_file ? "wss" : "ws",
             cv_server_address(w->server, 0));
    w->made++;
    return w->own_url;
}

/* Bytes. */

/* A visitor's session and an agent's, both at the server of this program. */
void serves(struct world *w, const char *url, const char *word)
{
    const struct cv_server_options options = usual(w);

    (void)url;
    bytes(w, serve(w, &options), word);
    CHECK(w->joined == 2 && w->left == 2 && w->asked == 2);
}

/* The server's own dials. */
void dials(struct world *w, const char *url, const char *word)
{
    const struct cv_server_options options = usual(w);

    (void)url;
    w->by_server = true;
    bytes(w, serve(w, &options), word);
}

static void run_one(void *arg)
{
    struct world *w = calloc(1, sizeof(*w));

    snprintf(w->id, sizeof(w->id), "%s", (const char *)arg);
    serves(w, NULL, "");
    free(w);
}

void two_servers(struct world *w, const char *url, const char *word)
{
    char ids[2][4] = {"one", "two"};
    uv_thread_t thread[2];

    (void)w, (void)url, (void)word;
    for (int i = 0; i < 2; i++)
        CHECK(uv_thread_create(&thread[i], run_one, ids[i]) == 0);
    for (int i = 0; i < 2; i++)
        uv_thread_join(&thread[i]);
}

/* Who may come in. */

/* An agent is refused for good, a visitor for now; with a word, by what is no code. */
static int let_nobody_in(struct cv_server *server, const struct cv_server_claim *claim)
{
    struct world *w = cv_server_data(server);
    char value[4];

    CHECK(claim->subject == NULL);
    if (claim->role == CV_SERVER_VISITOR)
        return w->word[0] ? 1 : -EAGAIN;
    CHECK(cv_server_header(claim, "x-tunnel-id", value, sizeof(value)) == 5);
    CHECK(strcmp(value, "pro") == 0);
    CHECK(cv_server_header(claim, "X-Nothing", value, sizeof(value)) == -ENOENT && !value[0]);
    w->asked++;
    return CV_EDENIED;
}

void strangers(struct world *w, const char *url, const char *word)
{
    struct cv_server_options options = usual(w);
    struct cv_connection_callbacks calls = {.on_open = visitor_open};

    (void)url;
    options.authorize = let_nobody_in;
    make(w, serve(w, &options), word, NULL);
    while (w->asked == 0 || w->down_error != CV_EDENIED)
        CHECK(uv_run(&w->loop, UV_RUN_ONCE) != 0);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == CV_EREMOTE && strstr(w->visitor_text, "503"));
    CHECK(w->joined == 0 && w->left == 0 && w->opened == 0);
}

/* What a visitor may dial, and what is not there. */

static int allow_some(struct cv_server *server, const struct cv_server_session *visitor,
                      const char *target)
{
    (void)server, (void)visitor;
    if (strcmp(target, "probe/unix//run/secret") == 0)
        return -EPERM;
    if (strcmp(target, "nobody/127.0.0.1:2") == 0)
        return 1; /* no code, and no yes */
    return strcmp(target, "probe/127.0.0.1:1") == 0 ? CV_EDENIED : 0;
}

static const struct attempt {
    const char *target, *text;
    int error; /* of the server's own dial */
} attempts[] = {
    {"probe/tcp/127.0.0.1:1", "not allowed", CV_EREMOTE},
    {"probe/unix//run/secret", "not permitted", CV_EREMOTE},
    {"nobody/127.0.0.1:1", "no session of that client", CV_ENOSESSION},
    {"nobody/127.0.0.1:2", "not allowed", CV_ENOSESSION},
    {"probe/127.0.0.1:2", "not allowed by the agent", CV_EREMOTE},
};

static void attempt_closed(struct cv_connection *c, int error, const char *text);

static void try_next(struct world *w)
{
    struct cv_connection_callbacks calls = {.on_close = attempt_closed};

    if (w->ended < (int)(sizeof(attempts) / sizeof(attempts[0])))
        dial(w, attempts[w->ended].target, &calls);
    else
        end(w);
}

static void attempt_closed(struct cv_connection *c, int error, const char *text)
{
    struct world *w = cv_connection_data(c);
    const struct attempt *attempt = &attempts[w->ended++];

    fprintf(stderr, "%s: %d %s\n", attempt->target, error, text);
    CHECK(error == (w->by_server ? attempt->error : CV_EREMOTE));
    CHECK(w->by_server || strstr(text, attempt->text));
    try_next(w);
}

void limits(struct world *w, const char *url, const char *word)
{
    struct cv_server_options options = usual(w);

    (void)url;
    options.allow = allow_some;
    w->by_server = strcmp(word, "own") == 0;
    make(w, serve(w, &options), "", NULL);
    stand(w);
    try_next(w);
    finish(w);
}

/* What stands, and its end by the program. */

static void look_at(void *data, const struct cv_server_session *session)
{
    struct world *w = data;

    CHECK(session->size == sizeof(*session) && session->culvert && session->remote[0]);
    if (session->role == CV_SERVER_AGENT)
        CHECK(session->id == w->agent_session && strcmp(session->key, "probe") == 0);
    w->seen++;
}

void lists(struct world *w, const char *url, const char *word)
{
    struct cv_server_options options = usual(w);

    (void)url;
    options.max_sessions = 2;
    make(w, serve(w, &options), word, NULL);
    stand(w);
    cv_server_each(w->server, look_at, w);
    CHECK(w->seen == 2 && w->joined == 2);
    CHECK(cv_server_end_session(w->server, w->agent_session + 9) == CV_ESTALE);
    CHECK(cv_server_end_session(w->server, w->agent_session) == 0);
    while (w->ups < 3) /* it comes back, for which there is room again */
        CHECK(uv_run(&w->loop, UV_RUN_ONCE) != 0);
    CHECK(w->left == 1 && w->joined == 3 && w->downs == 1 && w->down_error == CV_ECLOSED);
    end(w);
    finish(w);
    CHECK(w->left == 3);
}

/* The end. */

static void visitor_over(struct cv_connection *c, int error, const char *text)
{
    (void)text;
    ((struct world *)cv_connection_data(c))->visitor_error = error;
}

static void served_over(struct cv_connection *c, int error, const char *text)
{
    (void)text;
    ((struct world *)cv_connection_data(c))->served_error = error;
}

static void last_gone(struct cv_server *server)
{
    struct world *w = cv_server_data(server);

    server_gone(server);
    end(w);
}

static void say(struct cv_connection *c)
{
    struct world *w = cv_connection_data(c);

    CHECK(cv_connection_write(c, "hello", 5) == 5);
    cv_server_close(w->server, 600000, last_gone);
    CHECK(cv_server_dial(NULL, w->server, w->target, &(struct cv_connection_callbacks){0}, w) ==
          CV_ECLOSED);
}

static void count_and_close(struct cv_connection *c, const void *data, size_t len)
{
    struct world *w = cv_connection_data(c);

    (void)data;
    w->received += len;
    if (w->received < 5)
        return;
    CHECK(cv_server_address(w->server, 0) == NULL && w->left == 1);
    cv_connection_close(c);
}

/* The other end says its word when nothing but it holds the server. */

static void answer_late(uv_timer_t *timer)
{
    struct world *w = timer->data;

    if (w->left < 1) /* the dialler's session, which has no connection */
        return;
    uv_close((uv_handle_t *)timer, NULL);
    CHECK(cv_connection_write(w->served, "world", 5) == 5);
}

static void wait_for_leave(struct cv_connection *c, const void *data, size_t len)
{
    struct world *w = cv_connection_data(c);

    (void)data, (void)len;
    uv_timer_init(&w->loop, &w->timer);
    w->timer.data = w;
    uv_timer_start(&w->timer, answer_late, 5, 5);
}

static void serve_late(struct cv_connection *c, void *data)
{
    struct cv_connection_callbacks calls = {
        .size = sizeof(calls), .on_read = wait_for_leave, .on_close = served_over};

    ((struct world *)data)->served = c;
    CHECK(cv_connection_accept(c, &calls, data) == 0);
}

/* What runs may end by itself; who has nothing that runs is told to go at once. */
void drains(struct world *w, const char *url, const char *word)
{
    const struct cv_server_options options = usual(w);
    struct cv_connection_callbacks calls = {
        .on_open = say, .on_read = count_and_close, .on_close = visitor_over};

    (void)url;
    w->by_server = true;
    make(w, serve(w, &options), word, serve_late);
    stand(w);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->received == 5 && w->visitor_error == 0 && w->served_error == 0);
    CHECK(w->joined == 2 && w->left == 2 && w->downs >= 2);
}

static void hurry(struct cv_connection *c)
{
    struct world *w = cv_connection_data(c);

    cv_server_close(w->server, 600000, last_gone);
    cv_server_close(w->server, w->word[0] ? strtoul(w->word, NULL, 10) : 0, NULL);
}

static void serve_nothing(struct cv_connection *c, void *data)
{
    struct cv_connection_callbacks calls = {.size = sizeof(calls), .on_close = served_over};

    ((struct world *)data)->served = c;
    CHECK(cv_connection_accept(c, &calls, data) == 0);
}

/* The deadline comes, while a connection stands that nobody ends. */
void hastens(struct world *w, const char *url, const char *word)
{
    const struct cv_server_options options = usual(w);
    struct cv_connection_callbacks calls = {.on_open = hurry, .on_close = visitor_over};

    (void)url;
    w->by_server = true;
    make(w, serve(w, &options), word, serve_nothing);
    stand(w);
    dial(w, w->target, &calls);
    finish(w);
    CHECK(w->visitor_error == -ECANCELED && w->served_error != 0 && w->left == 2);
}

/* The end from within a callback: of all, or with `end-` of each session. */

static void end_it(void *data, const struct cv_server_session *session)
{
    CHECK(cv_server_end_session(data, session->id) == 0);
    CHECK(cv_server_end_session(data, session->id) == 0); /* it is still leaving */
}

static void act(struct cv_server *server, const char *where)
{
    struct world *w = cv_server_data(server);
    bool each = strncmp(w->word, "end-", 4) == 0;

    if (strcmp(w->word + (each ? 4 : 0), where) != 0 || w->acted++)
        return;
    if (each)
        cv_server_each(server, end_it, server);
    end(w);
    end(w);
}

static int act_on_claim(struct cv_server *server, const struct cv_server_claim *claim)
{
    (void)claim;
    act(server, "authorize");
    return 0;
}

static int act_on_dial(struct cv_server *server, const struct cv_server_session *visitor,
                       const char *target)
{
    act(server, "allow");
    return allow_all(server, visitor, target);
}

static void act_on_join(struct cv_server *server, const struct cv_server_session *session)
{
    on_join(server, session);
    act(server, "join");
}

static void act_on_leave(struct cv_server *server, const struct cv_server_session *session,
                         int error, const char *text)
{
    on_leave(server, session, error, text);
    act(server, "leave");
}

static void act_on_log(void *data, enum cv_log_level level, const char *line)
{
    struct world *w = data;

    on_log(data, level, line);
    if (w->server && strstr(line, "session "))
        act(w->server, "log");
}

static void act_on_close(struct cv_connection *c, int error, const char *text)
{
    struct world *w = cv_connection_data(c);

    (void)error, (void)text;
    if (w->server)
        act(w->server, "over");
}

void acts(struct world *w, const char *url, const char *word)
{
    struct cv_server_options options = usual(w);
    struct cv_connection_callbacks calls = {.on_close = act_on_close};

    (void)url;
    w->word = word;
    options.authorize = act_on_claim;
    options.allow = act_on_dial;
    options.on_join = act_on_join;
    options.on_leave = act_on_leave;
    options.log = act_on_log;
    make(w, serve(w, &options), word, serve_nothing);
    while (w->ups < 2 && !w->acted)
        CHECK(uv_run(&w->loop, UV_RUN_ONCE) != 0);
    if (!w->acted) {
        dial(w, w->target, &calls);
        if (strstr(word, "leave"))
            CHECK(cv_server_end_session(w->server, w->agent_session) == 0);
        else if (strstr(word, "over"))
            cv_connection_abort(w->visitor, NULL);
    }
    finish(w);
    CHECK(w->acted && w->joined == w->left);
}

/* What is refused at once, and leaves nothing behind. */
void wrong_servers(struct world *w, const char *url, const char *word)
{
    static const char *const odd[] = {"127.0.0.1:0", "no address", NULL};
    static const char *const none[] = {NULL};
    struct cv_server_options options = usual(w);
    struct cv_connection_callbacks calls = {.size = sizeof(calls)};
    struct cv_server *server;
    const char *taken[] = {NULL, NULL};

    (void)url, (void)word;
    options.cert_file = options.key_file = NULL;
    serve(w, &options);
    taken[0] = cv_server_address(w->server, 0);
    CHECK(cv_server_reload_certificate(w->server) == 0);
    CHECK(cv_server_dial(NULL, w->server, "probe", &calls, w) == CV_ESYNTAX);
    CHECK(cv_server_dial(NULL, w->server, "probe/udp/127.0.0.1:1", &calls, w) == CV_ESYNTAX);
    CHECK(cv_server_dial(NULL, w->server, "no key/127.0.0.1:1", &calls, w) == CV_EBADKEY);
    CHECK(cv_server_dial(NULL, w->server, "probe/127.0.0.1:1", NULL, w) == -EINVAL);
    CHECK(cv_server_forward(w->server, taken[0], "probe/127.0.0.1:1", NULL) == -EADDRINUSE);
    CHECK(cv_server_forward(w->server, "nowhere", "probe/127.0.0.1:1", NULL) == CV_ESYNTAX);
    CHECK(cv_server_forward(w->server, "127.0.0.1:0", "probe", NULL) == CV_ESYNTAX);
    CHECK(cv_server_forward(w->server, "127.0.0.1:0", "probe/127.0.0.1:1", NULL) == 0);
    options.listen = taken;
    CHECK(cv_server_new(&server, &w->loop, &options) == -EADDRINUSE);
    options.listen = odd;
    CHECK(cv_server_new(&server, &w->loop, &options) == CV_ESYNTAX);
    options.listen = none;
    CHECK(cv_server_new(&server, &w->loop, &options) == -EINVAL);
    options.listen = anywhere;
    options.cert_file = "/nowhere";
    CHECK(cv_server_new(&server, &w->loop, &options) == CV_ESYNTAX);
    options.key_file = "/nowhere";
    CHECK(cv_server_new(&server, &w->loop, &options) == -ENOENT);
    options.authorize = NULL;
    CHECK(cv_server_new(&server, &w->loop, &options) == -EINVAL);
    options.size = 8;
    CHECK(cv_server_new(&server, &w->loop, &options) == -EINVAL);
    end(w);
    finish(w);
}

/* A server for others: says where it is, who comes and who goes, until SIGTERM. */

static void say_session(const char *what, const struct cv_server_session *session, const char *text)
{
    printf("%s %s %s %s%s: %s\n", what, session->role == CV_SERVER_AGENT ? "agent" : "visitor",
           session->key, session->version ? session->version : "-",
           session->culvert ? " culvert" : "", text);
    fflush(stdout);
}

static void say_join(struct cv_server *server, const struct cv_server_session *session)
{
    (void)server;
    say_session("join", session, session->remote);
}

static void say_leave(struct cv_server *server, const struct cv_server_session *session, int error,
                      const char *text)
{
    (void)server, (void)error;
    say_session("leave", session, text);
}

static int allow_word(struct cv_server *server, const struct cv_server_session *visitor,
                      const char *target)
{
    const struct world *w = cv_server_data(server);

    (void)visitor;
    return w->word[0] && strstr(target, w->word) == NULL ? CV_EDENIED : 0;
}

static void on_term(uv_signal_t *handle, int number)
{
    struct world *w = handle->data;

    (void)number;
    uv_close((uv_handle_t *)handle, NULL);
    cv_server_close(w->server, 2000, server_gone);
}

/* A limit that the test sets; 0: it does not. */
static uint32_t limit(const char *name)
{
    const char *value = getenv(name);

    return value ? (uint32_t)strtoul(value, NULL, 10) : 0;
}

void hosts(struct world *w, const char *url, const char *word)
{
    const char *const listen[] = {getenv("PROBE_LISTEN"), NULL};
    struct cv_server_options options = usual(w);
    uv_signal_t term = {.data = w};
    const char *where;

    (void)url;
    w->word = word;
    if (listen[0])
        options.listen = listen;
    options.max_sessions = limit("PROBE_MAX_SESSIONS");
    options.max_conns_per_address = limit("PROBE_MAX_PER_ADDRESS");
    options.allow = allow_word;
    options.on_join = say_join;
    options.on_leave = say_leave;
    printf("url %s\n", serve(w, &options));
    if (getenv("PROBE_FORWARD")) {
        CHECK(cv_server_forward(w->server, "127.0.0.1:0", getenv("PROBE_FORWARD"), &where) == 0);
        printf("forward %s\n", where);
    }
    fflush(stdout);
    uv_signal_init(&w->loop, &term);
    uv_signal_start(&term, on_term, SIGTERM);
    finish(w);
}
