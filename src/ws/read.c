#include "ws/ws.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "ws/utf8.h"

#define HEAD_MIN 2 /* bytes that every head has, and that tell how long it is */
#define BIT_FIN  0x80
#define BITS_RSV 0x70
#define BIT_MASK 0x80
#define BITS_LEN 0x7f

enum state {
    STATE_HEAD,    /* head_len of head_need bytes of a head are there */
    STATE_DATA,    /* inside the payload of a data frame */
    STATE_CONTROL, /* inside the payload of a control frame */
    STATE_END,     /* a Close or an error was reported */
};

void cv_ws_init(struct cv_ws *ws, enum cv_ws_role role, const struct cv_ws_limits *limits)
{
    *ws = (struct cv_ws){
        .role = role,
        .max_message = limits->max_message,
        .state = STATE_HEAD,
        .head_need = HEAD_MIN,
    };
}

enum cv_ws_code cv_ws_error_code(int error)
{
    if (error == CV_EUTF8)
        return CV_WS_BAD_DATA;
    return error == CV_ETOOLONG ? CV_WS_TOO_BIG : CV_WS_PROTOCOL_ERROR;
}

static uint64_t read_number(const uint8_t *in, size_t bytes)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < bytes; i++)
        sum = sum << 8 | in[i];
    return sum;
}

static bool is_control(uint8_t opcode)
{
    return opcode & 8;
}

/* Whether the frame may stand here (RFC 6455, 5.4 and 5.5); @length is the 7-bit one. */
static bool may_come(const struct cv_ws *ws, uint8_t length)
{
    switch (ws->opcode) {
    case CV_WS_CONT:
        return ws->message != 0;
    case CV_WS_TEXT:
    case CV_WS_BINARY:
        return ws->message == 0;
    case CV_WS_CLOSE:
    case CV_WS_PING:
    case CV_WS_PONG:
        return ws->fin && length <= CV_WS_CONTROL_MAX;
    }
    return false;
}

/* Bytes of the extended length that a 7-bit one announces. */
static size_t extended_bytes(uint8_t length)
{
    if (length < 126)
        return 0;
    return length == 126 ? 2 : 8;
}

/* Judges the two bytes that every head starts with, and says in head_need how many it has. */
static int start_head(struct cv_ws *ws)
{
    uint8_t length = ws->head[1] & BITS_LEN;
    bool masked = ws->head[1] & BIT_MASK;

    ws->fin = ws->head[0] & BIT_FIN;
    ws->opcode = ws->head[0] & 0x0f;
    if (ws->head[0] & BITS_RSV || masked != (ws->role == CV_WS_SERVER) || !may_come(ws, length))
        return CV_EPROTO;
    ws->head_need = (uint8_t)(HEAD_MIN + extended_bytes(length) + (masked ? 4 : 0));
    return 0;
}

/* Reads the length into `left`; it must have the shortest of its three forms and no top bit (RFC
 * 6455, 5.2). */
static int read_length(struct cv_ws *ws)
{
    uint8_t length = ws->head[1] & BITS_LEN;
    size_t bytes = extended_bytes(length);
    uint64_t least = bytes == 2 ? 126 : UINT16_MAX + 1;

    ws->left = length;
    if (bytes == 0)
        return 0;
    ws->left = read_number(ws->head + HEAD_MIN, bytes);
    return ws->left < least || ws->left > INT64_MAX ? CV_EPROTO : 0;
}

/* The head is whole: enters the payload. */
static int end_head(struct cv_ws *ws)
{
    int rc = read_length(ws);

    if (rc < 0)
        return rc;
    if (ws->role == CV_WS_SERVER)
        memcpy(ws->mask, ws->head + ws->head_need - 4, 4);
    ws->head_len = 0;
    ws->head_need = HEAD_MIN;
    ws->seen = 0;
    ws->state = is_control(ws->opcode) ? STATE_CONTROL : STATE_DATA;
    if (ws->state == STATE_CONTROL)
        return 0;
    if (ws->opcode != CV_WS_CONT) {
        ws->message = ws->opcode;
        ws->message_len = 0;
    }
    if (ws->left > ws->max_message - ws->message_len)
        return CV_ETOOLONG;
    ws->message_len += ws->left;
    return 0;
}

/* Takes bytes of the head; when it is whole the state is another one. Returns how many. */
static int take_head(struct cv_ws *ws, const uint8_t *data, size_t len)
{
    size_t used = 0;

    while (ws->state == STATE_HEAD && used < len) {
        size_t n = cv_min_size((size_t)(ws->head_need - ws->head_len), len - used);
        int rc = 0;

        memcpy(ws->head + ws->head_len, data + used, n);
        ws->head_len = (uint8_t)(ws->head_len + n);
        used += n;
        if (ws->head_len == HEAD_MIN)
            rc = start_head(ws);
        if (rc == 0 && ws->head_len == ws->head_need)
            rc = end_head(ws);
        if (rc < 0)
            return rc;
    }
    return (int)used;
}

