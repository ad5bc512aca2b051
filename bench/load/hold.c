/* Connections that are open from end to end and silent. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* One byte there and back shows that the connection reaches the target. */
static int open_one(uint16_t port)
{
    int fd = cv_load_connect(port);
    char back = '\0';

    if (fd < 0 || cv_load_send_all(fd, "ECHO\n.", 6) != 0)
        return -1;
    return recv(fd, &back, 1, 0) == 1 && back == '.' ? 0 : -1;
}

int cv_load_hold(const struct cv_load_options *options)
{
    uint64_t start = cv_load_now();

    for (unsigned i = 0; i < options->conns; i++) {
        if (open_one(options->port) != 0) {
            fprintf(stderr, "load: hold: connection %u: %s\n", i + 1, strerror(errno));
            return 1;
        }
    }
    printf("{\"held\": %u, \"seconds\": %.6f}\n", options->conns,
           (double)(cv_load_now() - start) / (double)CV_LOAD_NS);
    fflush(stdout);
    cv_load_wait_for_end();
    return 0;
}
