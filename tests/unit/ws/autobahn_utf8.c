#include <stdio.h>
#include <string.h>

#include "autobahn.h"
#include "support/test_hex.h"

/* Section 6. From 6.5 on each case is one text message in one frame, right or wrong. */

#define FIN         0x80
#define PAYLOAD_MAX 128

struct section {
    ab_visit *visit;
    void *ctx;
    int sub;   /* 6.sub */
    int count; /* of its cases so far */
};

static struct ab_frame frame(uint8_t first, const char *bytes, size_t len)
{
    return (struct ab_frame){.first = first, .unit = bytes, .unit_len = len, .len = len};
}

/* One message in one frame. */
static void message(struct section *s, const char *bytes, size_t len, bool valid)
{
    char number[32];
    struct ab_case c = {.number = number, .code = valid ? CV_WS_NORMAL : CV_WS_BAD_DATA};

    snprintf(number, sizeof(number), "6.%d.%d", s->sub, ++s->count);
    c.sends[0] = frame(FIN | CV_WS_TEXT, bytes, len);
    if (valid)
        c.wants[0] = c.sends[0];
    s->visit(&c, s->ctx);
}

/* Messages of hex, blanks between them. A new subsection starts with a plus or minus that says
 * whether they are right; a further sign changes that within the subsection. */
static void messages(struct section *s, const char *list)
{
    char hex[2 * PAYLOAD_MAX + 1];
    uint8_t bytes[PAYLOAD_MAX];
    bool valid = true;

    s->sub++;
    s->count = 0;
    while (*list) {
        size_t len = strcspn(list, " ");

        if (*list == '+' || *list == '-') {
            valid = *list == '+';
        } else {
            memcpy(hex, list, len);
            hex[len] = '\0';
            message(s, (const char *)bytes, test_unhex(bytes, hex), valid);
        }
        list += len;
        list += strspn(list, " ");
    }
}

