#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "autobahn.h"

/* Plays a case: the source makes the fuzzer's bytes, the endpoint echoes them with the codec under
 * test, and the listener holds what comes back against the case. Source and listener know framing
 * by themselves. */

#define TILE_MAX ((size_t)64 * 1024)

/* A payload's unit over and over, to copy from and to compare with. */
struct tile {
    const struct ab_frame *of; /* whose; NULL: nobody's yet */
    size_t len;                /* a multiple of the unit, but when that is empty */
    uint8_t bytes[TILE_MAX];
};

struct source {
    const struct ab_frame *frame; /* the next or open one; NULL at the end */
    unsigned round;               /* how often it was sent whole */
    bool open;                    /* between the head's first and the payload's last byte */
    size_t head_len, head_at;
    size_t at;         /* payload bytes of the message sent */
    size_t begin, end; /* of this wire frame in that payload */
    uint8_t head[14], mask[4];
    size_t data_bytes; /* payload of data frames sent altogether */
    struct tile tile;
};

struct listener {
    const struct ab_frame *want; /* the next to come whole */
    unsigned round;              /* how often it came */
    uint8_t message;             /* opcode of the open one, or 0 */
    size_t at;                   /* its payload bytes so far */
    struct tile tile;
};

struct run {
    const struct ab_case *c;
    enum cv_ws_role role;
    size_t chunk;
    struct cv_ws ws;
    uint8_t last; /* opcode of the message that the endpoint has open */
    bool closed;  /* the endpoint sent its Close */
    uint32_t key; /* of the last mask */
    struct source source;
    struct listener listener;
    uint8_t buffer[AB_BUFFER];
};

/* An assertion that costs nothing while it holds: there are millions. */
#define must(r, what)                                                                      \
    do {                                                                                   \
        if (!(what))                                                                       \
            cr_assert(false, "case %s as %s, %zu bytes at once: %s", (r)->c->number,       \
                      (r)->role == CV_WS_CLIENT ? "client" : "server", (r)->chunk, #what); \
    } while (0)

static const struct ab_frame last_close = {
    .first = 0x80 | CV_WS_CLOSE, .unit = "\x03\xe8", .unit_len = 2, .len = 2};

static void tile_set(struct tile *tile, const struct ab_frame *frame)
{
    size_t most = frame->len + frame->unit_len;

    if (tile->of == frame)
        return;
    tile->of = frame;
    tile->len = 0;
    while (frame->unit_len && tile->len < most && tile->len + frame->unit_len <= TILE_MAX) {
        memcpy(tile->bytes + tile->len, frame->unit, frame->unit_len);
        tile->len += frame->unit_len;
    }
}

/* The payload from byte @at on; lowers @len to what lies there in one run. */
static const uint8_t *tile_at(const struct tile *tile, size_t at, size_t *len)
{
    size_t phase = tile->len ? at % tile->len : 0;

    *len = cv_min_size(*len, tile->len - phase);
    return tile->bytes + phase;
}

static void new_mask(struct run *r, uint8_t mask[4])
{
    r->key = r->key * 1664525 + 1013904223;
    memcpy(mask, &r->key, 4);
}

/* Four bytes at a time, for the big cases; @phase turns the mask. */
static void xor_mask(uint8_t *data, size_t len, const uint8_t mask[4], size_t phase)
{
    const uint8_t turned[4] = {mask[phase % 4], mask[(phase + 1) % 4], mask[(phase + 2) % 4],
                               mask[(phase + 3) % 4]};
    uint32_t key, word;
    size_t at = 0;

    memcpy(&key, turned, sizeof(key));
    for (; len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, data + at, sizeof(word));
        word ^= key;
        memcpy(data + at, &word, sizeof(word));
    }
    for (; at < len; at++)
        data[at] ^= turned[at % 4];
}

/* Opens the next wire frame: the source's own way of writing a head. */
static void source_open(struct run *r)
{
    struct source *s = &r->source;
    const struct ab_frame *frame = s->frame;
    size_t left = frame->len - s->at;
    size_t len = frame->fragment && frame->fragment < left ? frame->fragment : left;
    size_t extended = len < 126 ? 0 : len < 65536 ? 2 : 8;
    bool masked = r->role == CV_WS_SERVER;

    s->head[0] = s->at > 0 ? frame->first & 0xf0 : frame->first;
    if (len < left)
        s->head[0] &= 0x7f;
    s->head[1] = (uint8_t)(extended == 0 ? len : extended == 2 ? 126 : 127);
    for (size_t i = 0; i < extended; i++)
        s->head[2 + i] = (uint8_t)(len >> (8 * (extended - 1 - i)));
    s->head_len = 2 + extended;
    memset(s->mask, 0, 4);
    if (masked) {
        new_mask(r, s->mask);
        s->head[1] |= 0x80;
        memcpy(s->head + s->head_len, s->mask, 4);
        s->head_len += 4;
    }
    s->head_at = 0;
    s->begin = s->at;
    s->end = s->at + len;
    s->open = true;
    tile_set(&s->tile, frame);
}

