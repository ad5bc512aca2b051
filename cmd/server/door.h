#ifndef CMD_SERVER_DOOR_H
#define CMD_SERVER_DOOR_H

#include "config/server.h"
#include "http/gate.h"
#include "http/usher.h"
#include "net/listener.h"

struct worker;

/* One --socks or --http-proxy at work, at one worker. */
struct door {
    struct worker *worker;        /* borrowed */
    struct cv_gate *gate;         /* NULL when it takes in no more */
    struct cv_listener *listener; /* NULL where the first worker listens for all */
    struct cv_usher *usher;       /* NULL where nobody comes by a proxy */
    char *name;                   /* owned; visits borrow it */
};

/* All doors of a worker. */
struct doors {
    struct door *at;
    size_t count; /* that are open */
};

/* Opens all that are configured: the first worker's as they are configured, the others' beside
 * those of the first. Returns EXIT_OK, or the code to exit with and a line in @error. */
int doors_open(struct worker *worker, struct cv_config_error *error) CV_MUST_USE;

/* Stops taking visitors in; twice is fine. */
void doors_close(struct worker *worker);

/* When no visit is left. */
void doors_free(struct worker *worker);

#endif