static const char kosme[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5";

/* 6.6: every prefix of a Greek word; right where it ends between two letters. */
static void prefixes(struct section *s)
{
    static const bool ends_letter[] = {0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1};

    s->sub++;
    s->count = 0;
    for (size_t len = 1; len < sizeof(kosme); len++)
        message(s, kosme, len, ends_letter[len - 1]);
}

/* 6.12.8: all bytes from 0x80 to 0xbe. */
static void lone_continuations(struct section *s)
{
    char bytes[0xbf - 0x80];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(0x80 + i);
    message(s, bytes, sizeof(bytes), false);
}

/* 6.13: lead bytes of each length, each with a blank behind it. */
static void lone_leads(struct section *s)
{
    static const uint8_t ranges[][2] = {
        {0xc0, 0xdf}, {0xe0, 0xef}, {0xf0, 0xf7}, {0xf8, 0xfb}, {0xfc, 0xfd}};

    s->sub++;
    s->count = 0;
    for (size_t i = 0; i < 5; i++) {
        char bytes[PAYLOAD_MAX];
        size_t len = 0;

        for (int lead = ranges[i][0]; lead < ranges[i][1]; lead++) {
            bytes[len++] = (char)lead;
            bytes[len++] = ' ';
        }
        message(s, bytes, len, false);
    }
}

/* 6.22: the last two code points of the planes, and others that no character has: all are right. */
static void non_characters(struct section *s)
{
    messages(s, "+ efbfbe efbfbf");
    for (unsigned plane = 0x1f; plane <= 0x10f; plane += 0x10) {
        for (unsigned last = 0xbe; last <= 0xbf; last++) {
            char bytes[4] = {(char)(0xf0 | plane >> 6), (char)(0x80 | (plane & 0x3f)), (char)0xbf,
                             (char)last};

            message(s, bytes, 4, true);
        }
    }
}

static void empty_fragments(ab_visit *visit, void *ctx)
{
    struct ab_case one = {.number = "6.1.1", .sends = {frame(FIN | CV_WS_TEXT, "", 0)}};
    struct ab_case three = {.number = "6.1.2",
                            .sends = {frame(CV_WS_TEXT, "", 0), frame(CV_WS_CONT, "", 0),
                                      frame(FIN | CV_WS_CONT, "", 0)},
                            .wants = {frame(FIN | CV_WS_TEXT, "", 0)}};
    struct ab_case middle = three;

    one.wants[0] = one.sends[0];
    visit(&one, ctx);
    visit(&three, ctx);
    middle.number = "6.1.3";
    middle.sends[1] = frame(CV_WS_CONT, "middle", 6);
    middle.wants[0] = frame(FIN | CV_WS_TEXT, "middle", 6);
    visit(&middle, ctx);
}

static void valid_fragments(ab_visit *visit, void *ctx)
{
    static const char text[] = "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1!!";
    const size_t len = sizeof(text) - 1, half = 15; /* behind a letter */
    struct ab_case c = {.number = "6.2.1", .sends = {frame(FIN | CV_WS_TEXT, text, len)}};

    c.wants[0] = c.sends[0];
    visit(&c, ctx);
    c.number = "6.2.2";
    c.sends[0] = frame(CV_WS_TEXT, text, half);
    c.sends[1] = frame(FIN | CV_WS_CONT, text + half, len - half);
    visit(&c, ctx);
    c = (struct ab_case){.number = "6.2.3", .wants = {c.wants[0]}, .sends = {c.wants[0]}};
    c.sends[0].fragment = 1;
    visit(&c, ctx);
    c.number = "6.2.4";
    c.wants[0] = c.sends[0] = frame(FIN | CV_WS_TEXT, kosme, sizeof(kosme) - 1);
    c.sends[0].fragment = 1;
    visit(&c, ctx);
}

/* 6.3 and 6.4: the byte that makes the text wrong must end it, not a later one. */
static void fail_fast(ab_visit *visit, void *ctx)
{
    static const char surrogate[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
                                    "edited";
    static const char too_big[] = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"
                                  "edited";
    const size_t len = sizeof(too_big) - 1, bad = 13; /* the byte behind the lead, from 1 */
    struct ab_case c = {.number = "6.3.1", .code = CV_WS_BAD_DATA, .fails_at = bad};

    c.sends[0] = frame(FIN | CV_WS_TEXT, surrogate, sizeof(surrogate) - 1);
    visit(&c, ctx);
    c.number = "6.3.2";
    c.sends[0].fragment = 1;
    visit(&c, ctx);
    c.number = "6.4.1";
    c.sends[0] = frame(CV_WS_TEXT, too_big, bad - 2);
    c.sends[1] = frame(CV_WS_CONT, too_big + bad - 2, 4);
    c.sends[2] = frame(FIN | CV_WS_CONT, too_big + bad + 2, len - bad - 2);
    visit(&c, ctx);
    c.number = "6.4.2";
    c.sends[0] = frame(CV_WS_TEXT, too_big, bad - 1);
    c.sends[1] = frame(CV_WS_CONT, too_big + bad - 1, 1);
    c.sends[2] = frame(FIN | CV_WS_CONT, too_big + bad, len - bad);
    visit(&c, ctx);
    c = (struct ab_case){.number = "6.4.3", .code = CV_WS_BAD_DATA, .fails_at = bad};
    c.sends[0] = frame(FIN | CV_WS_TEXT, too_big, len);
    c.chop = 4;
    visit(&c, ctx);
    c.number = "6.4.4";
    c.chop = 1;
    visit(&c, ctx);
}

void ab_utf8_cases(ab_visit *visit, void *ctx)
{
    struct section s = {.visit = visit, .ctx = ctx, .sub = 4};

    empty_fragments(visit, ctx);
    valid_fragments(visit, ctx);
    fail_fast(visit, ctx);
    /* 6.5: right texts. */
    messages(&s, "+ 68656c6c6f24776f726c64 68656c6c6fc2a2776f726c64 68656c6c6fe282ac776f726c64 "
                 "68656c6c6ff0a4ada2776f726c64 cebae1bdb9cf83cebcceb5");
    prefixes(&s);
    /* 6.7 to 6.11: first and last of each length, and the borders between. */
    messages(&s, "+ 00 c280 e0a080 f0908080");
    messages(&s, "- f888808080 fc8480808080");
    messages(&s, "+ 7f dfbf efbfbf f48fbfbf");
    messages(&s, "- f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf");
    messages(&s, "+ ed9fbf ee8080 efbfbd f48fbfbf - f4908080");
    /* 6.12, 6.13: bytes without the others of their character. */
    messages(&s, "- 80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf");
    lone_continuations(&s);
    lone_leads(&s);
    /* 6.14, 6.15: the last byte is missing; the same in one text. */
    messages(&s, "- c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf");
    messages(&s, "- c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf");
    /* 6.16: bytes that never stand in UTF-8. */
    messages(&s, "- fe ff fefeffff");
    /* 6.17 to 6.19: too long for what they say. */
    messages(&s, "- c0af e080af f08080af f8808080af fc80808080af");
    messages(&s, "- c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf");
    messages(&s, "- c080 e08080 f0808080 f880808080 fc8080808080");
    /* 6.20, 6.21: surrogates, alone and in pairs. */
    messages(&s, "- eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf");
    messages(&s, "- eda080edb080 eda080edbfbf edadbfedb080 edadbfedbfbf edae80edb080 edae80edbfbf "
                 "edafbfedb080 edafbfedbfbf");
    non_characters(&s);
    /* 6.23: specials, the replacement character among them. */
    messages(&s, "+ efbfb9 efbfba efbfbb efbfbc efbfbd efbfbe efbfbf");
}
