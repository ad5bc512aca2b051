#include <string.h>

#include "base/error.h"

#include "base/key.h"
#include "base/text.h"
#include "session/core.h"

void cv_session_heard(struct cv_session *s, uint64_t now)
{
    s->now = s->heard_at = now;
    s->takeover_at = s->asked_at = CV_NEVER;
}

void cv_session_pong(struct cv_session *s, uint64_t now)
{
    if (s->ping_sent_at == CV_NEVER)
        return;
    /* with several out there is no telling which one this answers */
    if (s->pings_out == 1)
        s->rtt = cv_min_time(s->rtt, now - s->ping_sent_at);
    if (--s->pings_out == 0)
        s->ping_sent_at = CV_NEVER;
}

static void tell(struct cv_session *s, const struct cv_session_event *event)
{
    s->now_event = *event;
    s->has_now_event = true;
}

static void notice(struct cv_session *s, enum cv_notice what, int64_t conn_id)
{
    tell(s,
         &(struct cv_session_event){.kind = CV_EVENT_NOTICE, .conn_id = conn_id, .notice = what});
}

static void orphan(struct cv_session *s, int64_t conn_id, const char *text)
{
    if (cv_misc_orphan(s, conn_id, text) < 0)
        notice(s, CV_NOTICE_ORPHANS_FULL, conn_id);
}

/* Data for a connection that is not there: `connection not found
 * <clientKey>/<sessionKey>/<connID>`. */
static void not_found(struct cv_session *s, int64_t conn_id)
{
    char buf[CV_ERROR_TEXT_MAX + CV_KEY_MAX];
    struct cv_text text;

    cv_text_init(&text, buf, sizeof(buf));
    cv_text_str(&text, "connection not found ");
    cv_text_str(&text, s->config.name);
    cv_text_str(&text, "/");
    cv_text_i64(&text, s->config.key);
    cv_text_str(&text, "/");
    cv_text_i64(&text, conn_id);
    orphan(s, conn_id, buf);
}

/* A piece of Data. One whose connection is over on the wire is stray: it was under way when we said
 * so. */
static void data_piece(struct cv_session *s, const uint8_t *data, size_t len, bool fin)
{
    int64_t id = s->reader.frame.conn_id;
    struct entry *e = s->reader.known ? cv_entry_find(s, id) : NULL;

    if (!e || e->wire_over || !cv_conn_receives(e->conn.state) || (len == 0 && !e->dgram))
        return;
    s->stats.bytes_in += len;
    if (cv_conn_received(&e->conn, len) < 0) {
        cv_entry_abort(s, e, CV_REASON_CAP, NULL);
        return;
    }
    if (e->dgram) {
        len = cv_gram_piece(s, e, &data, len, fin);
        if (len == 0)
            return;
    } else if (e->conn.rx.len > 0 || !cv_conn_delivers(e->conn.state)) {
        cv_entry_store(s, e, data, len);
        return;
    }
    tell(s, &(struct cv_session_event){
                .kind = CV_EVENT_DATA, .conn_id = id, .user = e->user, .data = data, .len = len});
}

static int on_connect(struct cv_session *s, uint64_t now)
{
    struct reader *r = &s->reader;
    int64_t id = r->frame.conn_id;
    struct cv_connect connect;
    struct entry *e;
    int rc;

    if (cv_entry_find(s, id)) {
        /* an Error under that id would end the first connection at the other end */
        notice(s, CV_NOTICE_DUPLICATE_ID, id);
        return 0;
    }
    rc = cv_connect_decode(&connect, r->body, r->body_len);
    if (rc == CV_ETOOLONG) {
        orphan(s, id, "the address is over 266 bytes");
        notice(s, CV_NOTICE_BAD_CONNECT, id);
        return 0;
    }
    if (rc < 0)
        return rc;
    rc = cv_entry_add(s, id, CV_CONN_DIALLING, now, &e);
    if (rc < 0) {
        orphan(s, id, rc == CV_EFULL ? "too many connections on this session" : "out of memory");
        notice(s, CV_NOTICE_CONN_LIMIT, id);
        return 0;
    }
    s->stats.opened++;
    e->dgram = cv_gram_proto(connect.proto, connect.proto_len);
    tell(s, &(struct cv_session_event){.kind = CV_EVENT_CONNECT,
                                       .conn_id = id,
                                       .text = connect.proto,
                                       .text_len = connect.proto_len,
                                       .address = connect.address,
                                       .address_len = connect.address_len});
    return 0;
}

