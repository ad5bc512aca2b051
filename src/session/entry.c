#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "session/core.h"

struct entry *cv_entry_find(struct cv_session *s, int64_t id)
{
    struct entry *e;

    if (s->recent && s->recent->id == id)
        return s->recent;
    HASH_FIND(hh, s->entries, &id, sizeof(id), e);
    if (e)
        s->recent = e;
    return e;
}

static enum cv_flow_mode flow_mode(const struct cv_session *s)
{
    if (s->config.features & CV_FEATURE_CREDIT)
        return CV_FLOW_CREDIT;
    return s->config.culvert ? CV_FLOW_PAUSE : CV_FLOW_REFERENCE;
}

int cv_entry_add(struct cv_session *s, int64_t id, enum cv_conn_state state, uint64_t now,
                 struct entry **out)
{
    const struct cv_alloc *table_alloc = s->alloc;
    struct entry *e;

    if (HASH_COUNT(s->entries) >= s->config.max_conns)
        return CV_EFULL;
    e = cv_alloc_zero(s->alloc, sizeof(*e));
    if (!e)
        return -ENOMEM;
    cv_conn_init(&e->conn, state, flow_mode(s), now);
    e->id = id;
    e->opened_at = now;
    cv_list_init(&e->ready);
    cv_list_init(&e->control);
    cv_list_init(&e->events);
    cv_list_init(&e->asking);
    cv_list_init(&e->drains);
    cv_list_init(&e->grams);
    HASH_ADD(hh, s->entries, id, sizeof(e->id), e);
    if (!cv_table_added(e)) {
        cv_free(s->alloc, e);
        return -ENOMEM;
    }
    if (s->config.role == CV_SESSION_DIALLER) /* no longer idle */
        s->ping_at = cv_min_time(s->ping_at, now + CV_PING_EVERY);
    *out = e;
    return 0;
}

void cv_entry_free(struct cv_session *s, struct entry *e)
{
    const struct cv_alloc *table_alloc = s->alloc;

    if (s->recent == e)
        s->recent = NULL;
    if (s->told == e)
        s->told = NULL;
    cv_list_remove(&e->ready);
    cv_list_remove(&e->control);
    cv_list_remove(&e->events);
    cv_list_remove(&e->asking);
    cv_list_remove(&e->drains);
    HASH_DEL(s->entries, e);
    s->over -= e->closed_told;
    s->grown -= e->conn.rx_window - CV_WINDOW_INITIAL;
    cv_gram_drop_all(s, e);
    cv_conn_deinit(&e->conn, s->alloc, &s->budget);
    cv_free(s->alloc, e->text);
    cv_free(s->alloc, e);
}

void cv_entry_free_all(struct cv_session *s)
{
    struct entry *e, *next;

    HASH_ITER (hh, s->entries, e, next)
        cv_entry_free(s, e);
}

/* Puts @entry into @list or takes it out; one that is there keeps its place. */
static void enlist(struct cv_list *list, struct cv_list *entry, bool wanted)
{
    bool there = !cv_list_empty(entry);

    if (wanted && !there)
        cv_list_push_back(list, entry);
    else if (!wanted && there)
        cv_list_remove(entry);
}

void cv_entry_settle(struct cv_session *s, struct entry *e)
{
    bool over = e->conn.state == CV_CONN_CLOSED || e->wire_over;

    if (over)
        e->conn.wants = 0;
    if (over || e->conn.mode != CV_FLOW_REFERENCE)
        e->conn.probe_at = CV_NEVER;
    if (e->closed_told && !e->wants) {
        cv_entry_free(s, e);
        return;
    }
    enlist(&s->control, &e->control, e->wants || e->conn.wants);
    enlist(&s->events, &e->events, e->tells != 0);
    enlist(&s->asking, &e->asking, e->conn.probe_at != CV_NEVER);
    enlist(&s->drains, &e->drains, s->cut && e->conn.state == CV_CONN_DRAINING);
    enlist(&s->fresh, &e->ready,
           e->source_ready && !e->wire_over && cv_conn_sends(e->conn.state) &&
               cv_conn_may_send(&e->conn) >= cv_gram_least(s, e));
}

