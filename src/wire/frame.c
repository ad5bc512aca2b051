#include "wire/frame.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "base/text.h"

static bool has_deadline(int64_t type)
{
    return type == CV_FRAME_DATA || type == CV_FRAME_CONNECT;
}

size_t cv_frame_encode(uint8_t *out, const struct cv_frame *frame)
{
    size_t n = cv_varint_encode(out, frame->id);

    n += cv_varint_encode(out + n, frame->conn_id);
    n += cv_varint_encode(out + n, frame->type);
    if (has_deadline(frame->type))
        n += cv_varint_encode(out + n, frame->deadline);
    return n;
}

int cv_frame_decode(struct cv_frame *out, const uint8_t *msg, size_t len)
{
    int64_t *const fields[] = {&out->id, &out->conn_id, &out->type, &out->deadline};
    int n = 0;

    out->deadline = 0;
    for (size_t i = 0; i < 4; i++) {
        int rc;

        if (i == 3 && !has_deadline(out->type))
            break;
        rc = cv_varint_decode(fields[i], msg + n, len - (size_t)n);
        if (rc < 0)
            return rc;
        n += rc;
    }
    return n;
}

/* Splits @body at its first slash; false when there is none. */
static bool split(const uint8_t *body, size_t len, size_t *first_len)
{
    const uint8_t *slash = len ? memchr(body, '/', len) : NULL;

    if (slash)
        *first_len = (size_t)(slash - body);
    return slash != NULL;
}

int cv_connect_encode(uint8_t *out, const struct cv_connect *connect)
{
    size_t n = connect->proto_len;

    if (n + 1 + connect->address_len > CV_CONNECT_MAX)
        return CV_ETOOLONG;
    memcpy(out, connect->proto, n);
    out[n++] = '/';
    memcpy(out + n, connect->address, connect->address_len);
    return (int)(n + connect->address_len);
}

int cv_connect_decode(struct cv_connect *out, const uint8_t *body, size_t len)
{
    if (len > CV_CONNECT_MAX)
        return CV_ETOOLONG;
    if (!split(body, len, &out->proto_len))
        return CV_EPROTO;
    out->proto = (const char *)body;
    out->address = (const char *)body + out->proto_len + 1;
    out->address_len = len - out->proto_len - 1;
    return 0;
}

int cv_announce_encode(uint8_t *out, const struct cv_announce *announce)
{
    char text[CV_ANNOUNCE_MAX + 1];
    struct cv_text t;

    if (!cv_key_valid(announce->key, announce->key_len))
        return CV_EBADKEY;
    cv_text_init(&t, text, sizeof(text));
    cv_text_bytes(&t, announce->key, announce->key_len);
    cv_text_str(&t, "/");
    cv_text_i64(&t, announce->session_key);
    if (t.truncated)
        return CV_ETOOLONG;
    memcpy(out, text, t.len);
    return (int)t.len;
}

int cv_announce_decode(struct cv_announce *out, const uint8_t *body, size_t len)
{
    const char *text = (const char *)body;
    size_t key_len;

    if (len > CV_ANNOUNCE_MAX)
        return CV_ETOOLONG;
    if (!split(body, len, &key_len))
        return CV_EPROTO;
    if (!cv_text_to_i64(text + key_len + 1, len - key_len - 1, &out->session_key))
        return CV_EPROTO;
    out->key = text;
    out->key_len = key_len;
    return 0;
}

size_t cv_published_encode(uint8_t *out, const struct cv_published *published)
{
    char text[CV_PUBLISHED_MAX + 1];
    struct cv_text t;

    cv_text_init(&t, text, sizeof(text));
    cv_text_str(&t, published->granted ? "+" : "-");
    cv_text_u64(&t, published->number);
    cv_text_str(&t, " ");
    cv_text_bytes(&t, published->text, published->text_len);
    memcpy(out, text, t.len);
    return t.len;
}

int cv_published_decode(struct cv_published *out, const uint8_t *body, size_t len)
{
    const char *text = (const char *)body;
    const char *blank = len ? memchr(text, ' ', len) : NULL;
    int64_t number;

    if (len > CV_PUBLISHED_MAX || !blank || (text[0] != '+' && text[0] != '-'))
        return CV_EPROTO;
    if (!cv_text_to_i64(text + 1, (size_t)(blank - text - 1), &number) || number < 1 ||
        number > UINT32_MAX)
        return CV_EPROTO;
    out->granted = text[0] == '+';
    out->number = (uint32_t)number;
    out->text = blank + 1;
    out->text_len = len - (size_t)(blank + 1 - text);
    return 0;
}

void cv_sync_id_encode(uint8_t out[CV_SYNC_ID_SIZE], int64_t conn_id)
{
    for (int i = 0; i < CV_SYNC_ID_SIZE; i++)
        out[i] = (uint8_t)((uint64_t)conn_id >> (8 * i));
}

int64_t cv_sync_id_decode(const uint8_t in[CV_SYNC_ID_SIZE])
{
    uint64_t value = 0;

    for (int i = 0; i < CV_SYNC_ID_SIZE; i++)
        value |= (uint64_t)in[i] << (8 * i);
    return (int64_t)value;
}
