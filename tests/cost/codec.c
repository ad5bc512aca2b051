#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cost/cost.h"
#include "wire/frame.h"
#include "ws/ws.h"

/* wire and ws: heads and bodies of frames, messages parsed and masked. */

#define SMALL 64           /* bytes of a small message: a key stroke, a short answer */
#define LARGE (64u * 1024) /* of a large one: a turn of bulk */
#define TRAIN 16           /* small messages that come in one read */

static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};

/* A head there and back. */
static uint64_t head(const struct cv_frame *frame)
{
    uint8_t bytes[CV_FRAME_HEAD_MAX];
    struct cv_frame back;
    size_t len = cv_frame_encode(bytes, frame);

    if (cost_check(cv_frame_decode(&back, bytes, len), "a head is refused") != (int)len)
        cost_fail("a head is cut");
    return (uint64_t)back.id + (uint64_t)back.conn_id + (uint64_t)back.type + len;
}

/* As on a young session. */
static uint64_t wire_head_small(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < units; i++)
        sum += head(&(struct cv_frame){.id = i % 64,
                                       .conn_id = 2 + i % 16,
                                       .type = CV_FRAME_DATA,
                                       .deadline = CV_DEADLINE_MS});
    return sum;
}

/* As a reference end numbers them, from anywhere in 63 bits. */
static uint64_t wire_head_large(unsigned units)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < units; i++)
        sum += head(&(struct cv_frame){.id = INT64_MAX - i,
                                       .conn_id = INT64_MAX - 2 * (int64_t)i,
                                       .type = CV_FRAME_DATA,
                                       .deadline = CV_DEADLINE_MS});
    return sum;
}

static uint64_t wire_connect(unsigned units)
{
    const struct cv_connect connect = {
        .proto = "tcp", .proto_len = 3, .address = "service.example:8443", .address_len = 20};
    uint8_t body[CV_CONNECT_MAX];
    uint64_t sum = 0;

    for (unsigned i = 0; i < units; i++) {
        struct cv_connect back;
        int len = cost_check(cv_connect_encode(body, &connect), "a Connect is too long");

        cost_check(cv_connect_decode(&back, body, (size_t)len), "a Connect is refused");
        sum += back.proto_len + back.address_len;
    }
    return sum;
}

static uint64_t wire_announce(unsigned units)
{
    const struct cv_announce announce = {
        .key = "agent-0001.example", .key_len = 18, .session_key = 4711};
    uint8_t body[CV_ANNOUNCE_MAX];
    uint64_t sum = 0;

    for (unsigned i = 0; i < units; i++) {
        struct cv_announce back;
        int len = cost_check(cv_announce_encode(body, &announce), "an announcement is refused");

        cost_check(cv_announce_decode(&back, body, (size_t)len), "an announcement is refused");
        sum += back.key_len + (uint64_t)back.session_key;
    }
    return sum;
}

/* Writes @count messages of @len bytes each; returns the length of all. @mask NULL: a server's. */
static size_t lay_messages(uint8_t *out, size_t count, size_t len, const uint8_t *mask)
{
    size_t end = 0;

    for (size_t i = 0; i < count; i++) {
        end += cv_ws_head_encode(out + end, CV_WS_BINARY, true, len, mask);
        memset(out + end, (int)(i + 1), len);
        end += len;
    }
    return end;
}

/* Reads all messages that lie in @data; returns how many ended. */
static size_t read_messages(struct cv_ws *ws, uint8_t *data, size_t len, uint64_t *sum)
{
    size_t at = 0, ended = 0;

    while (at < len) {
        struct cv_ws_event event;

        at += (size_t)cost_check(cv_ws_read(ws, data + at, len - at, &event), "not a message");
        *sum += event.len + (event.len ? event.data[0] : 0);
        ended += event.kind == CV_WS_EV_PIECE && event.fin;
    }
    return ended;
}

