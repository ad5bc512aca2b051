#include <criterion/criterion.h>
#include <string.h>

#include "support/test_hex.h"
#include "ws/utf8.h"
#include "ws/ws.h"

static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

static void head_is(enum cv_ws_opcode opcode, bool fin, uint64_t len, const uint8_t *key,
                    const char *want)
{
    uint8_t out[CV_WS_HEAD_MAX];
    char hex[2 * CV_WS_HEAD_MAX + 1];
    size_t n = cv_ws_head_encode(out, opcode, fin, len, key);

    test_hex(hex, out, n);
    cr_assert_str_eq(hex, want);
    cr_assert_eq(cv_ws_head_size(len, key != NULL), n);
}

Test(ws_head, writes_the_shortest_length_at_each_border)
{
    head_is(CV_WS_BINARY, true, 0, NULL, "8200");
    head_is(CV_WS_BINARY, true, 125, NULL, "827d");
    head_is(CV_WS_BINARY, true, 126, NULL, "827e007e");
    head_is(CV_WS_BINARY, true, 65535, NULL, "827effff");
    head_is(CV_WS_BINARY, true, 65536, NULL, "827f0000000000010000");
    head_is(CV_WS_BINARY, true, INT64_MAX, NULL, "827f7fffffffffffffff");
}

Test(ws_head, writes_the_mask_behind_the_length)
{
    head_is(CV_WS_TEXT, true, 5, mask, "818537fa213d");
    head_is(CV_WS_TEXT, true, 256, mask, "81fe010037fa213d");
    head_is(CV_WS_TEXT, true, 65536, mask, "81ff000000000001000037fa213d");
}

Test(ws_head, writes_first_middle_and_last_frames)
{
    head_is(CV_WS_TEXT, false, 3, NULL, "0103");
    head_is(CV_WS_CONT, false, 3, NULL, "0003");
    head_is(CV_WS_CONT, true, 2, NULL, "8002");
    head_is(CV_WS_PING, true, 0, NULL, "8900");
    head_is(CV_WS_PONG, true, 0, NULL, "8a00");
}

Test(ws_head, is_read_as_it_was_written)
{
    static const uint64_t lens[] = {1, 125, 126, 127, 65535, 65536, UINT64_C(1) << 40, INT64_MAX};
    const struct cv_ws_limits limits = {.max_message = UINT64_MAX};

    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        uint8_t out[CV_WS_HEAD_MAX];
        size_t n = cv_ws_head_encode(out, CV_WS_BINARY, true, lens[i], mask);
        struct cv_ws_event event;
        struct cv_ws ws;

        cv_ws_init(&ws, CV_WS_SERVER, &limits);
        cr_assert_eq(cv_ws_read(&ws, out, n, &event), (int)n);
        cr_assert_eq(ws.left, lens[i]);
    }
}

static void close_is(uint16_t code, const char *reason, const uint8_t *key, const char *want)
{
    uint8_t out[CV_WS_HEAD_MAX + CV_WS_CONTROL_MAX];
    char hex[2 * sizeof(out) + 1];

    test_hex(hex, out, cv_ws_close_encode(out, code, reason, key));
    cr_assert_str_eq(hex, want);
}

Test(ws_head, writes_a_close_with_code_and_reason)
{
    close_is(1000, "bye", NULL, "880503e8627965");
    close_is(1000, "", NULL, "880203e8");
    close_is(1000, NULL, NULL, "880203e8");
    close_is(1000, "bye", mask, "888537fa213d3412434452");
}

Test(ws_head, leaves_a_close_without_code_empty)
{
    close_is(CV_WS_NO_CODE, "left out", NULL, "8800");
    close_is(CV_WS_NO_CODE, NULL, mask, "888037fa213d");
}

/* A reason of @before ASCII bytes and one letter of the given bytes; returns what a Close keeps. */
static size_t kept(size_t before, const char *letter)
{
    uint8_t out[CV_WS_HEAD_MAX + CV_WS_CONTROL_MAX];
    char reason[200];
    uint32_t state = CV_UTF8_START;
    size_t n;

    cr_assert_lt(before + strlen(letter), sizeof(reason));
    memset(reason, 'x', before);
    memcpy(reason + before, letter, strlen(letter) + 1);
    n = cv_ws_close_encode(out, 1000, reason, NULL);
    cr_assert_eq(out[1], n - 2);
    cr_assert(cv_utf8_check(&state, out + 4, n - 4));
    cr_assert_eq(state, CV_UTF8_START);
    cr_assert_arr_eq(out + 4, reason, n - 4);
    return n - 4;
}

Test(ws_head, cuts_a_reason_at_the_end_of_a_character)
{
    cr_assert_eq(kept(122, "y"), 123);
    cr_assert_eq(kept(123, "y"), 123);
    cr_assert_eq(kept(121, "\xc3\xa9"), 123);
    cr_assert_eq(kept(122, "\xc3\xa9"), 122);
    cr_assert_eq(kept(119, "\xf0\x9f\x98\x80"), 123);
    cr_assert_eq(kept(120, "\xf0\x9f\x98\x80"), 120);
    cr_assert_eq(kept(121, "\xf0\x9f\x98\x80"), 121);
    cr_assert_eq(kept(122, "\xf0\x9f\x98\x80"), 122);
    cr_assert_eq(kept(123, "\xf0\x9f\x98\x80"), 123);
}
