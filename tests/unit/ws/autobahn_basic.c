#include <stdio.h>

#include "autobahn.h"

/* Sections 1 to 5, 7 and 10: short, so each case is a row. */

#define FIN 0x80
#define RAW(byte, text)                                                                        \
    {                                                                                          \
        .first = (byte), .unit = (text), .unit_len = sizeof(text) - 1, .len = sizeof(text) - 1 \
    }
#define FILL(byte, text, n)                                                       \
    {                                                                             \
        .first = (byte), .unit = (text), .unit_len = sizeof(text) - 1, .len = (n) \
    }
#define TEXT(text)   RAW(FIN | CV_WS_TEXT, text)
#define BINARY(text) RAW(FIN | CV_WS_BINARY, text)
#define PING(text)   RAW(FIN | CV_WS_PING, text)
#define PONG(text)   RAW(FIN | CV_WS_PONG, text)
#define CLOSE(text)  RAW(FIN | CV_WS_CLOSE, text)
/* Of a fragmented message. */
#define OPEN(text) RAW(CV_WS_TEXT, text)
#define MORE(text) RAW(CV_WS_CONT, text)
#define LAST(text) RAW(FIN | CV_WS_CONT, text)
#define RSV(bits)  ((bits) << 4)

#define HELLO  "Hello, world!"
#define ODD    "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
#define NORMAL CLOSE("\x03\xe8")
#define BROKEN .code = CV_WS_PROTOCOL_ERROR

static const struct ab_case pings[] = {
    {.number = "2.1", .sends = {PING("")}, .wants = {PONG("")}},
    {.number = "2.2", .sends = {PING(HELLO)}, .wants = {PONG(HELLO)}},
    {.number = "2.3", .sends = {PING(ODD)}, .wants = {PONG(ODD)}},
    {.number = "2.4",
     .sends = {FILL(FIN | CV_WS_PING, "\xfe", 125)},
     .wants = {FILL(FIN | CV_WS_PONG, "\xfe", 125)}},
    {.number = "2.5", .sends = {FILL(FIN | CV_WS_PING, "\xfe", 126)}, BROKEN},
    {.number = "2.6",
     .sends = {FILL(FIN | CV_WS_PING, "\xfe", 125)},
     .wants = {FILL(FIN | CV_WS_PONG, "\xfe", 125)},
     .chop = 1},
    {.number = "2.7", .sends = {PONG("")}},
    {.number = "2.8", .sends = {PONG("unsolicited")}},
    {.number = "2.9", .sends = {PONG("unsolicited"), PING("asked")}, .wants = {PONG("asked")}},
#define TEN(KIND)                                                                          \
    {                                                                                      \
        KIND("ping-0"), KIND("ping-1"), KIND("ping-2"), KIND("ping-3"), KIND("ping-4"),    \
            KIND("ping-5"), KIND("ping-6"), KIND("ping-7"), KIND("ping-8"), KIND("ping-9") \
    }
    {.number = "2.10", .sends = TEN(PING), .wants = TEN(PONG)},
    {.number = "2.11", .sends = TEN(PING), .wants = TEN(PONG), .chop = 1},
#undef TEN
};

