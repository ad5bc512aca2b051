/* One byte stream, read by either role.
 *
 * However it is cut, the reader reports the same: the same payload, the same messages and control
 * frames between them, and the same error. The cuts come from the input itself. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ws/utf8.h"
#include "ws/ws.h"

#define MESSAGE_MAX 70000 /* so that lengths of 16 and of 64 bits both fit and do not */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What was reported, written down so that pieces of a payload cannot be told from the whole. */
struct record {
    uint8_t *bytes;
    size_t len, size;
    size_t firm; /* bytes up to the last entry that is no payload */
    uint64_t message_len;
    uint32_t utf8;
};

static void require(bool fine)
{
    if (!fine)
        abort();
}

static void put(struct record *r, uint8_t tag, const uint8_t *bytes, size_t len)
{
    require(len < r->size - r->len);
    r->bytes[r->len++] = tag;
    if (len > 0)
        memcpy(r->bytes + r->len, bytes, len);
    r->len += len;
}

static void put_piece(struct record *r, const struct cv_ws_event *event)
{
    require(event->opcode == CV_WS_TEXT || event->opcode == CV_WS_BINARY);
    require(event->len > 0 || event->fin);
    for (size_t i = 0; i < event->len; i++)
        put(r, 'd', event->data + i, 1);
    r->message_len += event->len;
    require(r->message_len <= MESSAGE_MAX);
    if (event->opcode == CV_WS_TEXT)
        require(cv_utf8_check(&r->utf8, event->data, event->len));
    if (!event->fin)
        return;
    require(r->utf8 == CV_UTF8_START);
    put(r, event->opcode == CV_WS_TEXT ? 't' : 'b', NULL, 0);
    r->firm = r->len;
    r->message_len = 0;
}

static void put_control(struct record *r, const struct cv_ws_event *event)
{
    uint8_t head[] = {(uint8_t)(event->code >> 8), (uint8_t)event->code, (uint8_t)event->len};

    require(event->len <= CV_WS_CONTROL_MAX);
    put(r, (uint8_t)('0' + event->kind), head, sizeof(head));
    put(r, ':', event->data, event->len);
    r->firm = r->len;
}

/* A text that fails has been handed out as far as it was cut: those pieces depend on the cuts. */
static void put_error(struct record *r, int error)
{
    require(error == CV_EPROTO || error == CV_EUTF8 || error == CV_ETOOLONG);
    if (error == CV_EUTF8)
        r->len = r->firm;
    put(r, (uint8_t)('A' + (CV_EMORE - error)), NULL, 0);
}

/* Feeds one chunk; false when the reader has ended. */
static bool feed(struct cv_ws *ws, struct record *r, uint8_t *data, size_t len)
{
    while (len > 0) {
        struct cv_ws_event event;
        int n = cv_ws_read(ws, data, len, &event);

        if (n < 0) {
            put_error(r, n);
            return false;
        }
        require(n > 0 && (size_t)n <= len);
        if (event.kind == CV_WS_EV_PIECE)
            put_piece(r, &event);
        else if (event.kind != CV_WS_EV_NONE)
            put_control(r, &event);
        if (event.kind == CV_WS_EV_CLOSE)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads all of @data in chunks of 1 to @most bytes; each in a block of its own, so that a sanitizer
 * sees a step beside it. */
static void read_cut(struct record *r, enum cv_ws_role role, const uint8_t *data, size_t len,
                     size_t most)
{
    const struct cv_ws_limits limits = {.max_message = MESSAGE_MAX};
    uint32_t random = (uint32_t)len;
    bool going = true;
    struct cv_ws ws;

    cv_ws_init(&ws, role, &limits);
    *r = (struct record){.size = 4 * len + 64, .utf8 = CV_UTF8_START};
    r->bytes = malloc(r->size);
    require(r->bytes != NULL);
    while (going && len > 0) {
        size_t chunk;
        uint8_t *copy;

        random = (random ^ data[0]) * 16777619 + 1;
        chunk = cv_min_size(1 + (random >> 8) % most, len);
        if (most == SIZE_MAX)
            chunk = len;
        copy = malloc(chunk);
        require(copy != NULL);
        memcpy(copy, data, chunk);
        going = feed(&ws, r, copy, chunk);
        free(copy);
        data += chunk;
        len -= chunk;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const size_t cuts[] = {1, 4, 40};

    for (int role = CV_WS_CLIENT; role <= CV_WS_SERVER; role++) {
        struct record whole, cut;

        read_cut(&whole, (enum cv_ws_role)role, data, len, SIZE_MAX);
        for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
            read_cut(&cut, (enum cv_ws_role)role, data, len, cuts[i]);
            require(cut.len == whole.len);
            require(memcmp(cut.bytes, whole.bytes, cut.len) == 0);
            free(cut.bytes);
        }
        free(whole.bytes);
    }
    return 0;
}
