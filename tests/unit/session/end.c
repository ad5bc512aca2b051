#include "end.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MESSAGE_MAX (CV_DATA_MAX + CV_FRAME_HEAD_MAX)

struct cv_session_config end_reference(enum cv_session_role role)
{
    struct cv_session_config config = cv_session_defaults(role);

    snprintf(config.name, sizeof(config.name), "ck");
    config.key = 77;
    return config;
}

struct cv_session_config end_culvert(enum cv_session_role role, unsigned features)
{
    struct cv_session_config config = end_reference(role);

    config.culvert = true;
    config.features = features;
    return config;
}

bool end_init_failing(struct end *end, const struct cv_session_config *config, size_t fail_at)
{
    *end = (struct end){
        .now = END_START, .takes = END_EVERYTHING, .piece = END_EVERYTHING, .frame_id = -1};
    test_alloc_init(&end->ta);
    end->ta.fail_at = fail_at;
    cv_prng_init(&end->prng, 1);
    end->random = cv_prng_random(&end->prng);
    return cv_session_new(&end->session, config, &end->ta.alloc, &end->random, end->now) == 0;
}

void end_init(struct end *end, const struct cv_session_config *config)
{
    cr_assert(end_init_failing(end, config, 0));
}

void end_deinit(struct end *end)
{
    cv_session_free(end->session);
    cr_assert_eq(end->ta.live, 0);
}

struct end_conn *end_conn(struct end *end, int64_t id)
{
    for (size_t i = 0; i < end->conn_count; i++)
        if (end->conns[i].id == id)
            return &end->conns[i];
    cr_assert_lt(end->conn_count, END_CONNS);
    end->conns[end->conn_count] = (struct end_conn){.id = id};
    return &end->conns[end->conn_count++];
}

static __attribute__((format(printf, 2, 3))) void note(char *words, const char *format, ...)
{
    size_t len = strlen(words);
    va_list args;

    if (len)
        len += (size_t)snprintf(words + len, END_WORDS - len, "; ");
    va_start(args, format);
    len += (size_t)vsnprintf(words + len, END_WORDS - len, format, args);
    va_end(args);
    cr_assert_lt(len, END_WORDS);
}

static uint8_t pattern(int64_t id, uint64_t at)
{
    return (uint8_t)((uint64_t)id * 37 + at + (at >> 8) * 3);
}

static void assert_pattern(const struct end *end, const struct end_conn *conn, const uint8_t *data,
                           size_t len)
{
    if (end->foreign)
        return;
    for (size_t i = 0; i < len; i++)
        cr_assert_eq(data[i], pattern(conn->id, conn->taken + i), "byte %" PRIu64 " of %" PRId64,
                     conn->taken + i, conn->id);
}

static void note_closed(struct end *end, const struct cv_session_event *event)
{
    bool text = event->text_len > 0 && event->reason != CV_REASON_EOF;

    note(end->events, "closed %" PRId64 " %s%s%.*s", event->conn_id, cv_reason_name(event->reason),
         text ? ": " : "", text ? (int)event->text_len : 0, text ? event->text : "");
}

static void note_event(struct end *end, const struct cv_session_event *event)
{
    static const char *const notices[] = {"duplicate", "conn_limit", "bad_connect", "bad_announce",
                                          "orphans"};

    switch (event->kind) {
    case CV_EVENT_CONNECT:
        note(end->events, "connect %" PRId64 " %.*s|%.*s", event->conn_id, (int)event->text_len,
             event->text, (int)event->address_len, event->address);
        break;
    case CV_EVENT_CONNECTED:
        note(end->events, "connected %" PRId64, event->conn_id);
        break;
    case CV_EVENT_SILENT:
        note(end->events, "silent %" PRId64, event->conn_id);
        break;
    case CV_EVENT_DATA:
        note(end->events, "data %" PRId64 " %zu", event->conn_id, event->len);
        break;
    case CV_EVENT_FIN:
        note(end->events, "fin %" PRId64, event->conn_id);
        break;
    case CV_EVENT_DRAIN:
        note(end->events, "drain %" PRId64, event->conn_id);
        break;
    case CV_EVENT_CLOSED:
        note_closed(end, event);
        break;
    case CV_EVENT_ADD_CLIENT:
    case CV_EVENT_REMOVE_CLIENT:
        note(end->events, "%s %.*s/%" PRId64, event->kind == CV_EVENT_ADD_CLIENT ? "add" : "remove",
             (int)event->text_len, event->text, event->session_key);
        break;
    case CV_EVENT_PUBLISHED:
        note(end->events, "published %u %s %.*s", event->number, event->granted ? "yes" : "no",
             (int)event->text_len, event->text);
        break;
    case CV_EVENT_NOTICE:
        note(end->events, "notice %s %" PRId64, notices[event->notice], event->conn_id);
        break;
    }
}