/* Whether a frame still means something to @e, which may be NULL. One that closed in order may wait
 * for its last frame to go out: its CLOSED was told, or will be as it is. */
static bool concerned(const struct entry *e)
{
    return e && !e->wire_over && e->conn.state != CV_CONN_CLOSED;
}

static void on_error(struct cv_session *s)
{
    struct reader *r = &s->reader;
    struct entry *e = cv_entry_find(s, r->frame.conn_id);
    size_t len = cv_min_size(r->body_len, CV_ERROR_TEXT_MAX);

    /* before our Connect is out the other end cannot mean this connection */
    if (!concerned(e) || (e->wants & WANT_CONNECT))
        return;
    if (!s->config.culvert)
        e->wants |= WANT_ERROR; /* the reference echoes, and expects it */
    e->wants &= ~(unsigned)(WANT_CONNECTED | WANT_CLOSE_WRITE | WANT_SILENT);
    e->wire_over = true;
    e->reason = len == 3 && memcmp(r->body, "EOF", 3) == 0 ? CV_REASON_EOF : CV_REASON_REMOTE;
    cv_entry_set_text(s, e, (const char *)r->body, len);
    /* Without an orderly end a dial under way serves nobody. */
    cv_entry_move(s, e,
                  e->conn.state == CV_CONN_DIALLING && e->reason != CV_REASON_EOF ? CV_CONN_EV_ABORT
                                                                                  : CV_CONN_EV_END);
}

static int on_announce(struct cv_session *s)
{
    struct reader *r = &s->reader;
    struct cv_announce announce;
    int rc = cv_announce_decode(&announce, r->body, r->body_len);

    if (rc == CV_EPROTO)
        return rc;
    if (rc < 0 || !cv_key_valid(announce.key, announce.key_len)) {
        notice(s, CV_NOTICE_BAD_ANNOUNCE, 0);
        return 0;
    }
    tell(s, &(struct cv_session_event){.kind = r->frame.type == CV_FRAME_ADD_CLIENT
                                                   ? CV_EVENT_ADD_CLIENT
                                                   : CV_EVENT_REMOVE_CLIENT,
                                       .text = announce.key,
                                       .text_len = announce.key_len,
                                       .session_key = announce.session_key});
    return 0;
}

/* Only a dialler asks for something to be published. */
static int on_published(struct cv_session *s)
{
    struct reader *r = &s->reader;
    struct cv_published published;
    int rc;

    if (s->config.role != CV_SESSION_DIALLER || !(s->config.features & CV_FEATURE_PUBLISH)) {
        s->stats.unknown_frames++;
        return 0;
    }
    rc = cv_published_decode(&published, r->body, r->body_len);
    if (rc < 0)
        return rc;
    tell(s, &(struct cv_session_event){.kind = CV_EVENT_PUBLISHED,
                                       .number = published.number,
                                       .granted = published.granted,
                                       .text = published.text,
                                       .text_len = published.text_len});
    return 0;
}

static int on_window(struct cv_session *s, struct entry *e)
{
    int64_t grant;
    int n =
        cv_varint_decode(&grant, s->reader.body, cv_min_size(s->reader.body_len, CV_VARINT_MAX));

    if (n < 0)
        return CV_EPROTO;
    if (e->conn.mode != CV_FLOW_CREDIT)
        return 0;
    return cv_conn_on_window(&e->conn, grant);
}

/* Frames that only mean something to a connection that is there. */
static int on_entry_frame(struct cv_session *s, uint64_t now)
{
    struct entry *e = cv_entry_find(s, s->reader.frame.conn_id);
    int rc = 0;

    if (!concerned(e))
        return 0;
    switch ((enum cv_frame_type)s->reader.frame.type) {
    case CV_FRAME_PAUSE:
        s->stats.pauses_in++;
        cv_conn_on_pause(&e->conn, now, s->rtt);
        break;
    case CV_FRAME_RESUME:
        s->stats.resumes_in++;
        cv_conn_on_resume(&e->conn);
        break;
    case CV_FRAME_CONNECTED:
        if ((s->config.features & CV_FEATURE_ACK) && e->awaits_ack) {
            e->tells |= EVENT_CONNECTED;
            cv_stats_dialled(&s->stats, now - e->opened_at);
        }
        e->awaits_ack = false;
        break;
    case CV_FRAME_SILENT:
        if ((s->config.features & CV_FEATURE_ACK) && e->awaits_ack)
            e->tells |= EVENT_SILENT;
        break;
    case CV_FRAME_CLOSE_WRITE:
        if (s->config.features & CV_FEATURE_HALFCLOSE)
            cv_entry_move(s, e, CV_CONN_EV_REMOTE_FIN);
        return 0;
    case CV_FRAME_WINDOW:
        rc = on_window(s, e);
        break;
    case CV_FRAME_DATA:
    case CV_FRAME_CONNECT:
    case CV_FRAME_ERROR:
    case CV_FRAME_ADD_CLIENT:
    case CV_FRAME_REMOVE_CLIENT:
    case CV_FRAME_SYNC:
    case CV_FRAME_PUBLISHED:
        break;
    }
    cv_entry_settle(s, e);
    return rc;
}