/* Lays @units messages, @train in one buffer, and reads them, at the end that has @role. */
static uint64_t parse(unsigned units, size_t train, size_t len, enum cv_ws_role role)
{
    const struct cv_ws_limits limits = {.max_message = UINT64_C(1) << 30};
    uint8_t *data = malloc(train * (CV_WS_HEAD_MAX + len));
    size_t ended = 0, all;
    uint64_t sum = 0;
    struct cv_ws ws;

    if (!data)
        cost_fail("out of memory");
    cv_ws_init(&ws, role, &limits);
    while (ended < units) {
        all = lay_messages(data, train, len, role == CV_WS_SERVER ? key : NULL);
        ended += read_messages(&ws, data, all, &sum);
    }
    free(data);
    if (ended != units)
        cost_fail("messages are lost");
    return sum;
}

static uint64_t ws_small_from_server(unsigned units)
{
    return parse(units, TRAIN, SMALL, CV_WS_CLIENT);
}

static uint64_t ws_small_from_client(unsigned units)
{
    return parse(units, TRAIN, SMALL, CV_WS_SERVER);
}

static uint64_t ws_large_from_server(unsigned units)
{
    return parse(units, 1, LARGE, CV_WS_CLIENT);
}

static uint64_t ws_large_from_client(unsigned units)
{
    return parse(units, 1, LARGE, CV_WS_SERVER);
}

/* A message that comes in reads which cut it, and its head, anywhere. */
static uint64_t ws_cut(unsigned units)
{
    const struct cv_ws_limits limits = {.max_message = UINT64_C(1) << 30};
    uint8_t data[CV_WS_HEAD_MAX + SMALL];
    uint64_t sum = 0;
    size_t ended = 0;
    struct cv_ws ws;

    cv_ws_init(&ws, CV_WS_SERVER, &limits);
    for (unsigned i = 0; i < units; i++) {
        size_t len = lay_messages(data, 1, SMALL, key), cut = 1 + i % (len - 1);

        ended += read_messages(&ws, data, cut, &sum);
        ended += read_messages(&ws, data + cut, len - cut, &sum);
    }
    if (ended != units)
        cost_fail("messages are lost");
    return sum;
}

static uint64_t mask(unsigned units, size_t len)
{
    static uint8_t data[LARGE + 4];
    uint64_t sum = 0;

    for (unsigned i = 0; i < units; i++) {
        cv_ws_mask(data + i % 4, len, key, i);
        sum += data[i % len];
    }
    return sum;
}

static uint64_t ws_mask_small(unsigned units)
{
    return mask(units, SMALL);
}

static uint64_t ws_mask_large(unsigned units)
{
    return mask(units, LARGE);
}

const struct cost_scenario cost_codec[] = {
    {"wire.head.small", "head there and back", 200, 2200, wire_head_small},
    {"wire.head.large", "head there and back", 200, 2200, wire_head_large},
    {"wire.connect", "body there and back", 200, 2200, wire_connect},
    {"wire.announce", "body there and back", 200, 2200, wire_announce},
    {"ws.small.from-server", "message of 64 bytes", 160, 3360, ws_small_from_server},
    {"ws.small.from-client", "message of 64 bytes, masked", 160, 3360, ws_small_from_client},
    {"ws.large.from-server", "message of 64 KiB", 4, 24, ws_large_from_server},
    {"ws.large.from-client", "message of 64 KiB, masked", 4, 24, ws_large_from_client},
    {"ws.cut", "masked message of 64 bytes in two reads", 140, 2240, ws_cut},
    {"ws.mask.small", "64 bytes", 200, 2200, ws_mask_small},
    {"ws.mask.large", "64 KiB", 4, 24, ws_mask_large},
    {0},
};

const struct cost_scenario cost_vectors[] = {
    {"ws.mask.vectors", "64 KiB by AVX2", 4, 24, ws_mask_large},
    {0},
};