static const struct ab_case reserved_bits[] = {
    {.number = "3.1", .sends = {RAW(FIN | RSV(1) | CV_WS_TEXT, HELLO)}, BROKEN},
    {.number = "3.2",
     .sends = {TEXT(HELLO), RAW(FIN | RSV(2) | CV_WS_TEXT, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN},
    {.number = "3.3",
     .sends = {TEXT(HELLO), RAW(FIN | RSV(3) | CV_WS_TEXT, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN,
     .chop = AB_FRAMEWISE},
    {.number = "3.4",
     .sends = {TEXT(HELLO), RAW(FIN | RSV(4) | CV_WS_TEXT, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN,
     .chop = 1},
    {.number = "3.5", .sends = {RAW(FIN | RSV(5) | CV_WS_BINARY, ODD)}, BROKEN},
    {.number = "3.6", .sends = {RAW(FIN | RSV(6) | CV_WS_PING, HELLO)}, BROKEN},
    {.number = "3.7", .sends = {RAW(FIN | RSV(7) | CV_WS_CLOSE, "")}, BROKEN},
};

static const struct ab_case opcodes[] = {
    {.number = "4.1.1", .sends = {RAW(FIN | 3, "")}, BROKEN},
    {.number = "4.1.2", .sends = {RAW(FIN | 4, "reserved")}, BROKEN},
    {.number = "4.1.3",
     .sends = {TEXT(HELLO), RAW(FIN | 5, ""), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN},
    {.number = "4.1.4",
     .sends = {TEXT(HELLO), RAW(FIN | 6, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN},
    {.number = "4.1.5",
     .sends = {TEXT(HELLO), RAW(FIN | 7, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN,
     .chop = 1},
    {.number = "4.2.1", .sends = {RAW(FIN | 11, "")}, BROKEN},
    {.number = "4.2.2", .sends = {RAW(FIN | 12, "reserved")}, BROKEN},
    {.number = "4.2.3",
     .sends = {TEXT(HELLO), RAW(FIN | 13, ""), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN},
    {.number = "4.2.4",
     .sends = {TEXT(HELLO), RAW(FIN | 14, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN},
    {.number = "4.2.5",
     .sends = {TEXT(HELLO), RAW(FIN | 15, HELLO), PING("")},
     .wants = {TEXT(HELLO)},
     BROKEN,
     .chop = 1},
};

#define TWO        OPEN("fragment1"), LAST("fragment2")
#define TWO_PINGED OPEN("fragment1"), PING("between"), LAST("fragment2")
#define TWO_ECHO   TEXT("fragment1fragment2")
#define STRAY_LAST LAST("stray"), TEXT(HELLO)
#define STRAY_MORE MORE("stray"), TEXT(HELLO)
#define FIVE_SENT \
    OPEN("a1"), MORE("b2"), PING("one"), MORE("c3"), MORE("d4"), PING("two"), LAST("e5")
#define FIVE_ECHO    PONG("one"), PONG("two"), TEXT("a1b2c3d4e5")
#define TWICE(stray) stray, OPEN("f2"), LAST("f3"), stray, OPEN("f2"), LAST("f3")

static const struct ab_case fragments[] = {
    {.number = "5.1", .sends = {RAW(CV_WS_PING, "fragment1"), LAST("fragment2")}, BROKEN},
    {.number = "5.2", .sends = {RAW(CV_WS_PONG, "fragment1"), LAST("fragment2")}, BROKEN},
    {.number = "5.3", .sends = {TWO}, .wants = {TWO_ECHO}},
    {.number = "5.4", .sends = {TWO}, .wants = {TWO_ECHO}, .chop = AB_FRAMEWISE},
    {.number = "5.5", .sends = {TWO}, .wants = {TWO_ECHO}, .chop = 1},
    {.number = "5.6", .sends = {TWO_PINGED}, .wants = {PONG("between"), TWO_ECHO}},
    {.number = "5.7",
     .sends = {TWO_PINGED},
     .wants = {PONG("between"), TWO_ECHO},
     .chop = AB_FRAMEWISE},
    {.number = "5.8", .sends = {TWO_PINGED}, .wants = {PONG("between"), TWO_ECHO}, .chop = 1},
    {.number = "5.9", .sends = {STRAY_LAST}, BROKEN},
    {.number = "5.10", .sends = {STRAY_LAST}, BROKEN, .chop = AB_FRAMEWISE},
    {.number = "5.11", .sends = {STRAY_LAST}, BROKEN, .chop = 1},
    {.number = "5.12", .sends = {STRAY_MORE}, BROKEN},
    {.number = "5.13", .sends = {STRAY_MORE}, BROKEN, .chop = AB_FRAMEWISE},
    {.number = "5.14", .sends = {STRAY_MORE}, BROKEN, .chop = 1},
    {.number = "5.15",
     .sends = {TWO, MORE("fragment3"), TEXT("fragment4")},
     .wants = {TWO_ECHO},
     BROKEN},
    {.number = "5.16", .sends = {TWICE(MORE("f1"))}, BROKEN},
    {.number = "5.17", .sends = {TWICE(LAST("f1"))}, BROKEN},
    {.number = "5.18", .sends = {OPEN("fragment1"), TEXT("fragment2")}, BROKEN},
    {.number = "5.19", .sends = {FIVE_SENT}, .wants = {FIVE_ECHO}},
    {.number = "5.20", .sends = {FIVE_SENT}, .wants = {FIVE_ECHO}, .chop = AB_FRAMEWISE},
};

static const struct ab_case closes[] = {
    {.number = "7.1.1", .sends = {TEXT(HELLO)}, .wants = {TEXT(HELLO)}},
    {.number = "7.1.2", .sends = {NORMAL, CLOSE("")}},
    {.number = "7.1.3", .sends = {NORMAL, PING("")}},
    {.number = "7.1.4", .sends = {NORMAL, TEXT(HELLO)}},
    {.number = "7.1.5", .sends = {OPEN("fragment1"), NORMAL, LAST("fragment2")}},
    {.number = "7.1.6",
     .sends = {FILL(FIN | CV_WS_TEXT, "BAsd7&jh23", 256 * 1024), TEXT(HELLO), NORMAL, PING("")},
     .wants = {FILL(FIN | CV_WS_TEXT, "BAsd7&jh23", 256 * 1024), TEXT(HELLO)}},
    {.number = "7.3.1", .sends = {CLOSE("")}, .code = CV_WS_NO_CODE},
    {.number = "7.3.2", .sends = {CLOSE("a")}, BROKEN},
    {.number = "7.3.3", .sends = {NORMAL}},
    {.number = "7.3.4", .sends = {CLOSE("\x03\xe8" HELLO)}},
/* The longest reason, and one byte more. */
#define TWENTY "********************"
#define REASON TWENTY TWENTY TWENTY TWENTY TWENTY TWENTY "***"
    {.number = "7.3.5", .sends = {CLOSE("\x03\xe8" REASON)}},
    {.number = "7.3.6", .sends = {CLOSE("\x03\xe8" REASON "*")}, BROKEN},
    {.number = "7.5.1",
     .sends = {CLOSE("\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"
                     "edited")},
     .code = CV_WS_BAD_DATA},
};

#define ROWS(visit, ctx, rows) visit_rows(visit, ctx, rows, sizeof(rows) / sizeof((rows)[0]))

static void visit_rows(ab_visit *visit, void *ctx, const struct ab_case *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        visit(&rows[i], ctx);
}

/* 1.1 text, 1.2 binary: the lengths around the forms of the length. */
static void framing(ab_visit *visit, void *ctx)
{
    static const size_t lens[] = {0, 125, 126, 127, 128, 65535, 65536, 65536};
    static const struct ab_frame kinds[] = {FILL(FIN | CV_WS_TEXT, "*", 0),
                                            FILL(FIN | CV_WS_BINARY, "\xfe", 0)};

    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < 8; i++) {
            char number[32];
            struct ab_case c = {.number = number, .chop = i == 7 ? 997 : 0};

            snprintf(number, sizeof(number), "1.%zu.%zu", kind + 1, i + 1);
            c.sends[0] = kinds[kind];
            c.sends[0].len = lens[i];
            c.wants[0] = c.sends[0];
            visit(&c, ctx);
        }
    }
}

static void close_codes(ab_visit *visit, void *ctx, const char *section, const uint16_t *codes,
                        size_t count, bool allowed)
{
    for (size_t i = 0; i < count; i++) {
        char number[32], body[2] = {(char)(codes[i] >> 8), (char)codes[i]};
        struct ab_case c = {.number = number};

        snprintf(number, sizeof(number), "%s.%zu", section, i + 1);
        c.sends[0] =
            (struct ab_frame){.first = FIN | CV_WS_CLOSE, .unit = body, .unit_len = 2, .len = 2};
        c.code = allowed ? codes[i] : CV_WS_PROTOCOL_ERROR;
        visit(&c, ctx);
    }
}

static void all_close_codes(ab_visit *visit, void *ctx)
{
    static const uint16_t allowed[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009,
                                       1010, 1011, 3000, 3999, 4000, 4999};
    static const uint16_t forbidden[] = {0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999};
    static const uint16_t unheard[] = {5000, 65535};

    close_codes(visit, ctx, "7.7", allowed, 13, true);
    close_codes(visit, ctx, "7.9", forbidden, 9, false);
    close_codes(visit, ctx, "7.13", unheard, 2, false);
}

static void auto_fragmented(ab_visit *visit, void *ctx)
{
    struct ab_case c = {.number = "10.1.1",
                        .sends = {FILL(FIN | CV_WS_TEXT, "*", 65536)},
                        .wants = {FILL(FIN | CV_WS_TEXT, "*", 65536)}};

    c.sends[0].fragment = 1300;
    visit(&c, ctx);
}

void ab_basic_cases(ab_visit *visit, void *ctx)
{
    framing(visit, ctx);
    ROWS(visit, ctx, pings);
    ROWS(visit, ctx, reserved_bits);
    ROWS(visit, ctx, opcodes);
    ROWS(visit, ctx, fragments);
    ROWS(visit, ctx, closes);
    all_close_codes(visit, ctx);
    auto_fragmented(visit, ctx);
}
