#include "world.h"

void on_log(void *data, enum cv_log_level level, const char *line)
{
    (void)data, (void)level;
    fprintf(stderr, "%s\n", line);
}

static void agent_gone(struct cv_agent *agent)
{
    struct world *w = cv_agent_data(agent);

    w->agent = NULL;
    w->closed++;
}

static void dialler_gone(struct cv_dialler *dialler)
{
    struct world *w = cv_dialler_data(dialler);

    w->dialler = NULL;
    w->closed++;
}

void server_gone(struct cv_server *server)
{
    struct world *w = cv_server_data(server);

    w->server = NULL;
    w->closed++;
}

void end_agent(struct world *w)
{
    if (w->agent)
        cv_agent_close(w->agent, agent_gone);
}

void end(struct world *w)
{
    end_agent(w);
    if (w->dialler)
        cv_dialler_close(w->dialler, dialler_gone);
    if (w->server)
        cv_server_close(w->server, 0, server_gone);
}

/* The ends of a connection. */

static void end_when_over(struct world *w)
{
    if (!w->visitor && !w->served)
        end(w);
}

static void visitor_closed(struct cv_connection *c, int error, const char *text)
{
    struct world *w = cv_connection_data(c);

    w->visitor_error = error;
    snprintf(w->visitor_text, sizeof(w->visitor_text), "%s", text);
    w->visitor = NULL;
    end_when_over(w);
}

void served_closed(struct cv_connection *c, int error, const char *text)
{
    struct world *w = cv_connection_data(c);

    (void)text;
    w->served_error = error;
    w->served = NULL;
    end_when_over(w);
}

void visitor_open(struct cv_connection *c)
{
    ((struct world *)cv_connection_data(c))->opened++;
}

void visitor_end(struct cv_connection *c)
{
    ((struct world *)cv_connection_data(c))->ended++;
}

/* Setting up. */

static void on_agent_up(struct cv_agent *agent, const char *url)
{
    struct world *w = cv_agent_data(agent);

    CHECK(strcmp(url, w->url) == 0);
    w->ups++;
}

static void on_agent_down(struct cv_agent *agent, const char *url, int error, const char *text)
{
    struct world *w = cv_agent_data(agent);

    CHECK(strcmp(url, w->url) == 0 && text[0]);
    w->down_error = error;
    w->downs++;
}

static void on_dialler_up(struct cv_dialler *dialler)
{
    struct world *w = cv_dialler_data(dialler);

    w->ups++;
}

static void on_dialler_down(struct cv_dialler *dialler, int error, const char *text)
{
    struct world *w = cv_dialler_data(dialler);

    CHECK(text[0]);
    w->down_error = error;
    w->downs++;
}

static struct cv_remote remote(struct world *w, const char *token)
{
    return (struct cv_remote){.size = sizeof(struct cv_remote),
                              .url = w->url,
                              .token = getenv(token),
                              .ca_file = getenv("PROBE_CA")};
}

void begin(struct world *w)
{
    if (!w->has_loop)
        CHECK(uv_loop_init(&w->loop) == 0);
    w->has_loop = true;
}

void make(struct world *w, const char *url, const char *word, cv_agent_handler *handler)
{
    struct cv_agent_options options = {.size = sizeof(options),
                                       .id = w->id,
                                       .log_level = CV_LOG_DEBUG,
                                       .log = on_log,
                                       .data = w,
                                       .on_up = on_agent_up,
                                       .on_down = on_agent_down};
    struct cv_dialler_options dialling = {.size = sizeof(dialling),
                                          .log_level = CV_LOG_DEBUG,
                                          .log = on_log,
                                          .data = w,
                                          .on_up = on_dialler_up,
                                          .on_down = on_dialler_down};
    struct cv_remote server;

    w->url = url;
    w->word = word;
    if (!w->id[0])
        snprintf(w->id, sizeof(w->id), "probe");
    snprintf(w->target, sizeof(w->target), "%s/My.App:80", w->id);
    begin(w);
    CHECK(cv_agent_new(&w->agent, &w->loop, &options) == 0);
    if (handler)
        CHECK(cv_agent_handle(w->agent, "my.app:80", handler, w) == 0);
    server = remote(w, "PROBE_AGENT_TOKEN");
    CHECK(cv_agent_connect(w->agent, &server) == 0);
    server = remote(w, "PROBE_VISITOR_TOKEN");
    CHECK(cv_dialler_new(&w->dialler, &w->loop, &server, &dialling) == 0);
    w->made += 2;
}

/* Runs the loop until both sessions stand. */
void stand(struct world *w)
{
    while (w->ups < 2)
        CHECK(uv_run(&w->loop, UV_RUN_ONCE) != 0);
}

void dial(struct world *w, const char *target, struct cv_connection_callbacks *calls)
{
    calls->size = sizeof(*calls);
    if (!calls->on_close)
        calls->on_close = visitor_closed;
    if (w->by_server)
        CHECK(cv_server_dial(&w->visitor, w->server, target, calls, w) == 0);
    else
        CHECK(cv_dial(&w->visitor, w->dialler, target, calls, w) == 0);
    CHECK(strcmp(cv_connection_target(w->visitor), target) == 0);
}

/* Runs until everything has ended by itself. */
void finish(struct world *w)
{
    uv_run(&w->loop, UV_RUN_DEFAULT);
    fprintf(stderr, "visitor: %d \"%s\", served: %d; sent %zu, received %zu\n", w->visitor_error,
            w->visitor_text, w->served_error, w->sent, w->received);
    CHECK(w->closed == w->made);
    CHECK(uv_loop_close(&w->loop) == 0);
}
