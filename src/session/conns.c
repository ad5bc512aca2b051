#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "session/core.h"

/* What the caller may do to its connections. */

static struct entry *live(struct cv_session *s, int64_t id)
{
    struct entry *e = cv_entry_find(s, id);

    return e && !e->closed_told ? e : NULL;
}

int cv_session_dial(struct cv_session *s, const char *proto, const char *address, void *user,
                    uint64_t now, int64_t *conn_id)
{
    uint8_t body[CV_CONNECT_MAX];
    struct cv_connect connect = {.proto = proto,
                                 .proto_len = strlen(proto),
                                 .address = address,
                                 .address_len = strlen(address)};
    struct entry *e;
    int len, rc;

    if (s->stopped)
        return CV_ECLOSED;
    len = cv_connect_encode(body, &connect);
    if (len < 0)
        return len;
    /* only an end that ignores the rule of odd and even ids can be in the way */
    while (cv_entry_find(s, s->next_id))
        s->next_id += 2;
    rc = cv_entry_add(s, s->next_id, CV_CONN_OPEN, now, &e);
    if (rc < 0)
        return rc;
    cv_entry_set_text(s, e, (const char *)body, (size_t)len);
    if (!e->text) {
        cv_entry_free(s, e);
        return -ENOMEM;
    }
    s->next_id += 2;
    s->stats.opened++;
    e->user = user;
    e->awaits_ack = true;
    e->dgram = cv_gram_proto(proto, connect.proto_len);
    e->wants |= WANT_CONNECT;
    *conn_id = e->id;
    cv_entry_settle(s, e);
    return 0;
}

int cv_session_set_user(struct cv_session *s, int64_t conn_id, void *user)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    e->user = user;
    return 0;
}

int cv_session_accept(struct cv_session *s, int64_t conn_id)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    if ((s->config.features & CV_FEATURE_ACK) && !e->wire_over)
        e->wants |= WANT_CONNECTED;
    e->wants &= ~(unsigned)WANT_SILENT;
    e->tells |= cv_list_empty(&e->grams) ? 0 : EVENT_GRAM;
    cv_entry_move(s, e, CV_CONN_EV_ACCEPT);
    e->progressed =
        s->cut; /* nothing has told a cut session the time lately: begin with the next tick */
    return 0;
}

int cv_session_say_silent(struct cv_session *s, int64_t conn_id)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    if ((s->config.features & CV_FEATURE_ACK) && !e->wire_over && e->conn.state == CV_CONN_DIALLING)
        e->wants |= WANT_SILENT;
    cv_entry_settle(s, e);
    return 0;
}

int cv_session_ready(struct cv_session *s, int64_t conn_id, bool ready)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    e->source_ready = ready;
    cv_entry_settle(s, e);
    return 0;
}

int cv_session_finish(struct cv_session *s, int64_t conn_id)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    cv_session_settle_offer(s);
    e->source_ready = false;
    if (e->wire_over || !cv_conn_sends(e->conn.state)) {
        cv_entry_settle(s, e);
        return 0;
    }
    if (s->config.features & CV_FEATURE_HALFCLOSE) {
        e->wants |= WANT_CLOSE_WRITE;
        cv_entry_move(s, e, CV_CONN_EV_LOCAL_FIN);
        return 0;
    }
    e->wants |= WANT_ERROR;
    e->wire_over = true;
    e->reason = CV_REASON_EOF;
    cv_entry_move(s, e, CV_CONN_EV_END);
    return 0;
}

int cv_session_abort(struct cv_session *s, int64_t conn_id, enum cv_reason reason, const char *text)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    cv_session_settle_offer(s);
    cv_entry_abort(s, e, reason, text);
    return 0;
}

int cv_session_backlog(struct cv_session *s, int64_t conn_id, const uint8_t **data, size_t *len)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    *len = cv_conn_delivers(e->conn.state) ? cv_chain_peek(&e->conn.rx, data) : 0;
    return 0;
}

bool cv_session_stored(struct cv_session *s, int64_t conn_id)
{
    struct entry *e = live(s, conn_id);

    return e && e->conn.rx.len > 0;
}

int cv_session_consume(struct cv_session *s, int64_t conn_id, size_t len)
{
    struct entry *e = live(s, conn_id);

    if (!e)
        return CV_ESTALE;
    e->progressed = true;
    cv_conn_unstore(&e->conn, s->alloc, &s->budget, len);
    cv_conn_consumed(&e->conn, &s->limits, len);
    if (e->conn.rx.len == 0 && e->conn.state == CV_CONN_REMOTE_FIN)
        e->tells |= EVENT_FIN;
    if (e->conn.rx.len == 0)
        cv_entry_move(s, e, CV_CONN_EV_DRAINED);
    else
        cv_entry_settle(s, e);
    return 0;
}
