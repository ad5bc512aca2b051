#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "support/test_hex.h"
#include "ws/ws.h"

/* What the Autobahn cases leave open: limits, lengths, masking, and the reader's own promises. */

static void init(struct cv_ws *ws, enum cv_ws_role role, uint64_t max_message)
{
    const struct cv_ws_limits limits = {.max_message = max_message};

    cv_ws_init(ws, role, &limits);
}

/* Reads @hex, which must come to @expected: 0, or the error. Returns how many bytes went before. */
static size_t read_all(struct cv_ws *ws, const char *hex, int expected)
{
    uint8_t bytes[512];
    size_t len = test_unhex(bytes, hex), at = 0;
    struct cv_ws_event event;

    while (at < len) {
        int n = cv_ws_read(ws, bytes + at, len - at, &event);

        if (n < 0) {
            cr_assert_eq(n, expected, "%s: %d", hex, n);
            return at;
        }
        cr_assert_gt(n, 0);
        at += (size_t)n;
    }
    cr_assert_eq(expected, 0, "%s: no error", hex);
    return at;
}

static void client_reads(const char *hex, int expected)
{
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 1 << 20);
    read_all(&ws, hex, expected);
}

static void server_reads(const char *hex, int expected)
{
    struct cv_ws ws;

    init(&ws, CV_WS_SERVER, 1 << 20);
    read_all(&ws, hex, expected);
}

Test(ws_read, requires_masks_of_clients_and_none_of_servers)
{
    client_reads("820161", 0);
    client_reads("82810000000061", CV_EPROTO);
    server_reads("82810000000061", 0);
    server_reads("820161", CV_EPROTO);
    client_reads("8900", 0);
    client_reads("898000000000", CV_EPROTO);
    server_reads("898000000000", 0);
    server_reads("8900", CV_EPROTO);
}

Test(ws_read, refuses_lengths_that_are_not_minimal)
{
    client_reads("827e007d", CV_EPROTO);
    client_reads("827e007e", 0);
    client_reads("827e0000", CV_EPROTO);
    client_reads("827f000000000000ffff", CV_EPROTO);
    client_reads("827f0000000000010000", 0);
    client_reads("827f0000000000000001", CV_EPROTO);
    server_reads("82fe007d00000000", CV_EPROTO);
    server_reads("82fe007e00000000", 0);
}

Test(ws_read, refuses_a_length_with_the_top_bit)
{
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, UINT64_MAX);
    read_all(&ws, "827f7fffffffffffffff", 0);
    init(&ws, CV_WS_CLIENT, UINT64_MAX);
    read_all(&ws, "827f8000000000000000", CV_EPROTO);
    init(&ws, CV_WS_CLIENT, UINT64_MAX);
    read_all(&ws, "827fffffffffffffffff", CV_EPROTO);
}

Test(ws_read, limits_a_message_in_the_head_that_breaks_it)
{
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 3);
    read_all(&ws, "82036162638203616263", 0);
    init(&ws, CV_WS_CLIENT, 3);
    read_all(&ws, "8204", CV_ETOOLONG);
    init(&ws, CV_WS_CLIENT, 0);
    read_all(&ws, "8200", 0);
    init(&ws, CV_WS_CLIENT, 0);
    read_all(&ws, "8201", CV_ETOOLONG);
}

Test(ws_read, limits_a_message_over_all_its_fragments)
{
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 4);
    cr_assert_eq(read_all(&ws, "0202616200018480026162", CV_ETOOLONG), 7);
    init(&ws, CV_WS_CLIENT, 4);
    read_all(&ws, "020261620000800261628204", 0);
    init(&ws, CV_WS_CLIENT, 4);
    read_all(&ws, "020261620002616280008204", 0);
    init(&ws, CV_WS_CLIENT, UINT64_MAX);
    read_all(&ws, "020161807f7fffffffffffffff", 0);
}

Test(ws_read, does_not_count_control_frames_against_the_limit)
{
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 1);
    read_all(&ws, "0200890a616161616161616161618a036161618001", 0);
    init(&ws, CV_WS_CLIENT, 1);
    read_all(&ws, "0200890a616161616161616161618a036161618002", CV_ETOOLONG);
}

Test(ws_read, names_the_close_code_of_each_error)
{
    cr_assert_eq(cv_ws_error_code(CV_EPROTO), 1002);
    cr_assert_eq(cv_ws_error_code(CV_EUTF8), 1007);
    cr_assert_eq(cv_ws_error_code(CV_ETOOLONG), 1009);
}

Test(ws_read, reads_nothing_behind_a_close_or_an_error)
{
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 10);
    read_all(&ws, "8800", 0);
    cr_assert_eq(read_all(&ws, "8900", CV_ECLOSED), 0);
    init(&ws, CV_WS_CLIENT, 10);
    cr_assert_eq(read_all(&ws, "8880", CV_EPROTO), 0);
    cr_assert_eq(read_all(&ws, "8900", CV_ECLOSED), 0);
}