/* The open wire frame is out: goes to the next one. */
static void source_advance(struct source *s)
{
    s->open = false;
    if (s->at < s->frame->len)
        return;
    s->at = 0;
    if (++s->round < s->frame->times)
        return;
    s->round = 0;
    if (s->frame == &last_close)
        s->frame = NULL;
    else if (s->frame[1].unit)
        s->frame++;
    else
        s->frame = &last_close;
}

/* Writes up to @size bytes of the open frame. */
static size_t source_write(struct source *s, uint8_t *out, size_t size)
{
    size_t head = cv_min_size(size, s->head_len - s->head_at);
    size_t len = cv_min_size(size - head, s->end - s->at);
    const uint8_t *payload = tile_at(&s->tile, s->at, &len);

    memcpy(out, s->head + s->head_at, head);
    memcpy(out + head, payload, len);
    if (s->head[1] & 0x80)
        xor_mask(out + head, len, s->mask, s->at - s->begin);
    s->head_at += head;
    s->at += len;
    if (s->frame->first < (0x80 | CV_WS_CLOSE))
        s->data_bytes += len;
    return head + len;
}

/* Writes up to @r->chunk bytes to the buffer; returns how many, 0 at the end. */
static size_t source_fill(struct run *r)
{
    struct source *s = &r->source;
    size_t room = cv_min_size(r->chunk, AB_BUFFER), n = 0;

    while (n < room && s->frame) {
        if (!s->open)
            source_open(r);
        n += source_write(s, r->buffer + n, room - n);
        if (s->head_at < s->head_len || s->at < s->end)
            continue;
        source_advance(s);
        if (r->chunk == AB_FRAMEWISE)
            break;
    }
    return n;
}

/* The listener's own way of reading a head; checks all that is the same for every frame. */
static size_t listen_head(struct run *r, const uint8_t *head, size_t *len, uint8_t mask[4])
{
    size_t size = head[1] & 0x7f, extended = size < 126 ? 0 : size == 126 ? 2 : 8;
    bool masked = head[1] & 0x80;

    must(r, !r->closed);
    must(r, (head[0] & 0x70) == 0);
    must(r, masked == (r->role == CV_WS_CLIENT));
    *len = extended ? 0 : size;
    for (size_t i = 0; i < extended; i++)
        *len = *len << 8 | head[2 + i];
    must(r, extended == (*len < 126 ? 0 : *len < 65536 ? 2 : 8));
    memset(mask, 0, 4);
    if (masked)
        memcpy(mask, head + 2 + extended, 4);
    return 2 + extended + (masked ? 4 : 0);
}

/* A whole message or Pong came, and it was the one wanted. */
static void listen_done(struct run *r)
{
    struct listener *l = &r->listener;

    if (++l->round < l->want->times)
        return;
    l->round = 0;
    l->want++;
}

static void listen_pong(struct run *r, const uint8_t *data, size_t len)
{
    const struct ab_frame *want = r->listener.want;

    must(r, want->unit && want->first == (0x80 | CV_WS_PONG));
    must(r, len == want->len);
    for (size_t i = 0; i < len; i++)
        must(r, data[i] == (uint8_t)want->unit[i % want->unit_len]);
    listen_done(r);
}

/* A fragment of an echo. Control frames that are wanted may still come before its last one; and an
 * echo that stays unfinished, because the endpoint fails, is no message. */
static void listen_data(struct run *r, uint8_t first, const uint8_t *data, size_t len)
{
    struct listener *l = &r->listener;
    const struct ab_frame *want = l->want;
    uint8_t opcode = first & 0x0f;

    must(r, (opcode == CV_WS_CONT) == (l->message != 0));
    if (opcode != CV_WS_CONT)
        l->message = opcode;
    while (want->unit && want->first == (0x80 | CV_WS_PONG))
        want++;
    if (!want->unit) {
        must(r, !(first & 0x80));
        return;
    }
    must(r, want->first == (0x80 | l->message));
    must(r, len <= want->len - l->at);
    tile_set(&l->tile, want);
    while (len > 0) {
        size_t run = len;
        const uint8_t *tile = tile_at(&l->tile, l->at, &run);

        must(r, memcmp(tile, data, run) == 0);
        l->at += run;
        data += run;
        len -= run;
    }
    if (!(first & 0x80))
        return;
    must(r, l->at == want->len);
    must(r, want == l->want);
    l->at = 0;
    l->message = 0;
    listen_done(r);
}