/* The whole frame is in; Data and lists were taken as they came. */
static int dispatch(struct cv_session *s, uint64_t now)
{
    s->stats.frames_in++;
    switch (s->reader.frame.type) {
    case CV_FRAME_DATA:
        return 0;
    case CV_FRAME_CONNECT:
        return on_connect(s, now);
    case CV_FRAME_ERROR:
        on_error(s);
        return 0;
    case CV_FRAME_ADD_CLIENT:
    case CV_FRAME_REMOVE_CLIENT:
        return on_announce(s);
    case CV_FRAME_SYNC:
        return cv_sync_end(s, now);
    case CV_FRAME_PUBLISHED:
        return on_published(s);
    case CV_FRAME_PAUSE:
    case CV_FRAME_RESUME:
    case CV_FRAME_CONNECTED:
    case CV_FRAME_CLOSE_WRITE:
    case CV_FRAME_WINDOW:
    case CV_FRAME_SILENT:
        return on_entry_frame(s, now);
    }
    s->stats.unknown_frames++;
    return 0;
}

static void begin_body(struct cv_session *s)
{
    struct reader *r = &s->reader;

    r->in_body = true;
    r->body_len = 0;
    if (r->frame.type == CV_FRAME_SYNC)
        cv_sync_begin(s);
    if (r->frame.type != CV_FRAME_DATA)
        return;
    r->known = cv_entry_find(s, r->frame.conn_id) != NULL;
    if (!r->known)
        not_found(s, r->frame.conn_id);
}

static void body_piece(struct cv_session *s, const uint8_t *data, size_t len, bool fin)
{
    struct reader *r = &s->reader;

    if (r->frame.type == CV_FRAME_DATA) {
        data_piece(s, data, len, fin);
    } else if (r->frame.type == CV_FRAME_SYNC) {
        cv_sync_piece(s, data, len);
    } else if (r->body_len < sizeof(r->body) && len) {
        size_t room = sizeof(r->body) - r->body_len;

        memcpy(r->body + r->body_len, data, cv_min_size(room, len));
    }
    r->body_len += len;
}

/* Reads the head, which may be cut anywhere; returns the bytes it took of @data, or an error. */
static int read_head(struct cv_session *s, const uint8_t *data, size_t len)
{
    struct reader *r = &s->reader;
    size_t before = r->head_len;
    size_t add = cv_min_size(sizeof(r->head) - before, len);
    int n;

    if (add)
        memcpy(r->head + before, data, add);
    n = cv_frame_decode(&r->frame, r->head, before + add);
    if (n == CV_EMORE) {
        r->head_len = before + add;
        return (int)add;
    }
    if (n < 0)
        return n;
    r->head_len = 0;
    begin_body(s);
    return n - (int)before;
}

int cv_session_recv(struct cv_session *s, const uint8_t *data, size_t len, bool fin, uint64_t now)
{
    struct reader *r = &s->reader;

    cv_session_settle_offer(s);
    if (!r->in_body) {
        int n = read_head(s, data, len);

        if (n < 0)
            return n;
        data += n;
        len -= (size_t)n;
    }
    if (!r->in_body)
        return fin ? CV_EPROTO : 0;
    body_piece(s, data, len, fin);
    if (!fin)
        return 0;
    r->in_body = false;
    return dispatch(s, now);
}

/* The connection whose Data may pass, or NULL. */
static struct entry *passing(struct cv_session *s)
{
    const struct reader *r = &s->reader;
    struct entry *e;

    if (!r->in_body || r->frame.type != CV_FRAME_DATA || !r->known)
        return NULL;
    e = cv_entry_find(s, r->frame.conn_id);
    if (!e || e->wire_over || e->dgram || e->conn.rx.len > 0)
        return NULL;
    return cv_conn_receives(e->conn.state) && cv_conn_delivers(e->conn.state) ? e : NULL;
}

