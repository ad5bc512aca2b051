#ifndef CV_WS_WS_H
#define CV_WS_WS_H

#include <stdbool.h>

#include "base/attr.h"

/* RFC 6455 framing, both roles, without I/O and without memory of its own.
 *
 * The reader takes bytes as they come, cut anywhere. It unmasks payload in place and hands it out
 * in pieces as it arrives, so a message is never collected. Control frames are collected (125
 * bytes) and may stand between fragments.
 *
 *   piece    a run of payload bytes of one data message, borrowed from the caller's buffer
 *   message  what lies between the first frame of a data opcode and the frame with FIN */

enum cv_ws_role {
    CV_WS_CLIENT, /* masks what it sends, requires unmasked frames */
    CV_WS_SERVER, /* sends unmasked, requires masked frames */
};

enum cv_ws_opcode {
    CV_WS_CONT = 0,
    CV_WS_TEXT = 1,
    CV_WS_BINARY = 2,
    CV_WS_CLOSE = 8,
    CV_WS_PING = 9,
    CV_WS_PONG = 10,
};

#define CV_WS_HEAD_MAX    14
#define CV_WS_CONTROL_MAX 125

/* Close codes (RFC 6455, 7.4.1) that we send. */
enum cv_ws_code {
    CV_WS_NORMAL = 1000,
    CV_WS_GOING_AWAY = 1001,
    CV_WS_PROTOCOL_ERROR = 1002,
    CV_WS_NO_CODE = 1005, /* never sent: a Close without a code was received */
    CV_WS_BAD_DATA = 1007,
    CV_WS_POLICY = 1008,
    CV_WS_TOO_BIG = 1009,
    CV_WS_RESTART = 1012,
    CV_WS_TRY_LATER = 1013,
};

enum cv_ws_event_kind {
    CV_WS_EV_NONE,  /* all bytes taken, nothing to report yet */
    CV_WS_EV_PIECE, /* payload of a data message; may be empty when `fin` */
    CV_WS_EV_PING,  /* answer with a pong that echoes the payload */
    CV_WS_EV_PONG,
    CV_WS_EV_CLOSE, /* answer with the same code, then close; nothing may be fed any more */
};

struct cv_ws_event {
    enum cv_ws_event_kind kind;
    enum cv_ws_opcode opcode; /* PIECE: CV_WS_TEXT or CV_WS_BINARY, of the whole message */
    bool fin;                 /* PIECE: the last one of its message */
    uint8_t *data; /* payload: the caller's bytes, or, of a control frame, the reader's until fed */
    size_t len;
    uint16_t code; /* CLOSE: the code, CV_WS_NO_CODE when there was none; data is the reason text */
};

struct cv_ws_limits {
    uint64_t max_message; /* bytes of one data message, over all its fragments */
};

/* Reader state. Plain data; the fields are private to ws. */
struct cv_ws {
    enum cv_ws_role role;
    uint64_t max_message;
    uint64_t left; /* payload bytes of this frame still to come; > 0 when a call ends inside it */
    uint64_t seen; /* payload bytes of this frame so far: the phase of the mask */
    uint64_t message_len; /* of the open data message with all of this frame; <= max_message */
    uint32_t utf8;   /* state of the check of the open text message; CV_UTF8_START without one */
    uint8_t state;   /* what the next byte belongs to, an enum of read.c */
    uint8_t opcode;  /* of the frame being read */
    uint8_t message; /* opcode of the open data message, 0 when none */
    bool fin;        /* of the frame being read */
    uint8_t mask[4]; /* of the frame being read; zeros in a client */
    uint8_t head_len, head_need; /* bytes of the head there, bytes it will have as far as known */
    uint8_t head[CV_WS_HEAD_MAX];
    uint8_t control[CV_WS_CONTROL_MAX]; /* `seen` bytes of the control frame being read */
};

void cv_ws_init(struct cv_ws *ws, enum cv_ws_role role, const struct cv_ws_limits *limits);

/* Reads up to the next event; returns how many of @len bytes it took (at least one when @len is not
 * 0). Feed the rest again until nothing is left of it. Payload is unmasked where it lies in @data.
 *
 * After an error nothing may be fed; close the connection with cv_ws_error_code() of it:
 *
 * CV_EPROTO    1002: reserved bits or opcodes, masking, fragmentation, control frames too long or
 *              fragmented, a length that is not minimal, a close body of one byte or with a
 *              forbidden code
 * CV_EUTF8     1007: a text message, or a close reason, is not UTF-8; noticed at the first byte
 *              that cannot be right (in a close reason, when it is whole)
 * CV_ETOOLONG  1009: the message is over its limit; noticed in the head of the frame that breaks it
 * CV_ECLOSED   fed after a Close or an error */
int cv_ws_read(struct cv_ws *ws, uint8_t *data, size_t len, struct cv_ws_event *event) CV_MUST_USE;

/* How many bytes of payload may go by outside next, without being fed: those of the data frame
 * being read that are still to come. 0 between frames, and where payload has to be looked at. */
uint64_t cv_ws_passing(const struct cv_ws *ws);

/* The first @len (> 0) of these did. Returns whether they were the last ones of their message. */
bool cv_ws_passed(struct cv_ws *ws, size_t len);

/* The close code that tells the other end of an error of cv_ws_read(). */
enum cv_ws_code cv_ws_error_code(int error);

/* Writes the head of an unfragmented or first, middle or last frame to @out (room for
 * CV_WS_HEAD_MAX bytes) and returns its length. @mask is NULL for a server. */
size_t cv_ws_head_encode(uint8_t *out, enum cv_ws_opcode opcode, bool fin, uint64_t len,
                         const uint8_t mask[4]);

/* Length of the head that cv_ws_head_encode() would write. */
size_t cv_ws_head_size(uint64_t len, bool masked);

/* Writes a whole Close frame to @out (room for CV_WS_HEAD_MAX + CV_WS_CONTROL_MAX bytes) and
 * returns its length. The reason (UTF-8, or NULL for none) is cut to fit, at a character's end.
 * With CV_WS_NO_CODE the body is empty. */
size_t cv_ws_close_encode(uint8_t *out, uint16_t code, const char *reason, const uint8_t mask[4]);

/* XORs @data with the mask key, whose byte (@phase mod 4) meets data[0]. Uses the widest vectors
 * the machine has. */
void cv_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t phase);

/* The same a byte at a time: what the vectorised one is tested against. */
void cv_ws_mask_plain(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t phase);

#endif
