#include <string.h>

#include "base/error.h"
#include "session/core.h"

/* Frames about no entry wait in one queue of bytes: a record is this head, then the body. */
struct record {
    int64_t conn_id;
    uint16_t type;
    uint16_t len;
};

static int push(struct cv_session *s, const struct record *record, const void *body)
{
    uint8_t bytes[sizeof(*record) + CV_CONNECT_MAX];

    if (s->cut)
        return CV_ECLOSED;
    if (s->misc.len + sizeof(*record) + record->len > CV_SESSION_MISC_MAX)
        return CV_EFULL;
    memcpy(bytes, record, sizeof(*record));
    memcpy(bytes + sizeof(*record), body, record->len);
    return cv_chain_append(&s->misc, s->alloc, NULL, bytes, sizeof(*record) + record->len);
}

int cv_misc_orphan(struct cv_session *s, int64_t conn_id, const char *text)
{
    size_t len = cv_min_size(strlen(text), CV_ERROR_TEXT_MAX);
    struct record record;
    int rc;

    /* a sender that has not heard yet goes on: one answer says it all */
    if (s->orphans && s->last_orphan == conn_id)
        return 0;
    if (s->orphans >= CV_SESSION_ORPHANS_MAX)
        return CV_EFULL;
    memset(&record, 0, sizeof(record));
    record.conn_id = conn_id;
    record.type = CV_FRAME_ERROR;
    record.len = (uint16_t)len;
    rc = push(s, &record, text);
    if (rc < 0)
        return rc;
    s->orphans++;
    s->last_orphan = conn_id;
    return 0;
}

int cv_session_announce(struct cv_session *s, bool add, const char *key, int64_t session_key)
{
    uint8_t body[CV_ANNOUNCE_MAX];
    struct cv_announce announce = {.key = key, .key_len = strlen(key), .session_key = session_key};
    struct record record;
    int len = cv_announce_encode(body, &announce);

    if (len < 0)
        return len;
    memset(&record, 0, sizeof(record));
    record.type = add ? CV_FRAME_ADD_CLIENT : CV_FRAME_REMOVE_CLIENT;
    record.len = (uint16_t)len;
    return push(s, &record, body);
}

int cv_session_published(struct cv_session *s, uint32_t number, bool granted, const char *text)
{
    uint8_t body[CV_PUBLISHED_MAX];
    struct cv_published published = {
        .granted = granted, .number = number, .text = text, .text_len = strlen(text)};
    struct record record;

    _Static_assert(CV_PUBLISHED_MAX <= CV_CONNECT_MAX, "push() has room for it");
    if (!(s->config.features & CV_FEATURE_PUBLISH))
        return 0;
    memset(&record, 0, sizeof(record));
    record.type = CV_FRAME_PUBLISHED;
    record.len = (uint16_t)cv_published_encode(body, &published);
    return push(s, &record, body);
}

bool cv_misc_next(struct cv_session *s, size_t room, struct cv_slot *slot)
{
    struct record record;

    if (s->misc.len == 0 || room < CV_FRAME_HEAD_MAX + CV_CONNECT_MAX)
        return false;
    cv_chain_read(&s->misc, s->alloc, NULL, &record, sizeof(record));
    cv_chain_read(&s->misc, s->alloc, NULL, s->body, record.len);
    if (record.type == CV_FRAME_ERROR)
        s->orphans--;
    cv_slot_frame(s, slot, record.type, record.conn_id, s->body, record.len);
    return true;
}
