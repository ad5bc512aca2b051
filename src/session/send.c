#include <string.h>

#include "session/core.h"

/* A connection that just woke goes before those that have been sending, which keeps small answers
 * quick beside bulk; but no more than this goes out so between two turns of the others. */
#define FRESH_BYTES ((size_t)64 * 1024)

/* Pings out at a time that are counted. */
#define PINGS_MAX 3

/* Less room than this for payload is not worth a frame: better send what is there. */
#define PAYLOAD_MIN ((size_t)512)

void cv_slot_frame(struct cv_session *s, struct cv_slot *slot, int64_t type, int64_t conn_id,
                   const uint8_t *body, size_t len)
{
    struct cv_frame frame = {
        .id = s->frame_id++, .conn_id = conn_id, .type = type, .deadline = CV_DEADLINE_MS};

    slot->kind = CV_SLOT_FRAME;
    slot->head_len = cv_frame_encode(slot->head, &frame);
    slot->body = body;
    slot->body_len = len;
    slot->conn_id = conn_id;
    s->stats.frames_out++;
}

/* A frame whose body is @len bytes at @text. The entry may go before the slot is used, so they are
 * copied. */
static void say_text(struct cv_session *s, const struct entry *e, int64_t type, const char *text,
                     size_t len, struct cv_slot *slot)
{
    if (len)
        memcpy(s->body, text, len);
    cv_slot_frame(s, slot, type, e->id, s->body, len);
}

static void say_connect(struct cv_session *s, struct entry *e, struct cv_slot *slot)
{
    say_text(s, e, CV_FRAME_CONNECT, e->text, e->text_len, slot);
    cv_entry_set_text(s, e, NULL, 0);
}

static void say_error(struct cv_session *s, const struct entry *e, struct cv_slot *slot)
{
    if (e->reason == CV_REASON_EOF)
        say_text(s, e, CV_FRAME_ERROR, "EOF", 3, slot);
    else
        say_text(s, e, CV_FRAME_ERROR, e->text, e->text_len, slot);
    s->stats.error_bytes_out += slot->head_len + slot->body_len;
}

/* How large the window of @e may be now. What all have grown by together stays below half of the
 * budget, so that readers who stop after a quick start do not use it up; and a window is no larger
 * than a quarter of what is left. */
static size_t window_most(const struct cv_session *s, const struct entry *e)
{
    size_t half = s->budget.limit / 2;
    size_t room = half > s->grown ? half - s->grown : 0;
    size_t most = cv_min_size(cv_budget_room(&s->budget) / 4, s->limits.window_max);

    most = cv_min_size(most, e->conn.rx_window + room);
    return most < CV_WINDOW_INITIAL ? CV_WINDOW_INITIAL : most;
}

static void say_window(struct cv_session *s, struct entry *e, uint64_t now, struct cv_slot *slot)
{
    size_t before = e->conn.rx_window;
    size_t grant = cv_conn_said_window(&e->conn, window_most(s, e), now, s->rtt);

    s->grown = s->grown - before + e->conn.rx_window;
    cv_slot_frame(s, slot, CV_FRAME_WINDOW, e->id, s->body,
                  cv_varint_encode(s->body, (int64_t)grant));
}

/* Takes @want off the entry; whether it was there. */
static bool take_want(struct entry *e, unsigned want)
{
    bool there = e->wants & want;

    e->wants &= ~want;
    return there;
}

/* The frame that goes first of those that an entry wants. */
static void say_next(struct cv_session *s, struct entry *e, uint64_t now, struct cv_slot *slot)
{
    if (take_want(e, WANT_CONNECT)) {
        say_connect(s, e, slot);
    } else if (take_want(e, WANT_SILENT)) {
        cv_slot_frame(s, slot, CV_FRAME_SILENT, e->id, NULL, 0);
    } else if (take_want(e, WANT_CONNECTED)) {
        cv_slot_frame(s, slot, CV_FRAME_CONNECTED, e->id, NULL, 0);
    } else if (e->conn.wants & CV_WANT_RESUME) {
        s->stats.resumes_out++;
        cv_conn_said_resume(&e->conn, now);
        cv_slot_frame(s, slot, CV_FRAME_RESUME, e->id, NULL, 0);
    } else if (e->conn.wants & CV_WANT_PAUSE) {
        s->stats.pauses_out++;
        cv_conn_said_pause(&e->conn);
        cv_slot_frame(s, slot, CV_FRAME_PAUSE, e->id, NULL, 0);
    } else if (e->conn.wants & CV_WANT_WINDOW) {
        say_window(s, e, now, slot);
    } else if (take_want(e, WANT_CLOSE_WRITE)) {
        cv_slot_frame(s, slot, CV_FRAME_CLOSE_WRITE, e->id, NULL, 0);
    } else if (take_want(e, WANT_ERROR)) {
        say_error(s, e, slot);
    } else if (take_want(e, WANT_ERROR_EOF)) {
        say_text(s, e, CV_FRAME_ERROR, "EOF", 3, slot);
    }
}