Test(ws_read, takes_all_bytes_of_a_head_that_is_cut)
{
    uint8_t bytes[14];
    size_t len = test_unhex(bytes, "82ff000000000001000011223344");
    struct cv_ws_event event;

    for (size_t cut = 0; cut <= len; cut++) {
        struct cv_ws ws;

        init(&ws, CV_WS_SERVER, 1 << 20);
        cr_assert_eq(cv_ws_read(&ws, bytes, cut, &event), (int)cut);
        cr_assert_eq(event.kind, CV_WS_EV_NONE);
        cr_assert_eq(cv_ws_read(&ws, bytes + cut, len - cut, &event), (int)(len - cut));
        cr_assert_eq(event.kind, CV_WS_EV_NONE);
        cr_assert_eq(ws.left, 65536);
    }
}

Test(ws_read, hands_out_a_piece_where_it_lies_with_the_next_frame_left_alone)
{
    uint8_t bytes[32], *at = bytes;
    size_t len = test_unhex(bytes, "8283112233447040500282001122334481");
    struct cv_ws_event event;
    struct cv_ws ws;
    int n;

    init(&ws, CV_WS_SERVER, 100);
    n = cv_ws_read(&ws, at, len, &event);
    cr_assert_eq(n, 9);
    cr_assert_eq(event.kind, CV_WS_EV_PIECE);
    cr_assert_eq(event.opcode, CV_WS_BINARY);
    cr_assert(event.fin);
    cr_assert_eq(event.data, bytes + 6);
    cr_assert_eq(event.len, 3);
    cr_assert_arr_eq(event.data, "abc", 3);
    cr_assert_eq(bytes[9], 0x02);
}

Test(ws_read, reports_an_empty_last_piece_but_no_empty_middle_one)
{
    uint8_t bytes[16];
    size_t len = test_unhex(bytes, "010000008000");
    struct cv_ws_event event;
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 100);
    cr_assert_eq(cv_ws_read(&ws, bytes, len, &event), (int)len);
    cr_assert_eq(event.kind, CV_WS_EV_PIECE);
    cr_assert_eq(event.opcode, CV_WS_TEXT);
    cr_assert(event.fin);
    cr_assert_eq(event.len, 0);
}

Test(ws_read, hands_out_control_frames_between_fragments)
{
    static const struct {
        enum cv_ws_event_kind kind;
        uint8_t text[3];
        bool fin;
    } wants[] = {{CV_WS_EV_PIECE, "a", false}, {CV_WS_EV_PING, "p", false},
                 {CV_WS_EV_PIECE, "b", false}, {CV_WS_EV_PONG, "q", false},
                 {CV_WS_EV_PIECE, "c", true},  {CV_WS_EV_CLOSE, "r", false}};
    uint8_t bytes[64];
    size_t len = test_unhex(bytes, "0201618901700001628a01718001638803"
                                   "03e972"),
           at = 0;
    struct cv_ws_event event;
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 100);
    for (size_t i = 0; i < sizeof(wants) / sizeof(wants[0]); i++) {
        int n = cv_ws_read(&ws, bytes + at, len - at, &event);

        cr_assert_gt(n, 0);
        at += (size_t)n;
        cr_assert_eq(event.kind, wants[i].kind, "event %zu", i);
        cr_assert_eq(event.len, 1);
        cr_assert_eq(event.data[0], wants[i].text[0]);
        if (event.kind == CV_WS_EV_PIECE)
            cr_assert_eq(event.fin, wants[i].fin);
    }
    cr_assert_eq(at, len);
    cr_assert_eq(event.code, 1001);
}

Test(ws_read, says_when_a_close_has_no_code)
{
    uint8_t bytes[] = {0x88, 0x00};
    struct cv_ws_event event;
    struct cv_ws ws;

    init(&ws, CV_WS_CLIENT, 100);
    cr_assert_eq(cv_ws_read(&ws, bytes, 2, &event), 2);
    cr_assert_eq(event.kind, CV_WS_EV_CLOSE);
    cr_assert_eq(event.code, CV_WS_NO_CODE);
    cr_assert_eq(event.len, 0);
}

/* RFC 6455, 7.4.1 and 7.4.2, with 1012 to 1014 from IANA's registry; every code there is. */
Test(ws_read, allows_exactly_the_close_codes_that_may_be_sent)
{
    for (unsigned code = 0; code <= UINT16_MAX; code++) {
        uint8_t bytes[] = {0x88, 0x02, (uint8_t)(code >> 8), (uint8_t)code};
        bool valid =
            (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
            (code >= 3000 && code < 5000);
        struct cv_ws_event event;
        struct cv_ws ws;

        init(&ws, CV_WS_CLIENT, 100);
        cr_assert_eq(cv_ws_read(&ws, bytes, 4, &event), valid ? 4 : CV_EPROTO, "code %u", code);
        cr_assert_eq(event.kind, valid ? CV_WS_EV_CLOSE : CV_WS_EV_NONE);
    }
}

Test(ws_read, refuses_a_text_or_reason_that_ends_inside_a_character)
{
    client_reads("8101c3", CV_EUTF8);
    client_reads("0101c3", 0);
    client_reads("0101c38000", CV_EUTF8);
    client_reads("0101c38001a9", 0);
    client_reads("8201c3", 0);
    client_reads("880303e8c3", CV_EUTF8);
    client_reads("880403e8c3a9", 0);
}
