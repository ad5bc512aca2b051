/* Connections that are open from end to end and silent. */

#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* One byte there and back shows that the connection reaches the target. */
static int open_one(uint16_t port, int *out)
{
    char back = '\0';

    *out = cv_load_connect(port);
    if (*out < 0 || cv_load_send_all(*out, "ECHO\n.", 6) != 0)
        return -1;
    return recv(*out, &back, 1, 0) == 1 && back == '.' ? 0 : -1;
}

/* One that was held still carries a byte there and back. */
static bool still_carries(int fd)
{
    char back = '\0';

    return cv_load_is_open(fd) && cv_load_send_all(fd, "!", 1) == 0 &&
           recv(fd, &back, 1, 0) == 1 && back == '!';
}

int cv_load_hold(const struct cv_load_options *options)
{
    static int held[CV_LOAD_CONNS_MAX];
    uint64_t start = cv_load_now();
    unsigned lost = 0;

    for (unsigned i = 0; i < options->conns; i++) {
        if (open_one(options->port, &held[i]) != 0) {
            fprintf(stderr, "load: hold: connection %u: %s\n", i + 1, strerror(errno));
            return 1;
        }
    }
    printf("{\"held\": %u, \"seconds\": %.6f}\n", options->conns,
           (double)(cv_load_now() - start) / (double)CV_LOAD_NS);
    fflush(stdout);
    cv_load_wait_for_end();
    for (unsigned i = 0; i < options->conns; i++)
        lost += still_carries(held[i]) ? 0 : 1;
    printf("{\"lost\": %u}\n", lost);
    if (lost > 0)
        fprintf(stderr, "load: hold: %u of %u connections were lost\n", lost, options->conns);
    return lost > 0 ? 1 : 0;
}
