#include "net/turn.h"

void cv_turn_run(struct cv_turn *turn)
{
    struct cv_list now;

    if (cv_list_empty(&turn->jobs))
        return;
    /* what a job asks for anew waits for the next turn, so that sockets get theirs in between */
    cv_list_init(&now);
    cv_list_push_back(&turn->jobs, &now);
    cv_list_remove(&turn->jobs);
    cv_list_init(&turn->jobs);
    for (struct cv_list *link; (link = cv_list_pop(&now));) {
        struct cv_turn_job *job = cv_container_of(link, struct cv_turn_job, link);

        job->run(job);
    }
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is its work: the loop polls without waiting */
}

static void settle(struct cv_turn *turn)
{
    cv_turn_run(turn);
    if (cv_list_empty(&turn->jobs))
        uv_idle_stop(&turn->idle);
    else
        uv_idle_start(&turn->idle, on_idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
    settle(cv_container_of(prepare, struct cv_turn, prepare));
}

static void on_check(uv_check_t *check)
{
    settle(cv_container_of(check, struct cv_turn, check));
}

void cv_turn_init(struct cv_turn *turn, uv_loop_t *loop)
{
    cv_list_init(&turn->jobs);
    uv_idle_init(loop, &turn->idle);
    uv_prepare_init(loop, &turn->prepare);
    uv_check_init(loop, &turn->check);
    uv_prepare_start(&turn->prepare, on_prepare);
    uv_check_start(&turn->check, on_check);
    uv_unref((uv_handle_t *)&turn->prepare);
    uv_unref((uv_handle_t *)&turn->check);
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct cv_turn *turn = cv_container_of(handle, struct cv_turn, idle);

    turn->closed(turn);
}

/* What closes from here on does so one turn later than what was closed with it. */
static void on_prepare_closed(uv_handle_t *handle)
{
    struct cv_turn *turn = cv_container_of(handle, struct cv_turn, prepare);

    uv_close((uv_handle_t *)&turn->idle, on_idle_closed);
}

void cv_turn_close(struct cv_turn *turn, void (*closed)(struct cv_turn *turn))
{
    if (uv_is_closing((uv_handle_t *)&turn->prepare))
        return;
    turn->closed = closed;
    uv_idle_stop(&turn->idle);
    uv_close((uv_handle_t *)&turn->check, NULL);
    uv_close((uv_handle_t *)&turn->prepare, closed ? on_prepare_closed : NULL);
    if (!closed)
        uv_close((uv_handle_t *)&turn->idle, NULL);
}

void cv_turn_job_init(struct cv_turn_job *job, void (*run)(struct cv_turn_job *job))
{
    cv_list_init(&job->link);
    job->run = run;
}

void cv_turn_add(struct cv_turn *turn, struct cv_turn_job *job)
{
    if (cv_list_empty(&job->link))
        cv_list_push_back(&turn->jobs, &job->link);
}

void cv_turn_cancel(struct cv_turn_job *job)
{
    cv_list_remove(&job->link);
}
