#ifndef CV_WIRE_FRAME_H
#define CV_WIRE_FRAME_H

#include <stdbool.h>

#include "wire/varint.h"

/* Frames of the remotedialer protocol: one WebSocket message is one frame, `id connID type
 * [deadline] body`. See docs/PROTOCOL.md. The body's length is what the message has left. */

enum cv_frame_type {
    CV_FRAME_DATA = 1,
    CV_FRAME_CONNECT = 2,
    CV_FRAME_ERROR = 3,
    CV_FRAME_ADD_CLIENT = 4,
    CV_FRAME_REMOVE_CLIENT = 5,
    CV_FRAME_PAUSE = 6,
    CV_FRAME_RESUME = 7,
    CV_FRAME_SYNC = 8,
    /* Extensions between Culvert ends; a reference end skips types that it does not know. */
    CV_FRAME_CONNECTED = 16,   /* empty: the dial succeeded */
    CV_FRAME_CLOSE_WRITE = 17, /* empty: no more Data will follow */
    CV_FRAME_WINDOW = 18,      /* a varint: that many more bytes may be sent */
    CV_FRAME_PUBLISHED = 19,   /* what became of something that the dialler wants published */
    CV_FRAME_SILENT = 20,      /* empty: the dial waits for an end that gives no sign of life */
};

#define CV_FRAME_HEAD_MAX (4 * CV_VARINT_MAX)
#define CV_CONNECT_MAX    266   /* bytes of a Connect's `proto/address` */
#define CV_ANNOUNCE_MAX   100   /* bytes of `clientKey/sessionKey` */
#define CV_PUBLISHED_MAX  266   /* bytes of a Published's body */
#define CV_ERROR_TEXT_MAX 100   /* bytes of an Error's text that are looked at */
#define CV_DEADLINE_MS    15000 /* what every sender writes and no receiver reads */

/* The head of one frame. */
struct cv_frame {
    int64_t id;       /* counts frames; for logs only */
    int64_t conn_id;  /* 0 for frames that are about no connection */
    int64_t type;     /* an enum cv_frame_type, or one that is not known */
    int64_t deadline; /* of Data and Connect, else 0 */
};

/* Writes a head to @out (room for CV_FRAME_HEAD_MAX bytes) and returns its length. */
size_t cv_frame_encode(uint8_t *out, const struct cv_frame *frame);

/* Reads the head of one frame; returns its length, behind which the body starts.
 *
 * CV_EMORE   the head is cut short: offer the same bytes again with more. At the end of a message
 * it is CV_EPROTO's equal: drop the session CV_EPROTO  a varint runs past 10 bytes or 64 bits: drop
 * the session */
int cv_frame_decode(struct cv_frame *out, const uint8_t *msg, size_t len) CV_MUST_USE;

/* A Connect's body, borrowed from where it was read. */
struct cv_connect {
    const char *proto; /* not ended by NUL; may hold a route, `clientKey::tcp` */
    size_t proto_len;
    const char *address; /* not ended by NUL, any bytes */
    size_t address_len;
};

/* Writes `proto/address` to @out (room for CV_CONNECT_MAX bytes) and returns its length.
 *
 * CV_ETOOLONG  over CV_CONNECT_MAX bytes; the reference would cut it and dial another port */
int cv_connect_encode(uint8_t *out, const struct cv_connect *connect) CV_MUST_USE;

/* Splits at the first slash.
 *
 * CV_ETOOLONG  over CV_CONNECT_MAX bytes
 * CV_EPROTO    no slash */
int cv_connect_decode(struct cv_connect *out, const uint8_t *body, size_t len) CV_MUST_USE;

/* An AddClient's or RemoveClient's body, borrowed from where it was read. */
struct cv_announce {
    const char *key; /* not ended by NUL; any bytes: check with cv_key_valid() */
    size_t key_len;
    int64_t session_key;
};

/* Writes `clientKey/sessionKey` to @out (room for CV_ANNOUNCE_MAX bytes) and returns its length.
 *
 * CV_EBADKEY   not a client key
 * CV_ETOOLONG  over CV_ANNOUNCE_MAX bytes */
int cv_announce_encode(uint8_t *out, const struct cv_announce *announce) CV_MUST_USE;

/* Splits at the first slash.
 *
 * CV_ETOOLONG  over CV_ANNOUNCE_MAX bytes: the reference would cut it
 * CV_EPROTO    no slash, or no decimal of 63 bits behind it */
int cv_announce_decode(struct cv_announce *out, const uint8_t *body, size_t len) CV_MUST_USE;

/* A Published's body, `+1 where` or `-1 why`; the text is borrowed from where it was read. */
struct cv_published {
    bool granted;
    uint32_t number;  /* of what was asked for, from 1 */
    const char *text; /* not ended by NUL, any bytes: words for people */
    size_t text_len;
};

/* Writes a body to @out (room for CV_PUBLISHED_MAX bytes) and returns its length; text that does
 * not fit is cut. */
size_t cv_published_encode(uint8_t *out, const struct cv_published *published);

/* CV_EPROTO  another form, or over CV_PUBLISHED_MAX bytes */
int cv_published_decode(struct cv_published *out, const uint8_t *body, size_t len) CV_MUST_USE;

/* One connID of a SyncConnections body: 8 bytes, little-endian. */
#define CV_SYNC_ID_SIZE 8
void cv_sync_id_encode(uint8_t out[CV_SYNC_ID_SIZE], int64_t conn_id);
int64_t cv_sync_id_decode(const uint8_t in[CV_SYNC_ID_SIZE]);

#endif