/* Polls everything, and answers for the sinks. */
static void poll_all(struct end *end)
{
    struct cv_session_event event;

    while (cv_session_poll(end->session, &event)) {
        if (event.conn_id && event.kind != CV_EVENT_NOTICE) {
            struct end_conn *conn = end_conn(end, event.conn_id);

            cr_assert_not(conn->closed && event.kind != CV_EVENT_CONNECT,
                          "after CLOSED of %" PRId64, event.conn_id);
            conn->closed = event.kind == CV_EVENT_CLOSED;
        }
        note_event(end, &event);
        if (event.kind == CV_EVENT_DATA) {
            struct end_conn *conn = end_conn(end, event.conn_id);
            size_t len = cv_min_size(event.len, end->takes);

            assert_pattern(end, conn, event.data, event.len);
            conn->taken += len;
            if (len)
                cv_session_taken(end->session, len);
        }
    }
}

int end_hear_message(struct end *end, const uint8_t *message, size_t len)
{
    size_t at = 0;
    int rc;

    cv_session_heard(end->session, end->now);
    do {
        size_t n = cv_min_size(end->piece, len - at);
        /* a block of its own, gone when its events were polled: whoever keeps a pointer is found
         * out */
        uint8_t *copy = malloc(n ? n : 1);

        cr_assert_not_null(copy);
        if (n)
            memcpy(copy, message + at, n);
        at += n;
        rc = cv_session_recv(end->session, copy, n, at == len, end->now);
        poll_all(end);
        free(copy);
    } while (rc == 0 && at < len);
    return rc;
}

int end_hear_body(struct end *end, int64_t type, int64_t conn_id, const void *body, size_t len)
{
    static uint8_t message[MESSAGE_MAX];
    struct cv_frame frame = {.id = 1, .conn_id = conn_id, .type = type, .deadline = CV_DEADLINE_MS};
    size_t head = cv_frame_encode(message, &frame);

    cr_assert_leq(head + len, MESSAGE_MAX);
    if (len)
        memcpy(message + head, body, len);
    return end_hear_message(end, message, head + len);
}

int end_hear(struct end *end, int64_t type, int64_t conn_id, const char *body)
{
    return end_hear_body(end, type, conn_id, body, strlen(body));
}

