#ifndef CMD_SERVER_DIRECTORY_PARTS_H
#define CMD_SERVER_DIRECTORY_PARTS_H

/* What the files of the directory share; nobody else includes it. */

#include "directory.h"
#include "links.h"
#include "net/redis.h"
#include "net/timer.h"
#include "server.h"

struct directory {
    struct server *server; /* borrowed */
    struct worker *worker; /* the first; borrowed */
    struct cv_directory *core;
    struct cv_outbound *outbound;
    struct cv_redis *commands, *watch; /* NULL when closed */
    struct cv_timer *timer, *sweeping;
    struct cv_turn_job turn;
    struct links links;
    struct cv_list searches;
    uint8_t digest[CV_TOKEN_DIGEST]; /* of the servers' token; set before workers run */
    uint64_t down_since;
    bool was_up, pumping;
    char why[300], watch_why[300], trouble[200]; /* as they were last logged; "": nothing is */
};

/* Does everything that what was fed led to. What that leads to in its turn asks for it again. */
void directory_pump(struct directory *directory);

/* directory_search.c: the result of a lookup that a visit waited for. */
void directory_woken(struct cv_directory_waiter *waiter);

/* Ends the visits that wait. */
void directory_end_searches(struct directory *directory);

#endif
