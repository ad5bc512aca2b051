#include "net/link.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* Room kept for a pong or a close, which may come while the buffer is full of data. */
#define CONTROL_ROOM (CV_WS_HEAD_MAX + CV_WS_CONTROL_MAX)

struct cv_link {
    struct cv_session *session; /* owned */
    const struct cv_alloc *alloc, *buffers;
    const struct cv_random *random;
    struct cv_ws ws;

    uint8_t *out; /* owned; NULL while nothing waits */
    size_t out_start, out_end, out_size;
    size_t aside, aside_len; /* bytes to be sent from elsewhere, and how many they were */
    size_t aside_at;         /* where in the buffer they belong */
    size_t send_size;        /* what the next buffer takes, CV_LINK_SEND_MIN to CV_LINK_SEND_MAX */

    struct cv_slot slot; /* the turn that was handed out */
    uint8_t mask[4];     /* of the frame being laid down */
    size_t pong_len;     /* of the last ping that was not answered yet */
    bool want_pong;
    bool closing; /* a close frame was laid down: nothing follows */
    uint16_t peer_code;
    char peer_reason[CV_WS_CONTROL_MAX];
    uint8_t pong[CV_WS_CONTROL_MAX];
};

int cv_link_new(struct cv_link **out, struct cv_session *session, const struct cv_alloc *alloc,
                const struct cv_alloc *buffers, const struct cv_random *random)
{
    struct cv_ws_limits limits = {.max_message = CV_LINK_MESSAGE_MAX};
    struct cv_link *link = cv_alloc_zero(alloc, sizeof(*link));
    bool dialler = cv_session_config(session)->role == CV_SESSION_DIALLER;

    if (!link)
        return -ENOMEM;
    link->session = session;
    link->alloc = alloc;
    link->buffers = buffers;
    link->send_size = CV_LINK_SEND_MIN;
    link->random = random;
    cv_ws_init(&link->ws, dialler ? CV_WS_CLIENT : CV_WS_SERVER, &limits);
    *out = link;
    return 0;
}

void cv_link_free(struct cv_link *link)
{
    if (!link)
        return;
    cv_session_free(link->session);
    cv_free(link->buffers, link->out);
    cv_free(link->alloc, link);
}

struct cv_session *cv_link_session(struct cv_link *link)
{
    return link->session;
}

/* Output. */

/* Room for @need more bytes at the end; false when there is none, and cannot be before something
 * was sent. */
static int make_room(struct cv_link *link, size_t need)
{
    size_t size = need > link->send_size ? need : link->send_size;

    if (link->out && link->out_size - link->out_end >= need)
        return 0;
    if (link->out_end > link->out_start)
        return CV_EFULL;
    cv_free(link->buffers, link->out);
    link->out_start = link->out_end = link->out_size = 0;
    link->out = cv_alloc(link->buffers, size + CONTROL_ROOM);
    if (!link->out)
        return -ENOMEM;
    link->out_size = size;
    return 0;
}

/* The mask for the next frame, or NULL at a server. */
static const uint8_t *next_mask(struct cv_link *link)
{
    if (link->ws.role == CV_WS_SERVER)
        return NULL;
    link->random->fill(link->random->ctx, link->mask, sizeof(link->mask));
    return link->mask;
}

/* Lays down a whole frame; the caller made room. */
static void lay_frame(struct cv_link *link, enum cv_ws_opcode opcode, const uint8_t *head,
                      size_t head_len, const uint8_t *body, size_t body_len)
{
    const uint8_t *mask = next_mask(link);
    size_t payload = head_len + body_len;
    uint8_t *at = link->out + link->out_end;

    at += cv_ws_head_encode(at, opcode, true, payload, mask);
    if (head_len)
        memcpy(at, head, head_len);
    if (body_len)
        memcpy(at + head_len, body, body_len);
    if (mask)
        cv_ws_mask(at, payload, mask, 0);
    link->out_end = (size_t)(at - link->out) + payload;
}

/* A pong or ping, into the room that is kept for it. */
static int lay_pong(struct cv_link *link)
{
    int rc = make_room(link, CONTROL_ROOM);

    if (rc < 0)
        return rc;
    link->want_pong = false;
    lay_frame(link, CV_WS_PONG, NULL, 0, link->pong, link->pong_len);
    return 0;
}

/* Room for one message's payload behind a WebSocket head, or 0. A list may be longer than the
 * buffer: then it is made to measure, when empty. */
static size_t payload_room(const struct cv_link *link)
{
    size_t left;

    if (link->out_end == link->out_start)
        return SIZE_MAX;
    left = link->out_size - link->out_end;
    return left > CV_WS_HEAD_MAX ? left - CV_WS_HEAD_MAX : 0;
}

