/* One message: the head of a frame, and its body where the body has a form.
 *
 * What was read and is written again is the shortest form of the same bytes, and reads as the same.
 * What was refused is refused whole: more bytes behind it do not help, unless the answer was that
 * more are needed. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool fine)
{
    if (!fine)
        abort();
}

static void check_connect(const uint8_t *body, size_t len)
{
    uint8_t out[CV_CONNECT_MAX];
    struct cv_connect connect;
    int rc = cv_connect_decode(&connect, body, len);

    require((rc == CV_ETOOLONG) == (len > CV_CONNECT_MAX));
    if (rc < 0) {
        require(rc == CV_ETOOLONG || (rc == CV_EPROTO && (!len || !memchr(body, '/', len))));
        return;
    }
    require(connect.proto_len + 1 + connect.address_len == len);
    require(!memchr(connect.proto, '/', connect.proto_len));
    require(cv_connect_encode(out, &connect) == (int)len);
    require(memcmp(out, body, len) == 0);
}

static void check_announce(const uint8_t *body, size_t len)
{
    uint8_t out[CV_ANNOUNCE_MAX];
    struct cv_announce announce, again;
    int n = cv_announce_decode(&announce, body, len);

    require((n == CV_ETOOLONG) == (len > CV_ANNOUNCE_MAX));
    if (n < 0)
        return;
    require(announce.session_key >= 0 && announce.key_len < len);
    n = cv_announce_encode(out, &announce);
    require((n == CV_EBADKEY) == !cv_key_valid(announce.key, announce.key_len));
    if (n < 0)
        return;
    /* leading zeros of the session key are not written */
    require((size_t)n <= len);
    require(cv_announce_decode(&again, out, (size_t)n) == 0);
    require(again.session_key == announce.session_key && again.key_len == announce.key_len);
    require(memcmp(again.key, announce.key, again.key_len) == 0);
}

static void check_sync(const uint8_t *body, size_t len)
{
    for (size_t at = 0; at + CV_SYNC_ID_SIZE <= len; at += CV_SYNC_ID_SIZE) {
        uint8_t out[CV_SYNC_ID_SIZE];

        cv_sync_id_encode(out, cv_sync_id_decode(body + at));
        require(memcmp(out, body + at, sizeof(out)) == 0);
    }
}

static void check_head(const struct cv_frame *frame, const uint8_t *data, size_t n)
{
    uint8_t out[CV_FRAME_HEAD_MAX];
    struct cv_frame again;
    size_t shortest = cv_frame_encode(out, frame);

    require(n <= CV_FRAME_HEAD_MAX && shortest <= n);
    require(cv_frame_decode(&again, out, shortest) == (int)shortest);
    require(again.id == frame->id && again.conn_id == frame->conn_id);
    require(again.type == frame->type && again.deadline == frame->deadline);
    require(shortest < n || memcmp(out, data, n) == 0);
    for (size_t cut = 0; cut < n; cut++)
        require(cv_frame_decode(&again, data, cut) == CV_EMORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cv_frame frame;
    int n = cv_frame_decode(&frame, data, len);

    if (n < 0) {
        require(n == CV_EMORE || n == CV_EPROTO);
        require(n != CV_EMORE || len < CV_FRAME_HEAD_MAX);
        return 0;
    }
    check_head(&frame, data, (size_t)n);
    data += n;
    len -= (size_t)n;
    if (frame.type == CV_FRAME_CONNECT)
        check_connect(data, len);
    if (frame.type == CV_FRAME_ADD_CLIENT || frame.type == CV_FRAME_REMOVE_CLIENT)
        check_announce(data, len);
    if (frame.type == CV_FRAME_SYNC)
        check_sync(data, len);
    return 0;
}