/* @n bytes of payload of a data frame went by; @last: with them the message. */
static void pass(struct cv_ws *ws, size_t n, bool last)
{
    ws->seen += n;
    ws->left -= n;
    if (ws->left == 0)
        ws->state = STATE_HEAD;
    if (last)
        ws->message = 0;
}

/* Takes payload of a data frame and hands it out as a piece. Returns how many bytes. */
static int take_data(struct cv_ws *ws, uint8_t *data, size_t len, struct cv_ws_event *event)
{
    size_t n = ws->left < len ? (size_t)ws->left : len;
    bool last = ws->fin && n == ws->left;

    if (ws->role == CV_WS_SERVER)
        cv_ws_mask(data, n, ws->mask, ws->seen);
    if (ws->message == CV_WS_TEXT && !cv_utf8_check(&ws->utf8, data, n))
        return CV_EUTF8;
    if (last && ws->utf8 != CV_UTF8_START)
        return CV_EUTF8;
    if (n > 0 || last) {
        event->kind = CV_WS_EV_PIECE;
        event->opcode = (enum cv_ws_opcode)ws->message;
        event->fin = last;
        event->data = data;
        event->len = n;
    }
    pass(ws, n, last);
    return (int)n;
}

/* Codes that may stand in a Close (RFC 6455, 7.4.1; IANA's registry added 1012 to 1014). */
static bool close_code_valid(uint64_t code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

/* Reads the body of a Close, which @event holds as its payload, into code and reason. */
static int read_close(struct cv_ws_event *event)
{
    uint32_t utf8 = CV_UTF8_START;
    uint64_t code;

    event->code = CV_WS_NO_CODE;
    if (event->len == 0)
        return 0;
    if (event->len == 1)
        return CV_EPROTO;
    code = read_number(event->data, 2);
    if (!close_code_valid(code))
        return CV_EPROTO;
    event->code = (uint16_t)code;
    event->data += 2;
    event->len -= 2;
    return cv_utf8_check(&utf8, event->data, event->len) && utf8 == CV_UTF8_START ? 0 : CV_EUTF8;
}

/* The payload of a control frame is whole: hands it out. */
static int end_control(struct cv_ws *ws, struct cv_ws_event *event)
{
    if (ws->role == CV_WS_SERVER)
        cv_ws_mask(ws->control, ws->seen, ws->mask, 0);
    event->opcode = (enum cv_ws_opcode)ws->opcode;
    event->data = ws->control;
    event->len = ws->seen;
    ws->state = STATE_HEAD;
    if (ws->opcode != CV_WS_CLOSE) {
        event->kind = ws->opcode == CV_WS_PING ? CV_WS_EV_PING : CV_WS_EV_PONG;
        return 0;
    }
    event->kind = CV_WS_EV_CLOSE;
    ws->state = STATE_END;
    return read_close(event);
}

/* Collects payload of a control frame; the event comes when it is whole. Returns how many bytes. */
static int take_control(struct cv_ws *ws, const uint8_t *data, size_t len,
                        struct cv_ws_event *event)
{
    size_t n = ws->left < len ? (size_t)ws->left : len;
    int rc = 0;

    memcpy(ws->control + ws->seen, data, n);
    ws->seen += n;
    ws->left -= n;
    if (ws->left == 0)
        rc = end_control(ws, event);
    return rc < 0 ? rc : (int)n;
}

/* Takes a head, or payload, or a head with the payload behind it. A frame without payload ends with
 * its head: so the payload's turn comes even when no byte is left. */
static int take(struct cv_ws *ws, uint8_t *data, size_t len, struct cv_ws_event *event)
{
    int head = ws->state == STATE_HEAD ? take_head(ws, data, len) : 0, rc = 0;

    if (head < 0)
        return head;
    if (ws->state == STATE_DATA)
        rc = take_data(ws, data + head, len - (size_t)head, event);
    else if (ws->state == STATE_CONTROL)
        rc = take_control(ws, data + head, len - (size_t)head, event);
    return rc < 0 ? rc : head + rc;
}

int cv_ws_read(struct cv_ws *ws, uint8_t *data, size_t len, struct cv_ws_event *event)
{
    size_t used = 0;

    *event = (struct cv_ws_event){.kind = CV_WS_EV_NONE};
    if (ws->state == STATE_END)
        return CV_ECLOSED;
    len = cv_min_size(len, INT_MAX);
    while (used < len && event->kind == CV_WS_EV_NONE) {
        int rc = take(ws, data + used, len - used, event);

        if (rc < 0) {
            ws->state = STATE_END;
            *event = (struct cv_ws_event){.kind = CV_WS_EV_NONE};
            return rc;
        }
        used += (size_t)rc;
    }
    return (int)used;
}

uint64_t cv_ws_passing(const struct cv_ws *ws)
{
    bool plain = ws->role == CV_WS_CLIENT && ws->message == CV_WS_BINARY;

    return ws->state == STATE_DATA && plain ? ws->left : 0;
}

bool cv_ws_passed(struct cv_ws *ws, size_t len)
{
    bool last = ws->fin && len == ws->left;

    pass(ws, len, last);
    return last;
}