/* Lays down a frame that the session had ready. */
static int lay_slot(struct cv_link *link)
{
    const struct cv_slot *slot = &link->slot;
    int rc = make_room(link, CV_WS_HEAD_MAX + slot->head_len + slot->body_len);

    if (rc == 0)
        lay_frame(link, CV_WS_BINARY, slot->head, slot->head_len, slot->body, slot->body_len);
    return rc;
}

/* Hands out the turn of a connection, within the buffer that there is. */
static void hand_out(struct cv_link *link, struct cv_link_turn *turn)
{
    struct cv_slot *slot = &link->slot;
    size_t room = link->out_size - link->out_end - CV_WS_HEAD_MAX - slot->head_len;
    size_t skip;

    slot->max = cv_min_size(slot->max, room);
    /* payload goes where it will be when the head has the length that the most bytes ask for */
    skip =
        cv_ws_head_size(slot->head_len + slot->max, link->ws.role == CV_WS_CLIENT) + slot->head_len;
    *turn = (struct cv_link_turn){.conn_id = slot->conn_id,
                                  .user = slot->user,
                                  .into = link->out + link->out_end + skip,
                                  .max = slot->max,
                                  .may_aside = link->ws.role == CV_WS_SERVER};
}

int cv_link_fill(struct cv_link *link, uint64_t now, struct cv_link_turn *turn)
{
    while (!link->closing && link->aside == 0) {
        int rc;

        if (link->want_pong) {
            rc = lay_pong(link);
            if (rc < 0)
                return rc == CV_EFULL ? 0 : rc;
        }
        /* a slot is off its queue once it is handed out: there must be a place for it */
        if (!link->out && cv_session_pending(link->session)) {
            rc = make_room(link, link->send_size);
            if (rc < 0)
                return rc;
        }
        cv_session_next(link->session, payload_room(link), now, &link->slot);
        switch (link->slot.kind) {
        case CV_SLOT_NONE:
            return 0;
        case CV_SLOT_PING:
            /* a ping that finds no room is as good as sent: there is enough under way to answer */
            if (make_room(link, CONTROL_ROOM) == 0)
                lay_frame(link, CV_WS_PING, NULL, 0, NULL, 0);
            break;
        case CV_SLOT_FRAME:
            rc = lay_slot(link);
            if (rc < 0)
                return rc;
            break;
        case CV_SLOT_DATA:
            hand_out(link, turn);
            return 1;
        }
    }
    return 0;
}

void cv_link_laid(struct cv_link *link, size_t len, uint64_t now)
{
    const struct cv_slot *slot = &link->slot;
    bool client = link->ws.role == CV_WS_CLIENT;
    uint8_t *at = link->out + link->out_end;
    size_t most = cv_ws_head_size(slot->head_len + slot->max, client);
    size_t real = cv_ws_head_size(slot->head_len + len, client);
    const uint8_t *mask = next_mask(link);
    size_t n = cv_ws_head_encode(at, CV_WS_BINARY, true, slot->head_len + len, mask);

    memcpy(at + n, slot->head, slot->head_len);
    if (real != most)
        memmove(at + real + slot->head_len, at + most + slot->head_len, len);
    if (mask)
        cv_ws_mask(at + n, slot->head_len + len, mask, 0);
    link->out_end += n + slot->head_len + len;
    cv_session_sent(link->session, slot, len, now);
}

void cv_link_laid_aside(struct cv_link *link, size_t len, uint64_t now)
{
    const struct cv_slot *slot = &link->slot;
    uint8_t *at = link->out + link->out_end;

    at += cv_ws_head_encode(at, CV_WS_BINARY, true, slot->head_len + len, NULL);
    memcpy(at, slot->head, slot->head_len);
    link->out_end = (size_t)(at - link->out) + slot->head_len;
    link->aside_at = link->out_end;
    link->aside = link->aside_len = len;
    cv_session_sent(link->session, slot, len, now);
}

size_t cv_link_output(const struct cv_link *link, const uint8_t **data)
{
    if (link->out)
        *data = link->out + link->out_start;
    return (link->aside > 0 ? link->aside_at : link->out_end) - link->out_start;
}

size_t cv_link_aside(const struct cv_link *link)
{
    return link->aside;
}

void cv_link_aside_sent(struct cv_link *link, size_t len)
{
    link->aside -= len;
    cv_link_sent(link, 0);
}

void cv_link_sent(struct cv_link *link, size_t len)
{
    link->out_start += len;
    if (link->out_start < link->out_end || link->aside > 0)
        return;
    if (link->out_end + link->aside_len > link->send_size - link->send_size / 4)
        link->send_size = cv_min_size(2 * link->send_size, CV_LINK_SEND_MAX);
    cv_free(link->buffers, link->out);
    link->out = NULL;
    link->out_start = link->out_end = link->out_size = link->aside_len = 0;
}

