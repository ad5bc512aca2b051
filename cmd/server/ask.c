#include "ask.h"

#include "server.h"

static void take_part(struct ask *ask)
{
    if (--ask->missing == 0)
        ask->done(ask);
}

static void on_part(struct cv_mail *mail, void *ctx, bool lost)
{
    (void)ctx, (void)lost; /* a question goes with its last part, answered or not */
    take_part(cv_container_of(mail, struct ask_mail, mail)->ask);
}

static void on_asked(struct cv_mail *mail, void *ctx, bool lost)
{
    struct ask *ask = cv_container_of(mail, struct ask_mail, mail)->ask;

    if (lost) { /* the threads have ended: this is the main one */
        take_part(ask);
        return;
    }
    ask->part(ask, ctx);
    mail->deliver = on_part;
    cv_mailbox_post(&ask->server->workers[0].mailbox, mail);
}

void ask_all(struct ask *ask, struct server *server)
{
    ask->server = server;
    ask->missing = server->worker_count;
    for (unsigned i = 1; i < server->worker_count; i++) {
        ask->mails[i].ask = ask;
        ask->mails[i].mail.deliver = on_asked;
        cv_mailbox_post(&server->workers[i].mailbox, &ask->mails[i].mail);
    }
    ask->part(ask, &server->workers[0]);
    take_part(ask);
}
