#ifndef CMD_SERVER_COUNTS_H
#define CMD_SERVER_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "door/failure.h"
#include "net/ending.h"
#include "net/shed.h"

/* What a worker counts besides what its sessions do. Counters never go back. */

/* Statuses that requests are refused with; any other counts as the last. */
#define COUNTS_THEIR_FAULT(X) \
    X(400) X(401) X(403) X(404) X(405) X(408) X(413) X(414) X(426) X(429) X(431)
#define COUNTS_NOT_THEIRS(X) X(500) X(502) X(503) X(504) X(505)
#define COUNTS_STATUSES(X)   COUNTS_THEIR_FAULT(X) COUNTS_NOT_THEIRS(X)

enum {
#define X(status) COUNTS_STATUS_##status,
    COUNTS_STATUSES(X)
#undef X
        COUNTS_STATUS_OTHER,
    COUNTS_STATUS_COUNT
};

/* How late a loop comes to its timer: bounds in microseconds. */
#define COUNTS_LAG_BOUNDS 10
extern const uint64_t counts_lag_bounds[COUNTS_LAG_BOUNDS];

struct counts_lag {
    uint64_t looks[COUNTS_LAG_BOUNDS + 1];
    uint64_t time; /* of all together, microseconds */
};

struct counts {
    uint64_t joined, left;                  /* sessions */
    uint64_t ended[CV_ENDING_COUNT];        /* sessions, those of visitors too */
    uint64_t refused[COUNTS_STATUS_COUNT];  /* requests at the front door */
    uint64_t answered[COUNTS_STATUS_COUNT]; /* of the HTTP door, by itself */
    uint64_t crowded;                       /* connections over the limits of their address */
    uint64_t strangers;                     /* visitors at doors whose token did not do */
    uint64_t intruders;                     /* at the admin API: without a token that does */
    uint64_t held;                          /* times that the front door took nobody for a while */
    uint64_t looks;                         /* times that it was described for watchers */
    uint64_t failed[CV_FAILURE_COUNT];      /* visits whose target was not had */
    uint64_t shed[CV_SHED_COUNT];           /* of a sum; a loop's own are there: cv_shed() */
};

void counts_add(struct counts *to, const struct counts *from);
void counts_status(uint64_t rows[COUNTS_STATUS_COUNT], int status);
void counts_lag_seen(struct counts_lag *lag, uint64_t late);
void counts_lag_add(struct counts_lag *to, const struct counts_lag *from);

/* "401" of COUNTS_STATUS_401, "other" of the last. */
const char *counts_status_name(size_t row);

#endif
