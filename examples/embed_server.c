/* A server inside a program: `embed_server HOST:PORT LOCAL:PORT CLIENT/HOST:PORT` lets agents in
 * with CULVERT_TOKEN, and leads LOCAL:PORT to a target behind one of them, until Ctrl-C. */
#include <culvert/server.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int authorize(struct cv_server *server, const struct cv_server_claim *claim)
{
    const char *token = cv_server_data(server), *shown = claim->token ? claim->token : "";
    unsigned char differ = !claim->token || strlen(shown) != strlen(token);

    for (size_t i = 0; token[i] && shown[i]; i++) /* to its end, wherever they differ first */
        differ |= (unsigned char)(token[i] ^ shown[i]);
    return differ || claim->role != CV_SERVER_AGENT ? CV_EDENIED : 0;
}

static void on_join(struct cv_server *server, const struct cv_server_session *session)
{
    fprintf(stderr, "%s comes from %s\n", session->key, session->remote);
}

static void on_leave(struct cv_server *server, const struct cv_server_session *session, int error,
                     const char *text)
{
    fprintf(stderr, "%s goes: %s\n", session->key, text);
}

static void on_signal(uv_signal_t *handle, int number)
{
    uv_close((uv_handle_t *)handle, NULL);
    cv_server_close(handle->data, 5000, NULL); /* what runs has five seconds to end */
}

int main(int argc, char **argv)
{
    const char *listen[] = {argv[1], NULL};
    struct cv_server_options options = {.size = sizeof(options),
                                        .listen = listen,
                                        .data = getenv("CULVERT_TOKEN"),
                                        .authorize = authorize,
                                        .on_join = on_join,
                                        .on_leave = on_leave};
    struct cv_server *server;
    uv_signal_t interrupt;
    int rc =
        argc == 4 && options.data ? cv_server_new(&server, uv_default_loop(), &options) : UV_EINVAL;

    if (rc == 0)
        rc = cv_server_forward(server, argv[2], argv[3], NULL);
    if (rc < 0) {
        fprintf(stderr, "embed_server: %s\n", cv_strerror(rc));
        return 1;
    }
    uv_signal_init(uv_default_loop(), &interrupt);
    interrupt.data = server;
    uv_signal_start(&interrupt, on_signal, SIGINT);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
