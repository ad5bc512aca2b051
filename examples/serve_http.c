/* An HTTP handler behind a tunnel: `serve_http ws://HOST:PORT/connect demo` answers for my.app:80
 * of the client `demo`. CULVERT_TOKEN is its token, where the server wants one. */
#include <culvert/agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    char head[4096]; /* what has come of it, ended by NUL */
    size_t len;
};

static void on_read(struct cv_connection *connection, const void *data, size_t len)
{
    struct request *request = cv_connection_data(connection);
    char answer[4200];

    if (len >= sizeof(request->head) - request->len) {
        cv_connection_abort(connection, "the request is too long");
        return;
    }
    memcpy(request->head + request->len, data, len);
    request->len += len;
    if (!strstr(request->head, "\r\n\r\n"))
        return;
    snprintf(answer, sizeof(answer), "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n%.*s\n",
             (int)strcspn(request->head, "\r"), request->head);
    cv_connection_write(connection, answer, strlen(answer));
    cv_connection_close(connection);
}

static void on_close(struct cv_connection *connection, int error, const char *text)
{
    free(cv_connection_data(connection));
}

static void on_connection(struct cv_connection *connection, void *data)
{
    struct cv_connection_callbacks calls = {
        .size = sizeof(calls), .on_read = on_read, .on_close = on_close};

    cv_connection_accept(connection, &calls, calloc(1, sizeof(struct request)));
}

int main(int argc, char **argv)
{
    struct cv_remote server = {
        .size = sizeof(server), .url = argv[1], .token = getenv("CULVERT_TOKEN")};
    struct cv_agent_options options = {.size = sizeof(options), .id = argv[2]};
    struct cv_agent *agent;
    int rc = argc == 3 ? cv_agent_new(&agent, uv_default_loop(), &options) : UV_EINVAL;

    if (rc == 0)
        rc = cv_agent_handle(agent, "my.app:80", on_connection, NULL);
    if (rc == 0)
        rc = cv_agent_connect(agent, &server);
    if (rc < 0)
        fprintf(stderr, "serve_http: %s\n", cv_strerror(rc));
    return rc < 0 ? 1 : uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
