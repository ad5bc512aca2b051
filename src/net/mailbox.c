#include "net/mailbox.h"

static void deliver_all(struct cv_mailbox *box, bool lost)
{
    struct cv_mail *mail, *next;

    uv_mutex_lock(&box->lock);
    mail = box->first;
    box->first = NULL;
    box->last = &box->first;
    uv_mutex_unlock(&box->lock);
    for (; mail; mail = next) {
        next = mail->next;
        mail->deliver(mail, box->ctx, lost);
    }
}

static void on_bell(uv_async_t *bell)
{
    deliver_all(bell->data, false);
}

int cv_mailbox_open(struct cv_mailbox *box, struct cv_loop *loop, void *ctx)
{
    int rc = uv_mutex_init(&box->lock);

    if (rc < 0)
        return rc;
    box->first = NULL;
    box->last = &box->first;
    box->ctx = ctx;
    box->bell.data = box;
    rc = uv_async_init(loop->uv, &box->bell, on_bell);
    if (rc < 0)
        uv_mutex_destroy(&box->lock);
    return rc;
}

void cv_mailbox_post(struct cv_mailbox *box, struct cv_mail *mail)
{
    mail->next = NULL;
    uv_mutex_lock(&box->lock);
    *box->last = mail;
    box->last = &mail->next;
    uv_mutex_unlock(&box->lock);
    uv_async_send(&box->bell);
}

void cv_mailbox_unref(struct cv_mailbox *box)
{
    uv_unref((uv_handle_t *)&box->bell);
}

void cv_mailbox_close(struct cv_mailbox *box)
{
    deliver_all(box, true);
    uv_mutex_destroy(&box->lock);
    uv_close((uv_handle_t *)&box->bell, NULL);
}