static bool control_next(struct cv_session *s, size_t room, uint64_t now, struct cv_slot *slot)
{
    struct entry *e;

    if (cv_list_empty(&s->control) || room < CV_FRAME_HEAD_MAX + CV_CONNECT_MAX)
        return false;
    e = cv_container_of(cv_list_pop(&s->control), struct entry, control);
    say_next(s, e, now, slot);
    cv_entry_settle(s, e);
    return true;
}

static bool sync_next(struct cv_session *s, size_t room, struct cv_slot *slot)
{
    if (!s->want_sync || room < CV_FRAME_HEAD_MAX + s->sync_len)
        return false;
    s->want_sync = false;
    cv_slot_frame(s, slot, CV_FRAME_SYNC, 0, s->sync_body, s->sync_len);
    return true;
}

static bool data_next(struct cv_session *s, size_t room, struct cv_slot *slot)
{
    struct cv_frame frame = {.type = CV_FRAME_DATA, .deadline = CV_DEADLINE_MS};
    struct cv_list *list = &s->fresh;
    struct entry *e;

    if (cv_list_empty(list) || (s->fresh_bytes >= FRESH_BYTES && !cv_list_empty(&s->bulk)))
        list = &s->bulk;
    if (cv_list_empty(list))
        return false;
    s->bulk_turn = list == &s->bulk;
    e = cv_container_of(list->next, struct entry, ready);
    frame.id = s->frame_id;
    frame.conn_id = e->id;
    slot->head_len = cv_frame_encode(slot->head, &frame);
    if (room < slot->head_len + (e->dgram ? cv_gram_room(s) : PAYLOAD_MIN))
        return false;
    slot->kind = CV_SLOT_DATA;
    slot->conn_id = e->id;
    slot->user = e->user;
    slot->max =
        cv_min_size(room - slot->head_len, s->config.culvert ? CV_DATA_MAX : CV_DATA_MAX_FOREIGN);
    slot->max = cv_min_size(slot->max, cv_conn_may_send(&e->conn));
    return true;
}

void cv_session_next(struct cv_session *s, size_t room, uint64_t now, struct cv_slot *slot)
{
    slot->kind = CV_SLOT_NONE;
    if (s->cut)
        return;
    if (s->want_ping) {
        s->want_ping = false;
        s->ping_sent_at = now;
        if (s->pings_out < PINGS_MAX)
            s->pings_out++;
        slot->kind = CV_SLOT_PING;
        return;
    }
    if (control_next(s, room, now, slot) || cv_misc_next(s, room, slot) || sync_next(s, room, slot))
        return;
    /* what must go first did not fit: Data must not overtake it */
    if (cv_list_empty(&s->control) && s->misc.len == 0 && !s->want_sync)
        data_next(s, room, slot);
}

void cv_session_sent(struct cv_session *s, const struct cv_slot *slot, size_t len, uint64_t now)
{
    struct entry *e = cv_entry_find(s, slot->conn_id);

    if (!e)
        return;
    s->frame_id++;
    s->stats.frames_out++;
    s->stats.bytes_out += len;
    cv_conn_sent(&e->conn, len, now);
    s->fresh_bytes = s->bulk_turn ? 0 : s->fresh_bytes + len;
    /* Its turn is over: behind the others, if it has more. */
    if (!cv_list_empty(&e->ready)) {
        cv_list_remove(&e->ready);
        cv_list_push_back(&s->bulk, &e->ready);
    }
    cv_entry_settle(s, e);
}

bool cv_session_pending(const struct cv_session *s)
{
    if (s->cut)
        return false;
    return s->want_ping || s->want_sync || s->misc.len || !cv_list_empty(&s->control) ||
           !cv_list_empty(&s->fresh) || !cv_list_empty(&s->bulk);
}