int end_hear_data(struct end *end, int64_t conn_id, size_t len)
{
    struct end_conn *conn = end_conn(end, conn_id);
    static uint8_t body[CV_DATA_MAX];

    while (len > 0) {
        size_t n = cv_min_size(len, sizeof(body));
        int rc;

        for (size_t i = 0; i < n; i++)
            body[i] = pattern(conn_id, conn->heard + i);
        conn->heard += n;
        len -= n;
        rc = end_hear_body(end, CV_FRAME_DATA, conn_id, body, n);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int end_hear_window(struct end *end, int64_t conn_id, int64_t grant)
{
    uint8_t body[CV_VARINT_MAX];

    return end_hear_body(end, CV_FRAME_WINDOW, conn_id, body, cv_varint_encode(body, grant));
}

int end_hear_sync(struct end *end, const int64_t *ids, size_t count)
{
    uint8_t body[CV_SYNC_ID_SIZE * END_CONNS];

    for (size_t i = 0; i < count; i++)
        cv_sync_id_encode(body + CV_SYNC_ID_SIZE * i, ids[i]);
    return end_hear_body(end, CV_FRAME_SYNC, 0, body, CV_SYNC_ID_SIZE * count);
}

int64_t end_dial(struct end *end)
{
    int64_t id;
    int rc = cv_session_dial(end->session, "tcp", "a:1", NULL, end->now, &id);

    return rc < 0 ? rc : id;
}

void end_source(struct end *end, int64_t conn_id, size_t len)
{
    end_conn(end, conn_id)->source += len;
    cr_assert_eq(cv_session_ready(end->session, conn_id, true), 0);
}

size_t end_backlog(struct end *end, int64_t conn_id)
{
    const uint8_t *data;
    size_t len;

    cr_assert_eq(cv_session_backlog(end->session, conn_id, &data, &len), 0);
    return len;
}

size_t end_drain(struct end *end, int64_t conn_id, size_t len)
{
    struct end_conn *conn = end_conn(end, conn_id);
    size_t drained = 0;

    while (drained < len) {
        const uint8_t *data;
        size_t n;

        if (cv_session_backlog(end->session, conn_id, &data, &n) < 0 || n == 0)
            break;
        n = cv_min_size(n, len - drained);
        assert_pattern(end, conn, data, n);
        conn->taken += n;
        drained += n;
        cr_assert_eq(cv_session_consume(end->session, conn_id, n), 0);
    }
    return drained;
}

const char *end_tells(struct end *end)
{
    static char words[END_WORDS];

    poll_all(end);
    memcpy(words, end->events, sizeof(words));
    end->events[0] = '\0';
    return words;
}

/* The body of a list, in words. */
static void note_sync(struct end *end, const uint8_t *body, size_t len)
{
    char ids[END_WORDS / 2] = "";
    size_t n = 0;

    cr_assert_eq(len % CV_SYNC_ID_SIZE, 0);
    for (size_t at = 0; at < len; at += CV_SYNC_ID_SIZE)
        n += (size_t)snprintf(ids + n, sizeof(ids) - n, "%s%" PRId64, at ? "," : "",
                              cv_sync_id_decode(body + at));
    note(end->frames, "Sync %s", ids);
}

static const char *frame_name(int64_t type)
{
    switch ((enum cv_frame_type)type) {
    case CV_FRAME_DATA:
        return "Data";
    case CV_FRAME_CONNECT:
        return "Connect";
    case CV_FRAME_ERROR:
        return "Error";
    case CV_FRAME_ADD_CLIENT:
        return "AddClient";
    case CV_FRAME_REMOVE_CLIENT:
        return "RemoveClient";
    case CV_FRAME_PAUSE:
        return "Pause";
    case CV_FRAME_RESUME:
        return "Resume";
    case CV_FRAME_SYNC:
        return "Sync";
    case CV_FRAME_CONNECTED:
        return "Connected";
    case CV_FRAME_CLOSE_WRITE:
        return "CloseWrite";
    case CV_FRAME_WINDOW:
        return "Window";
    case CV_FRAME_PUBLISHED:
        return "Published";
    case CV_FRAME_SILENT:
        return "Silent";
    }
    return "?";
}

static void note_frame(struct end *end, const struct cv_frame *frame, const uint8_t *body,
                       size_t len)
{
    int64_t grant;

    if (frame->type == CV_FRAME_SYNC) {
        note_sync(end, body, len);
    } else if (frame->type == CV_FRAME_ADD_CLIENT || frame->type == CV_FRAME_REMOVE_CLIENT) {
        note(end->frames, "%s %.*s", frame_name(frame->type), (int)len, body);
    } else if (frame->type == CV_FRAME_DATA) {
        note(end->frames, "Data %" PRId64 " %zu", frame->conn_id, len);
    } else if (frame->type == CV_FRAME_WINDOW) {
        cr_assert_eq(cv_varint_decode(&grant, body, len), (int)len);
        note(end->frames, "Window %" PRId64 " %" PRId64, frame->conn_id, grant);
    } else {
        note(end->frames, "%s %" PRId64 "%s%.*s", frame_name(frame->type), frame->conn_id,
             len ? " " : "", (int)len, len ? (const char *)body : "");
    }
}

/* Notes a whole message, checks what every message has in common, and carries it over. */
static void say_message(struct end *end, const struct cv_slot *slot, const uint8_t *body,
                        size_t len)
{
    static uint8_t message[MESSAGE_MAX];
    struct cv_frame frame;

    cr_assert_eq(cv_frame_decode(&frame, slot->head, slot->head_len), (int)slot->head_len);
    if (end->frame_id >= 0)
        cr_assert_eq(frame.id, end->frame_id + 1, "frames are counted");
    end->frame_id = frame.id;
    note_frame(end, &frame, body, len);
    if (!end->to)
        return;
    memcpy(message, slot->head, slot->head_len);
    if (len)
        memcpy(message + slot->head_len, body, len);
    cr_assert_eq(end_hear_message(end->to, message, slot->head_len + len), 0);
}

/* The turn of a source: false when it turned out to have nothing. */
static bool say_data(struct end *end, const struct cv_slot *slot)
{
    struct end_conn *conn = end_conn(end, slot->conn_id);
    size_t len = cv_min_size(slot->max, conn->source);
    static uint8_t body[CV_DATA_MAX];

    cr_assert_gt(slot->max, 0);
    cr_assert_leq(slot->max, CV_DATA_MAX);
    end->max = slot->max;
    if (len == 0) {
        cr_assert_eq(cv_session_ready(end->session, slot->conn_id, false), 0);
        return false;
    }
    for (size_t i = 0; i < len; i++)
        body[i] = pattern(conn->id, conn->sent + i);
    conn->sent += len;
    conn->source -= len;
    cv_session_sent(end->session, slot, len, end->now);
    say_message(end, slot, body, len);
    return true;
}

/* Says one thing; false when there is none. */
static bool say_one(struct end *end, size_t room)
{
    struct cv_slot slot;

    for (;;) {
        cv_session_next(end->session, room, end->now, &slot);
        switch (slot.kind) {
        case CV_SLOT_NONE:
            return false;
        case CV_SLOT_PING:
            note(end->frames, "ping");
            return true;
        case CV_SLOT_FRAME:
            cr_assert_leq(slot.head_len + slot.body_len, room);
            say_message(end, &slot, slot.body, slot.body_len);
            return true;
        case CV_SLOT_DATA:
            cr_assert_leq(slot.head_len + slot.max, room);
            if (say_data(end, &slot))
                return true;
            break;
        }
    }
}

static const char *frames(struct end *end)
{
    static char words[END_WORDS];

    memcpy(words, end->frames, sizeof(words));
    end->frames[0] = '\0';
    return words;
}

const char *end_says_in(struct end *end, size_t room)
{
    while (say_one(end, room))
        ;
    return frames(end);
}

const char *end_says(struct end *end)
{
    const char *words = end_says_in(end, SIZE_MAX);

    cr_assert_not(cv_session_pending(end->session));
    return words;
}

const char *end_says_one(struct end *end)
{
    say_one(end, SIZE_MAX);
    return frames(end);
}

int end_tick(struct end *end, uint64_t at)
{
    end->now = at;
    return cv_session_tick(end->session, at);
}

void pair_init(struct pair *pair, bool culvert, unsigned features)
{
    struct cv_session_config dialler = end_reference(CV_SESSION_DIALLER);
    struct cv_session_config acceptor = end_reference(CV_SESSION_ACCEPTOR);

    dialler.culvert = acceptor.culvert = culvert;
    dialler.features = acceptor.features = features;
    end_init(&pair->dialler, &dialler);
    end_init(&pair->acceptor, &acceptor);
    pair->dialler.to = &pair->acceptor;
    pair->acceptor.to = &pair->dialler;
}

void pair_deinit(struct pair *pair)
{
    end_deinit(&pair->dialler);
    end_deinit(&pair->acceptor);
}

void pair_run(struct pair *pair)
{
    bool more = true;

    while (more) {
        more = say_one(&pair->dialler, SIZE_MAX);
        more = say_one(&pair->acceptor, SIZE_MAX) || more;
        pair->dialler.frames[0] = pair->acceptor.frames[0] = '\0';
    }
}
