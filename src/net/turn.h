#ifndef CV_NET_TURN_H
#define CV_NET_TURN_H

#include <uv.h>

#include "base/list.h"

/* Work that is done once at the end of a turn of the loop, however often it was asked for in the
 * turn: sending what many events left to send. */
struct cv_turn {
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* runs while jobs wait, so that the loop does not sleep over them */
    struct cv_list jobs;
    void (*closed)(struct cv_turn *turn);
};

struct cv_turn_job {
    struct cv_list link;
    void (*run)(struct cv_turn_job *job);
};

void cv_turn_init(struct cv_turn *turn, uv_loop_t *loop);

/* Closes the handles; run the loop once more before it is closed. A second call does nothing.
 * @closed (NULL: nobody waits) is called when these, and all that were closed before, are gone. */
void cv_turn_close(struct cv_turn *turn, void (*closed)(struct cv_turn *turn));

void cv_turn_job_init(struct cv_turn_job *job, void (*run)(struct cv_turn_job *job));

/* Runs the job at the end of this turn, or of the next when asked for by a job that runs. */
void cv_turn_add(struct cv_turn *turn, struct cv_turn_job *job);
void cv_turn_cancel(struct cv_turn_job *job);

/* Runs what waits, now: for the end of a loop that does not turn any more. */
void cv_turn_run(struct cv_turn *turn);

#endif