void cv_entry_move(struct cv_session *s, struct entry *e, enum cv_conn_event event)
{
    enum cv_conn_state before = e->conn.state;
    enum cv_conn_state after = cv_conn_next(before, event);

    /* both sources ended, and nobody gave another reason */
    if (after == CV_CONN_DRAINING && e->reason == CV_REASON_NONE)
        e->reason = CV_REASON_EOF;
    if (after == CV_CONN_DRAINING && e->conn.rx.len == 0)
        after = cv_conn_next(after, CV_CONN_EV_DRAINED);
    if (after == CV_CONN_DRAINING && before != after) {
        e->tells |= EVENT_DRAIN;
        e->drain_at = s->now + CV_DRAIN_WAIT;
        e->progressed = false;
    }
    e->conn.state = after;
    if (after == CV_CONN_REMOTE_FIN && e->conn.rx.len == 0)
        e->tells |= before == after ? 0 : EVENT_FIN;
    if (after == CV_CONN_CLOSED && before != CV_CONN_CLOSED) {
        cv_chain_clear(&e->conn.rx, s->alloc, &s->budget);
        cv_gram_drop_all(s, e);
        e->tells |= EVENT_CLOSED;
        s->stats.closed[e->reason]++;
    }
    cv_entry_settle(s, e);
}

void cv_entry_set_text(struct cv_session *s, struct entry *e, const char *text, size_t len)
{
    cv_free(s->alloc, e->text);
    e->text_len = 0;
    e->text = len ? cv_alloc(s->alloc, len) : NULL;
    if (!e->text)
        return;
    memcpy(e->text, text, len);
    e->text_len = len;
}

void cv_entry_abort(struct cv_session *s, struct entry *e, enum cv_reason reason, const char *text)
{
    if (e->conn.state == CV_CONN_CLOSED)
        return;
    if (!text)
        text = cv_reason_text(reason);
    if (e->wants & WANT_CONNECT) {
        e->wants = 0; /* the other end never heard of it */
    } else if (!e->wire_over) {
        e->wants |= WANT_ERROR;
        if (!s->config.culvert && reason == CV_REASON_DIAL)
            e->wants |= WANT_ERROR_EOF;
        e->wants &= ~(unsigned)(WANT_CLOSE_WRITE | WANT_CONNECTED | WANT_SILENT);
    }
    cv_entry_set_text(s, e, text, cv_min_size(strlen(text), CV_ERROR_TEXT_MAX));
    e->wire_over = true;
    e->reason = reason;
    cv_entry_move(s, e, CV_CONN_EV_ABORT);
}

static enum cv_reason store_reason(int error)
{
    if (error == CV_EFLOW)
        return CV_REASON_CAP;
    return error == CV_EFULL ? CV_REASON_BUDGET : CV_REASON_MEMORY;
}

/* The entry that holds most, or NULL when none holds anything. */
static struct entry *largest(struct cv_session *s)
{
    struct entry *e, *next, *most = NULL;

    HASH_ITER (hh, s->entries, e, next) {
        if (e->conn.rx.held > (most ? most->conn.rx.held : 0))
            most = e;
    }
    return most;
}

void cv_entry_store(struct cv_session *s, struct entry *e, const uint8_t *data, size_t len)
{
    int rc = cv_conn_store(&e->conn, s->alloc, &s->budget, &s->limits, data, len);

    if (rc == CV_EFULL) {
        /* who hoards pays, not who happens to come next */
        struct entry *hoarder = largest(s);

        if (hoarder && hoarder != e) {
            cv_entry_abort(s, hoarder, CV_REASON_BUDGET, NULL);
            rc = cv_conn_store(&e->conn, s->alloc, &s->budget, &s->limits, data, len);
        }
    }
    if (rc < 0)
        cv_entry_abort(s, e, store_reason(rc), NULL);
    else
        cv_entry_settle(s, e);
}
