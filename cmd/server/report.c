#include "report.h"

#include <stdio.h>

#include "server.h"

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void status(void *ctx, char text[SERVICE_STATUS_SIZE])
{
    const struct server *server = ctx;
    uint64_t conns = atomic_load(&server->conns), agents = atomic_load(&server->agents);

    if (atomic_load(&server->draining))
        snprintf(text, SERVICE_STATUS_SIZE, "draining, %llu connection%s left",
                 (unsigned long long)conns, plural(conns));
    else
        snprintf(text, SERVICE_STATUS_SIZE, "%llu agent%s, %llu connection%s",
                 (unsigned long long)agents, plural(agents), (unsigned long long)conns,
                 plural(conns));
}

/* Back on the main thread. */
static void on_answered(struct cv_mail *mail, void *ctx, bool lost)
{
    const struct worker *first = ctx;
    const struct worker *worker = cv_container_of(mail, struct worker, roll);

    if (!lost)
        service_heard(first->server->service, worker->index);
}

/* On the thread that is asked. */
static void on_asked(struct cv_mail *mail, void *ctx, bool lost)
{
    const struct worker *worker = ctx;

    if (lost)
        return;
    mail->deliver = on_answered;
    cv_mailbox_post(&worker->server->workers[0].mailbox, mail);
}

static void ask(void *ctx)
{
    const struct server *server = ctx;

    for (unsigned i = 1; i < server->worker_count; i++) {
        struct worker *worker = &server->workers[i];

        if (worker->over)
            continue;
        worker->roll.deliver = on_asked;
        cv_mailbox_post(&worker->mailbox, &worker->roll);
    }
}

int report_open(struct server *server)
{
    const struct service_config config = {.loop = &server->workers[0].loop,
                                          .loops = server->worker_count,
                                          .status = status,
                                          .ask = ask,
                                          .ctx = server};

    return service_new(&server->service, &config);
}
