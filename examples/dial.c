/* Says something to a target behind an agent: `dial ws://HOST:PORT/connect CLIENT/HOST:PORT TEXT`
 * writes TEXT, and then prints what is answered. */
#include <culvert/dial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed;

static void on_read(struct cv_connection *connection, const void *data, size_t len)
{
    fwrite(data, 1, len, stdout);
}

static void on_close(struct cv_connection *connection, int error, const char *text)
{
    if (error)
        fprintf(stderr, "%s: %s\n", cv_connection_target(connection), text);
    failed = error != 0;
    cv_dialler_close(cv_connection_data(connection), NULL);
}

int main(int argc, char **argv)
{
    struct cv_remote server = {
        .size = sizeof(server), .url = argv[1], .token = getenv("CULVERT_TOKEN")};
    struct cv_connection_callbacks calls = {
        .size = sizeof(calls), .on_read = on_read, .on_close = on_close};
    struct cv_connection *connection;
    struct cv_dialler *dialler;
    int rc = argc == 4 ? cv_dialler_new(&dialler, uv_default_loop(), &server, NULL) : UV_EINVAL;

    if (rc == 0)
        rc = cv_dial(&connection, dialler, argv[2], &calls, dialler);
    if (rc < 0) {
        fprintf(stderr, "%s\n", cv_strerror(rc));
        return 1;
    }
    cv_connection_write(connection, argv[3], strlen(argv[3]));
    cv_connection_shutdown(connection);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return failed;
}