static void listen_close(struct run *r, const uint8_t *data, size_t len)
{
    uint16_t code = r->c->code ? r->c->code : CV_WS_NORMAL;

    must(r, !r->listener.want->unit);
    must(r, len != 1);
    must(r, (len ? data[0] << 8 | data[1] : CV_WS_NO_CODE) == code);
    r->closed = true;
}

/* The endpoint sent a frame: @head, whose payload lies apart in @data unless that is NULL. */
static void listen_frame(struct run *r, uint8_t *head, size_t size, uint8_t *data, size_t data_len)
{
    uint8_t mask[4];
    size_t len, head_len = listen_head(r, head, &len, mask);

    if (!data) {
        data = head + head_len;
        data_len = size - head_len;
        size = head_len;
    }
    must(r, head_len == size);
    must(r, len == data_len);
    xor_mask(data, r->role == CV_WS_CLIENT ? len : 0, mask, 0);
    if (head[0] == (0x80 | CV_WS_CLOSE)) {
        listen_close(r, data, len);
    } else if (head[0] == (0x80 | CV_WS_PONG)) {
        listen_pong(r, data, len);
    } else {
        must(r, (head[0] & 0x0f) <= CV_WS_BINARY);
        listen_data(r, head[0], data, len);
    }
}

static void endpoint_send(struct run *r, enum cv_ws_opcode opcode, bool fin,
                          const struct cv_ws_event *event)
{
    uint8_t head[CV_WS_HEAD_MAX], mask[4];
    bool masks = r->role == CV_WS_CLIENT;
    size_t n;

    new_mask(r, mask);
    n = cv_ws_head_encode(head, opcode, fin, event->len, masks ? mask : NULL);
    if (masks)
        cv_ws_mask(event->data, event->len, mask, 0);
    listen_frame(r, head, n, event->data, event->len);
}

static void endpoint_close(struct run *r, uint16_t code, const char *reason)
{
    uint8_t out[CV_WS_HEAD_MAX + CV_WS_CONTROL_MAX], mask[4];
    size_t n;

    new_mask(r, mask);
    n = cv_ws_close_encode(out, code, reason, r->role == CV_WS_CLIENT ? mask : NULL);
    listen_frame(r, out, n, NULL, 0);
}

static void endpoint_answer(struct run *r, const struct cv_ws_event *event)
{
    switch (event->kind) {
    case CV_WS_EV_NONE:
    case CV_WS_EV_PONG:
        break;
    case CV_WS_EV_PIECE:
        must(r, r->last == 0 || r->last == event->opcode);
        endpoint_send(r, r->last ? CV_WS_CONT : event->opcode, event->fin, event);
        r->last = event->fin ? 0 : (uint8_t)event->opcode;
        break;
    case CV_WS_EV_PING:
        endpoint_send(r, CV_WS_PONG, true, event);
        break;
    case CV_WS_EV_CLOSE:
        endpoint_close(r, event->code, NULL);
        break;
    }
}

/* The echo endpoint: reads until it has closed. */
static void endpoint_feed(struct run *r, uint8_t *data, size_t len)
{
    while (len > 0 && !r->closed) {
        struct cv_ws_event event;
        int n = cv_ws_read(&r->ws, data, len, &event);

        if (n < 0) {
            endpoint_close(r, (uint16_t)cv_ws_error_code(n), "cannot go on");
            return;
        }
        must(r, n > 0 && (size_t)n <= len);
        endpoint_answer(r, &event);
        data += n;
        len -= (size_t)n;
    }
}

void ab_run(const struct ab_case *c, enum cv_ws_role role, size_t chunk)
{
    const struct cv_ws_limits limits = {.max_message = 16 * 1024 * 1024};
    struct run *r = calloc(1, sizeof(*r));
    size_t n;

    cr_assert_not_null(r);
    r->c = c;
    r->role = role;
    r->chunk = chunk;
    r->source.frame = c->sends;
    r->listener.want = c->wants;
    cv_ws_init(&r->ws, role, &limits);
    while ((n = source_fill(r)) > 0) {
        endpoint_feed(r, r->buffer, n);
        if (c->fails_at)
            must(r, r->closed == (r->source.data_bytes >= c->fails_at));
    }
    must(r, r->closed);
    free(r);
}