bool cv_session_passing(struct cv_session *s, void **user)
{
    const struct entry *e = passing(s);

    *user = e ? e->user : NULL;
    return e;
}

void cv_session_passed(struct cv_session *s, size_t len, bool fin)
{
    struct reader *r = &s->reader;
    struct entry *e = passing(s);

    s->stats.bytes_in += len;
    r->body_len += len;
    if (fin) {
        r->in_body = false;
        s->stats.frames_in++;
    }
    if (cv_conn_received(&e->conn, len) < 0) {
        cv_entry_abort(s, e, CV_REASON_CAP, NULL);
        return;
    }
    cv_conn_consumed(&e->conn, &s->limits, len);
    cv_entry_settle(s, e);
}

size_t cv_session_data_head(const struct cv_session *s, const uint8_t *data, size_t len)
{
    struct cv_frame frame;
    int n;

    if (s->reader.in_body || s->reader.head_len > 0)
        return 0;
    n = cv_frame_decode(&frame, data, cv_min_size(len, CV_FRAME_HEAD_MAX));
    return n > 0 && frame.type == CV_FRAME_DATA ? (size_t)n : 0;
}

/* Stores what the sink did not take of the Data event last polled. */
void cv_session_settle_offer(struct cv_session *s)
{
    struct entry *e;

    if (!s->offer)
        return;
    e = cv_entry_find(s, s->offer_id);
    if (e && s->offer_len && e->conn.state != CV_CONN_CLOSED && !e->dgram)
        cv_entry_store(s, e, s->offer, s->offer_len);
    s->offer = NULL;
    s->offer_len = 0;
}

void cv_session_taken(struct cv_session *s, size_t len)
{
    struct entry *e = s->offer ? cv_entry_find(s, s->offer_id) : NULL;

    if (!e)
        return;
    s->offer += len;
    s->offer_len -= len;
    if (e->dgram) /* was consumed when it came */
        return;
    cv_conn_consumed(&e->conn, &s->limits, len);
    cv_entry_settle(s, e);
    cv_session_settle_offer(s);
}

static void fill_event(struct cv_session *s, struct entry *e, struct cv_session_event *event)
{
    *event = (struct cv_session_event){.conn_id = e->id, .user = e->user};
    if (e->tells & EVENT_SILENT) {
        e->tells &= ~(unsigned)EVENT_SILENT;
        event->kind = CV_EVENT_SILENT;
    } else if (e->tells & EVENT_CONNECTED) {
        e->tells &= ~(unsigned)EVENT_CONNECTED;
        event->kind = CV_EVENT_CONNECTED;
    } else if (e->tells & EVENT_GRAM) {
        cv_gram_lend(s, e, event);
    } else if (e->tells & EVENT_FIN) {
        e->tells &= ~(unsigned)EVENT_FIN;
        event->kind = CV_EVENT_FIN;
    } else if (e->tells == EVENT_DRAIN) {
        e->tells = 0;
        event->kind = CV_EVENT_DRAIN;
    } else {
        e->tells = 0;
        e->closed_told = true;
        s->over++;
        event->kind = CV_EVENT_CLOSED;
        event->reason = e->reason;
        event->text = e->text;
        event->text_len = e->text_len;
    }
}

int cv_session_poll(struct cv_session *s, struct cv_session_event *event)
{
    struct entry *e;

    cv_session_settle_offer(s);
    if (s->lent)
        cv_gram_return(s);
    if (s->has_now_event) {
        *event = s->now_event;
        s->has_now_event = false;
        if (event->kind == CV_EVENT_DATA) {
            s->offer_id = event->conn_id;
            s->offer = event->data;
            s->offer_len = event->len;
        }
        return 1;
    }
    if (s->told) {
        /* the text of the CLOSED event just polled was borrowed until now */
        e = s->told;
        s->told = NULL;
        cv_entry_settle(s, e);
    }
    if (cv_list_empty(&s->events))
        return 0;
    e = cv_container_of(s->events.next, struct entry, events);
    fill_event(s, e, event);
    if (event->kind == CV_EVENT_DATA) {
        s->offer_id = event->conn_id;
        s->offer = event->data;
        s->offer_len = event->len;
    }
    if (e->closed_told) {
        s->told = e;
        cv_list_remove(&e->events);
    } else {
        cv_entry_settle(s, e);
    }
    return 1;
}
