#ifndef CMD_SERVER_ASK_H
#define CMD_SERVER_ASK_H

#include "worker.h"

/* A question that every worker answers with its part, on its own thread, by mail. Its owner embeds
 * it in what the parts are kept in. */
struct ask {
    struct server *server; /* borrowed */
    unsigned missing;      /* parts */

    /* On @worker's thread: works out part number worker->index. */
    void (*part)(struct ask *ask, struct worker *worker);

    /* On the main thread, when no part is missing: may free the question. */
    void (*done)(struct ask *ask);
    struct ask_mail {
        struct cv_mail mail;
        struct ask *ask;
    } mails[CV_LIMIT_THREADS_MAX];
};

/* Asks, on the main thread; @ask stays where it is until `done`, which may come before this
 * returns. At the end of the server parts may be left out. */
void ask_all(struct ask *ask, struct server *server);

#endif
