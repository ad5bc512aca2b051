#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "session/core.h"

/* SyncConnections: the dialler lists the connections that it knows, and the acceptor drops those
 * that it alone has. */

/* Whether the other end should know the connection. */
static bool on_wire(const struct entry *e)
{
    return !e->wire_over && e->conn.state != CV_CONN_CLOSED && e->conn.state != CV_CONN_DRAINING;
}

static int by_id(const struct entry *a, const struct entry *b)
{
    return (a->id > b->id) - (a->id < b->id);
}

int cv_sync_make(struct cv_session *s)
{
    struct entry *e, *next;
    size_t count = 0;
    uint8_t *body;

    if (s->want_sync)
        return 0; /* the last one still waits */
    body = cv_alloc(s->alloc, CV_SYNC_ID_SIZE * ((size_t)HASH_COUNT(s->entries) + 1));
    if (!body)
        return -ENOMEM;
    HASH_SRT(hh, s->entries, by_id);
    HASH_ITER (hh, s->entries, e, next) {
        if (on_wire(e))
            cv_sync_id_encode(body + CV_SYNC_ID_SIZE * count++, e->id);
    }
    cv_free(s->alloc, s->sync_body);
    s->sync_body = body;
    s->sync_len = CV_SYNC_ID_SIZE * count;
    s->want_sync = true;
    return 0;
}

void cv_sync_begin(struct cv_session *s)
{
    s->sync_part_len = 0;
    s->sync_number++;
}

void cv_sync_piece(struct cv_session *s, const uint8_t *data, size_t len)
{
    while (len) {
        size_t n = cv_min_size(sizeof(s->sync_part) - s->sync_part_len, len);
        struct entry *e;

        memcpy(s->sync_part + s->sync_part_len, data, n);
        s->sync_part_len += n;
        data += n;
        len -= n;
        if (s->sync_part_len < sizeof(s->sync_part))
            return;
        s->sync_part_len = 0;
        e = cv_entry_find(s, cv_sync_id_decode(s->sync_part));
        if (e)
            e->listed = s->sync_number;
    }
}

int cv_sync_end(struct cv_session *s, uint64_t now)
{
    struct entry *e, *next;

    if (s->sync_part_len)
        return CV_EPROTO;
    /* Lists come every minute. Going through the table for each of a flood would cost everybody
     * else. */
    if (s->sync_swept_at != CV_NEVER && now - s->sync_swept_at < CV_SYNC_LEAST)
        return 0;
    s->sync_swept_at = now;
    HASH_ITER (hh, s->entries, e, next) {
        if (e->listed == s->sync_number || !on_wire(e)) {
            e->missed = 0;
            continue;
        }
        /* A list may be older than a connection that is still opening: twice in a row, and not
         * young, is proof. */
        if (e->missed < 2)
            e->missed++;
        if (e->missed < 2 || now - e->opened_at <= CV_SYNC_GRACE)
            continue;
        e->wire_over = true; /* the other end does not know it: no Error */
        cv_entry_abort(s, e, CV_REASON_SYNC, NULL);
    }
    return 0;
}