void cv_link_blocked(struct cv_link *link)
{
    if (link->send_size > CV_LINK_SEND_MIN)
        link->send_size /= 2;
}

/* @text may be NULL. */
static void lay_close(struct cv_link *link, uint16_t code, const char *text)
{
    if (link->closing)
        return;
    link->closing = true;
    /* every buffer has CONTROL_ROOM behind its size for this; without memory the end comes without
     * words */
    if (!link->out && make_room(link, CONTROL_ROOM) < 0)
        return;
    link->out_end += cv_ws_close_encode(link->out + link->out_end, code, text, next_mask(link));
}

void cv_link_close(struct cv_link *link, enum cv_ending ending)
{
    lay_close(link, (uint16_t)cv_ending_code(ending), cv_ending_text(ending));
}

bool cv_link_done(const struct cv_link *link)
{
    return link->closing && link->out_start == link->out_end && link->aside == 0;
}

bool cv_link_pending(const struct cv_link *link)
{
    if (link->out_end > link->out_start || link->aside > 0)
        return true;
    return !link->closing && (link->want_pong || cv_session_pending(link->session));
}

uint16_t cv_link_peer_close(const struct cv_link *link, const char **reason)
{
    if (reason)
        *reason = link->peer_reason;
    return link->peer_code;
}

/* Input. */

static int on_close(struct cv_link *link, const struct cv_ws_event *event)
{
    link->peer_code = event->code;
    memcpy(link->peer_reason, event->data, event->len);
    link->peer_reason[event->len] = '\0';
    lay_close(link, event->code, NULL);
    return CV_ECLOSED;
}

static int on_piece(struct cv_link *link, const struct cv_ws_event *event, uint64_t now)
{
    int rc;

    if (event->opcode == CV_WS_TEXT) {
        cv_link_close(link, CV_ENDING_PROTOCOL);
        return CV_EPROTO;
    }
    rc = cv_session_recv(link->session, event->data, event->len, event->fin, now);
    if (rc < 0)
        cv_link_close(link, cv_ending_of(rc, 0));
    return rc;
}

int cv_link_recv(struct cv_link *link, uint8_t *data, size_t len, uint64_t now)
{
    struct cv_ws_event event;
    int n, rc = 0;

    cv_session_heard(link->session, now);
    n = cv_ws_read(&link->ws, data, len, &event);
    if (n < 0) {
        lay_close(link, (uint16_t)cv_ws_error_code(n), NULL);
        return n;
    }
    switch (event.kind) {
    case CV_WS_EV_NONE:
        break;
    case CV_WS_EV_PIECE:
        rc = on_piece(link, &event, now);
        break;
    case CV_WS_EV_PING:
        /* of several pings the last one may be answered alone (RFC 6455, 5.5.3) */
        memcpy(link->pong, event.data, event.len);
        link->pong_len = event.len;
        link->want_pong = true;
        break;
    case CV_WS_EV_PONG:
        cv_session_pong(link->session, now);
        break;
    case CV_WS_EV_CLOSE:
        rc = on_close(link, &event);
        break;
    }
    return rc < 0 ? rc : n;
}

size_t cv_link_passing(struct cv_link *link, void **user)
{
    uint64_t left = cv_ws_passing(&link->ws);

    if (left == 0 || !cv_session_passing(link->session, user))
        return 0;
    return left < SIZE_MAX ? (size_t)left : SIZE_MAX;
}

void cv_link_passed(struct cv_link *link, size_t len, uint64_t now)
{
    cv_session_heard(link->session, now);
    cv_session_passed(link->session, len, cv_ws_passed(&link->ws, len));
}

size_t cv_link_data_head(const struct cv_link *link, uint8_t *data, size_t len, size_t payload)
{
    struct cv_ws ws = link->ws;
    struct cv_ws_event event;
    size_t head;
    int n;

    if (ws.role != CV_WS_CLIENT)
        return 0;
    n = cv_ws_read(&ws, data, len, &event);
    if (n < 0 || event.kind != CV_WS_EV_PIECE || event.opcode != CV_WS_BINARY)
        return 0;
    head = cv_session_data_head(link->session, event.data, event.len);
    if (head == 0 || event.len - head + cv_ws_passing(&ws) < payload)
        return 0;
    return (size_t)n - event.len + head;
}

/* Time. */

uint64_t cv_link_deadline(const struct cv_link *link)
{
    return cv_session_deadline(link->session);
}

int cv_link_tick(struct cv_link *link, uint64_t now)
{
    int rc = cv_session_tick(link->session, now);

    if (rc < 0)
        cv_link_close(link, cv_ending_of(rc, 0));
    return rc;
}
