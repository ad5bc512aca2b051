#ifndef TESTS_UNIT_WS_AUTOBAHN_H
#define TESTS_UNIT_WS_AUTOBAHN_H

#include "ws/ws.h"

/* The cases of the Autobahn|Testsuite's fuzzing list, without compression, re-stated as data.
 *
 * A case says what the fuzzer sends and what an echo endpoint must send back: data messages return
 * as they came, a Ping's payload in a Pong, a Close with its code. Behind its frames every case
 * sends a Close with 1000: where the endpoint has closed before, it must not look at it. */

#define AB_CASES      301 /* in all sections together */
#define AB_FRAMES_MAX 11

/* A run of frames on the wire, or messages that must come back. */
struct ab_frame {
    uint8_t first;    /* FIN, reserved bits and opcode */
    uint16_t times;   /* how often; 0 is once */
    const char *unit; /* the payload is this, over and over, up to len */
    size_t unit_len;
    size_t len;
    size_t fragment; /* cut into frames of that many bytes; 0: one frame */
};

struct ab_case {
    const char *number;
    struct ab_frame sends[AB_FRAMES_MAX]; /* ends where `unit` is NULL */
    struct ab_frame wants[AB_FRAMES_MAX]; /* likewise */
    size_t chop;   /* bytes that the case has at once on the wire; 0: as it comes */
    uint16_t code; /* of the endpoint's Close; 0 stands for 1000 */
    /* The endpoint must have failed with this byte of the stream of payload bytes (control frames
     * not counted), no byte sooner or later; 0: not looked at. */
    size_t fails_at;
};

typedef void ab_visit(const struct ab_case *c, void *ctx);

/* Each calls @visit with the cases of its sections in turn; a case lives until that returns. */
void ab_basic_cases(ab_visit *visit, void *ctx); /* 1 to 5, 7 and 10 */
void ab_utf8_cases(ab_visit *visit, void *ctx);  /* 6 */
void ab_limit_cases(ab_visit *visit, void *ctx); /* 9 */

#define AB_WHOLE     SIZE_MAX       /* as much at once as there is, up to AB_BUFFER */
#define AB_FRAMEWISE (SIZE_MAX - 1) /* a frame at once */
#define AB_BUFFER    ((size_t)256 * 1024)

/* Runs @c against an echo endpoint of @role that is handed @chunk bytes at once; fails the test
 * when it does not answer as the case wants. */
void ab_run(const struct ab_case *c, enum cv_ws_role role, size_t chunk);

#endif
