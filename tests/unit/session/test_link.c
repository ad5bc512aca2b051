/* The session on its WebSocket: src/net/link.c needs no socket, so it is tested here. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/link.h"
#include "support/test_alloc.h"
#include "wire/frame.h"

#define START (1000 * CV_SEC)
#define OUT   ((size_t)1 << 20)

static struct test_alloc ta;
static struct cv_prng prng;
static struct cv_random source;
static struct cv_link *link_;
static uint8_t out[OUT];
static size_t out_len;

static struct cv_link *make(enum cv_session_role role)
{
    struct cv_session_config config = cv_session_defaults(role);
    struct cv_session *session;
    struct cv_link *link;

    config.culvert = true;
    config.features = CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE;
    cr_assert_eq(cv_session_new(&session, &config, &ta.alloc, &source, START), 0);
    cr_assert_eq(cv_link_new(&link, session, &ta.alloc, &ta.alloc, &source), 0);
    return link;
}

static void set_up(void)
{
    test_alloc_init(&ta);
    cv_prng_init(&prng, 1);
    source = cv_prng_random(&prng);
    link_ = make(CV_SESSION_ACCEPTOR);
}

static void tear_down(void)
{
    cv_link_free(link_);
    cr_assert_eq(ta.live, 0);
}

TestSuite(link, .init = set_up, .fini = tear_down);

static void again(enum cv_session_role role)
{
    cv_link_free(link_);
    link_ = make(role);
}

static int64_t dial(struct cv_link *link)
{
    int64_t id;

    cr_assert_eq(cv_session_dial(cv_link_session(link), "tcp", "a:1", NULL, START, &id), 0);
    return id;
}

/* Fills, with sources that give @reads bytes of 'x' a turn (0: they have none), and takes all
 * output as one send. */
static size_t send_once(struct cv_link *link, size_t reads)
{
    const uint8_t *data;
    struct cv_link_turn turn;
    size_t len;

    while (cv_link_fill(link, START, &turn) == 1) {
        if (reads == 0) {
            cr_assert_eq(cv_session_ready(cv_link_session(link), turn.conn_id, false), 0);
            continue;
        }
        memset(turn.into, 'x', cv_min_size(reads, turn.max));
        cv_link_laid(link, cv_min_size(reads, turn.max), START);
    }
    len = cv_link_output(link, &data);
    cr_assert_leq(len, OUT - out_len);
    if (len)
        memcpy(out + out_len, data, len);
    out_len += len;
    cv_link_sent(link, len);
    return len;
}

/* Bytes come in, in chunks of @piece; events are polled, sinks take everything. Returns 0 or the
 * error. */
static int feed(struct cv_link *link, const uint8_t *bytes, size_t len, size_t piece, char *told)
{
    for (size_t at = 0; at < len;) {
        size_t chunk = cv_min_size(piece, len - at);
        uint8_t *copy = malloc(chunk);
        size_t done = 0;
        int n = 0;

        cr_assert_not_null(copy);
        memcpy(copy, bytes + at, chunk);
        while (done < chunk && n >= 0) {
            struct cv_session_event event;

            n = cv_link_recv(link, copy + done, chunk - done, START);
            cr_assert_neq(n, 0);
            while (cv_session_poll(cv_link_session(link), &event)) {
                if (event.kind == CV_EVENT_DATA)
                    cv_session_taken(cv_link_session(link), event.len);
                if (told && event.kind == CV_EVENT_DATA)
                    strncat(told, (const char *)event.data, event.len);
                else if (told)
                    strcat(told, event.kind == CV_EVENT_CONNECT ? "C" : "?");
            }
            done += n > 0 ? (size_t)n : 0;
        }
        free(copy);
        if (n < 0)
            return n;
        at += chunk;
    }
    return 0;
}

/* A frame from a client, masked with zeros. */
static size_t client_frame(uint8_t *to, enum cv_ws_opcode opcode, const void *payload, size_t len)
{
    static const uint8_t mask[4];
    size_t head = cv_ws_head_encode(to, opcode, true, len, mask);

    memcpy(to + head, payload, len);
    return head + len;
}

static int hear(enum cv_ws_opcode opcode, const void *payload, size_t len)
{
    uint8_t frame[512];

    return feed(link_, frame, client_frame(frame, opcode, payload, len), SIZE_MAX, NULL);
}

/* The output begins with an unmasked close frame of @code. */
static void assert_close(uint16_t code)
{
    out_len = 0;
    cr_assert_geq(send_once(link_, 0), 4);
    cr_assert_eq(out[0], 0x80 | CV_WS_CLOSE);
    cr_assert_eq(out[2] << 8 | out[3], code);
    cr_assert(cv_link_done(link_));
}

Test(link, an_acceptor_writes_unmasked_and_a_dialler_masked)
{
    dial(link_);
    send_once(link_, 0);
    cr_assert_eq(out[0], 0x80 | CV_WS_BINARY);
    cr_assert_eq(out[1] & 0x80, 0);
    again(CV_SESSION_DIALLER);
    out_len = 0;
    dial(link_);
    send_once(link_, 0);
    cr_assert_eq(out[0], 0x80 | CV_WS_BINARY);
    cr_assert_eq(out[1] & 0x80, 0x80);
    cr_assert_eq(memmem(out, out_len, "tcp/a:1", 7), NULL);
}

Test(link, each_masked_frame_has_a_mask_of_its_own)
{
    again(CV_SESSION_DIALLER);
    dial(link_);
    send_once(link_, 0);
    dial(link_);
    out_len = 0;
    send_once(link_, 0);
    cr_assert_neq(memcmp(out + 2, "\0\0\0\0", 4), 0);
}

/* What the dialler sends, with sources that give @reads bytes a turn, arrives at an acceptor. */
static void assert_arrives(size_t reads, size_t piece)
{
    static char told[OUT], expected[OUT];
    struct cv_link *peer = make(CV_SESSION_ACCEPTOR);
    int64_t id = dial(link_);
    struct cv_link_turn turn;
    const uint8_t *data;
    size_t len;

    cr_assert_eq(cv_session_ready(cv_link_session(link_), id, true), 0);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 1);
    cr_assert_not(turn.may_aside); /* it is masked */
    reads = cv_min_size(reads, turn.max);
    for (size_t i = 0; i < reads; i++)
        turn.into[i] = (uint8_t)('a' + i % 26);
    memcpy(expected, turn.into, reads);
    expected[reads] = '\0';
    cv_link_laid(link_, reads, START);
    cr_assert_eq(cv_session_ready(cv_link_session(link_), id, false), 0);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    len = cv_link_output(link_, &data);
    told[0] = '\0';
    cr_assert_eq(feed(peer, data, len, piece, told), 0);
    cr_assert_eq(told[0], 'C');
    cr_assert_eq(cv_session_accept(cv_link_session(peer), id), 0);
    for (size_t at = 0; told[1] == '\0' && at < reads;) {
        const uint8_t *stored;
        size_t n;

        cr_assert_eq(cv_session_backlog(cv_link_session(peer), id, &stored, &n), 0);
        cr_assert_gt(n, 0);
        cr_assert_eq(memcmp(stored, expected + at, n), 0, "%zu bytes", reads);
        cr_assert_eq(cv_session_consume(cv_link_session(peer), id, n), 0);
        at += n;
    }
    cr_assert_eq(cv_session_stats(cv_link_session(peer))->bytes_in, reads);
    cv_link_sent(link_, len);
    cv_link_free(peer);
}

/* The next output, all of it. */
static void take_output(struct cv_link *link)
{
    const uint8_t *data;
    size_t len = cv_link_output(link, &data);

    cr_assert_leq(len, OUT - out_len);
    memcpy(out + out_len, data, len);
    out_len += len;
    cv_link_sent(link, len);
}

#define ASIDE ((size_t)5000)

/* Of a turn's bytes, 'x', the head alone is laid down. */
static int64_t lay_aside(void)
{
    int64_t id = dial(link_);
    struct cv_link_turn turn;

    cr_assert_eq(cv_session_ready(cv_link_session(link_), id, true), 0);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 1);
    cr_assert(turn.may_aside);
    cv_link_laid_aside(link_, ASIDE, START);
    cr_assert_eq(cv_session_ready(cv_link_session(link_), id, false), 0);
    cr_assert_eq(cv_link_aside(link_), ASIDE);
    return id;
}

/* What is aside goes out, in two parts, between which nothing else does. */
static void send_aside(void)
{
    const uint8_t *data;

    take_output(link_);
    for (size_t half = 0; half < 2; half++) {
        cr_assert_eq(cv_link_output(link_, &data), 0);
        cr_assert(cv_link_pending(link_));
        cr_assert_not(cv_link_done(link_));
        memset(out + out_len, 'x', ASIDE / 2);
        out_len += ASIDE / 2;
        cv_link_aside_sent(link_, ASIDE / 2);
    }
    cr_assert_eq(cv_link_aside(link_), 0);
}

/* A dialler hears a Connect and ASIDE bytes in what was sent; the result is that of the last feed.
 */
static int hear_aside(void)
{
    struct cv_link *peer = make(CV_SESSION_DIALLER);
    char told[16] = "";
    int rc = feed(peer, out, out_len, SIZE_MAX, told);

    cr_assert_eq(told[0], 'C');
    cr_assert_eq(cv_session_stats(cv_link_session(peer))->bytes_in, ASIDE);
    cv_link_free(peer);
    return rc;
}

Test(link, bytes_aside_arrive_behind_their_head)
{
    struct cv_link_turn turn;

    out_len = 0;
    lay_aside();
    cr_assert_eq(cv_session_stats(cv_link_session(link_))->bytes_out, ASIDE);
    send_aside();
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    cr_assert_not(cv_link_pending(link_));
    cr_assert_eq(hear_aside(), 0);
}

Test(link, nothing_is_laid_down_behind_bytes_that_are_aside)
{
    struct cv_link_turn turn;

    out_len = 0;
    lay_aside();
    cr_assert_eq(hear(CV_WS_PING, "p", 1), 0);
    dial(link_);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    send_aside();
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    cr_assert_gt(out_len, ASIDE);
    out_len = 0;
    send_once(link_, 0);
    cr_assert_eq(out[0], 0x80 | CV_WS_PONG);
    cr_assert_not_null(memmem(out, out_len, "tcp/a:1", 7));
}

Test(link, a_close_waits_behind_bytes_that_are_aside)
{
    out_len = 0;
    lay_aside();
    take_output(link_);
    cv_link_close(link_, CV_ENDING_LEAVES);
    send_aside();
    cr_assert_not(cv_link_done(link_));
    take_output(link_);
    cr_assert(cv_link_done(link_));
    cr_assert_eq(hear_aside(), CV_ECLOSED);
}

Test(link, a_connection_that_ends_leaves_its_bytes_aside_to_be_sent)
{
    int64_t id = lay_aside();

    out_len = 0;
    cr_assert_eq(cv_session_abort(cv_link_session(link_), id, CV_REASON_LOCAL, NULL), 0);
    send_aside();
    cr_assert_eq(hear_aside(), 0);
}

Test(link, short_reads_arrive_whole_whatever_length_their_head_has)
{
    static const size_t reads[] = {1,   2,   50,   100,  105,   110,   115,
                                   120, 126, 1000, 5000, 32000, 32639, 32640};

    again(CV_SESSION_DIALLER);
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
        assert_arrives(reads[i], SIZE_MAX);
}

Test(link, bytes_cut_anywhere_arrive_the_same)
{
    again(CV_SESSION_DIALLER);
    for (size_t piece = 1; piece < 40; piece++)
        assert_arrives(200, piece);
}

Test(link, many_frames_share_one_output_that_one_send_carries)
{
    size_t total = 0, sends = 0;

    for (int i = 0; i < 4000; i++)
        dial(link_);
    while (cv_link_pending(link_)) {
        size_t len;

        out_len = 0;
        len = send_once(link_, 0);
        cr_assert_leq(len, CV_LINK_SEND_MAX);
        total += len;
        sends++;
    }
    cr_assert_gt(total, 4000 * 10);
    cr_assert_leq(sends, total / (CV_LINK_SEND_MIN - 400) + 1);
}

/* Sends what fills a whole send, and returns its length. */
static size_t send_full(void)
{
    out_len = 0;
    return send_once(link_, SIZE_MAX);
}

Test(link, sends_grow_while_the_socket_takes_them_and_shrink_when_it_does_not)
{
    static const size_t grown[] = {1, 2, 4, 4};

    for (int i = 0; i < 3; i++)
        cr_assert_eq(cv_session_ready(cv_link_session(link_), dial(link_), true), 0);
    for (size_t i = 0; i < sizeof(grown) / sizeof(grown[0]); i++) {
        size_t len = send_full();

        cr_assert_leq(len, grown[i] * CV_LINK_SEND_MIN);
        cr_assert_geq(len, grown[i] * CV_LINK_SEND_MIN - CV_WS_HEAD_MAX);
    }
    cv_link_blocked(link_);
    cr_assert_leq(send_full(), 2 * CV_LINK_SEND_MIN);
    for (int i = 0; i < 5; i++)
        cv_link_blocked(link_);
    cr_assert_leq(send_full(), CV_LINK_SEND_MIN);
}

Test(link, small_sends_do_not_grow)
{
    for (int i = 0; i < 5; i++) {
        dial(link_);
        send_full();
    }
    for (int i = 0; i < 3; i++)
        cr_assert_eq(cv_session_ready(cv_link_session(link_), dial(link_), true), 0);
    cr_assert_leq(send_full(), CV_LINK_SEND_MIN);
}

Test(link, a_list_longer_than_the_buffer_gets_one_to_measure)
{
    struct cv_link_turn turn;

    again(CV_SESSION_DIALLER);
    for (int i = 0; i < 8192; i++)
        dial(link_);
    for (out_len = 0; cv_link_pending(link_); out_len = 0)
        send_once(link_, 0);
    for (int i = 0; i < 5; i++)
        cv_link_blocked(link_);
    cv_session_heard(cv_link_session(link_), START + CV_SYNC_EVERY);
    cr_assert_eq(cv_link_tick(link_, START + CV_SYNC_EVERY), 0);
    cr_assert_eq(cv_link_fill(link_, START + CV_SYNC_EVERY, &turn), 0); /* the ping */
    send_once(link_, 0);
    out_len = 0;
    while (cv_link_pending(link_))
        send_once(link_, 0);
    cr_assert_geq(out_len, 8192 * CV_SYNC_ID_SIZE);
}

Test(link, output_that_was_sent_in_part_keeps_its_rest)
{
    const uint8_t *data;
    struct cv_link_turn turn;
    uint8_t first;
    size_t len;

    dial(link_);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    len = cv_link_output(link_, &data);
    first = data[3];
    cv_link_sent(link_, 3);
    cr_assert_eq(cv_link_output(link_, &data), len - 3);
    cr_assert_eq(data[0], first);
}

Test(link, an_idle_link_holds_no_buffer)
{
    size_t before = ta.bytes;

    cr_assert_eq(hear(CV_WS_PING, "", 0), 0);
    send_once(link_, 0);
    cr_assert_eq(ta.bytes, before);
}

Test(link, a_ping_is_answered_with_its_own_words)
{
    cr_assert_eq(hear(CV_WS_PING, "are you there", 13), 0);
    cr_assert(cv_link_pending(link_));
    send_once(link_, 0);
    cr_assert_eq(out_len, 15);
    cr_assert_eq(memcmp(out,
                        "\x8a\x0d"
                        "are you there",
                        15),
                 0);
}

Test(link, of_a_flood_of_pings_the_last_is_answered_alone)
{
    char last[] = "ping a";

    for (int i = 0; i < 1000; i++) {
        last[5] = (char)('a' + i % 26);
        cr_assert_eq(hear(CV_WS_PING, last, 6), 0);
    }
    send_once(link_, 0);
    cr_assert_eq(out_len, 8);
    cr_assert_eq(memcmp(out + 2, last, 6), 0);
}

Test(link, a_pong_gives_a_round_trip)
{
    cr_assert_eq(cv_link_tick(link_, START), 0);
    send_once(link_, 0);
    cr_assert_eq(memcmp(out, "\x89\x00", 2), 0);
    cr_assert_eq(hear(CV_WS_PONG, "", 0), 0);
    cr_assert_eq(cv_session_rtt(cv_link_session(link_)), 0);
}

Test(link, after_a_protocol_error_a_close_frame_is_queued)
{
    cr_assert_eq(hear(CV_WS_BINARY, "\x80", 1), CV_EPROTO); /* a frame cut in its head */
    assert_close(CV_WS_PROTOCOL_ERROR);
    again(CV_SESSION_ACCEPTOR);
    cr_assert_eq(hear(3, "", 0), CV_EPROTO); /* an opcode that is reserved */
    assert_close(CV_WS_PROTOCOL_ERROR);
    again(CV_SESSION_ACCEPTOR);
    cr_assert_eq(feed(link_, (const uint8_t *)"\x82\x00", 2, SIZE_MAX, NULL),
                 CV_EPROTO); /* unmasked */
    assert_close(CV_WS_PROTOCOL_ERROR);
}

Test(link, a_text_message_is_refused)
{
    cr_assert_eq(hear(CV_WS_TEXT, "hello", 5), CV_EPROTO);
    assert_close(CV_WS_PROTOCOL_ERROR);
}

Test(link, a_message_over_the_limit_is_refused_in_its_head)
{
    static const uint8_t mask[4];
    uint8_t head[CV_WS_HEAD_MAX];
    size_t len = cv_ws_head_encode(head, CV_WS_BINARY, true, CV_LINK_MESSAGE_MAX + 1, mask);

    cr_assert_eq(feed(link_, head, len, SIZE_MAX, NULL), CV_ETOOLONG);
    assert_close(CV_WS_TOO_BIG);
}

Test(link, a_silent_end_gets_a_close_frame_too)
{
    cr_assert_eq(cv_link_deadline(link_), START);
    cr_assert_eq(cv_link_tick(link_, START + CV_DEAD_AFTER), CV_EDEAD);
    assert_close(CV_WS_POLICY);
}

Test(link, a_close_is_answered_with_its_code_and_remembered)
{
    const char *reason;

    cr_assert_eq(cv_link_peer_close(link_, NULL), 0);
    cr_assert_eq(hear(CV_WS_CLOSE,
                      "\x03\xe9"
                      "bye",
                      5),
                 CV_ECLOSED);
    cr_assert_eq(cv_link_peer_close(link_, &reason), CV_WS_GOING_AWAY);
    cr_assert_str_eq(reason, "bye");
    assert_close(CV_WS_GOING_AWAY);
}

Test(link, nothing_follows_a_close_and_a_second_is_ignored)
{
    struct cv_link_turn turn;

    dial(link_);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    cv_link_close(link_, CV_ENDING_LEAVES);
    cv_link_close(link_, CV_ENDING_KILLED);
    dial(link_);
    cr_assert_not(cv_link_done(link_));
    send_once(link_, 0);
    cr_assert_eq(memcmp(out + out_len - 18,
                        "\x88\x10\x03\xe9"
                        "this end stops",
                        18),
                 0);
    cr_assert(cv_link_done(link_));
    cr_assert_not(cv_link_pending(link_));
}

Test(link, a_close_finds_room_behind_a_full_buffer)
{
    struct cv_link_turn turn;
    const uint8_t *data;

    for (int i = 0; i < 4000; i++)
        dial(link_);
    cr_assert_eq(cv_link_fill(link_, START, &turn), 0);
    cv_link_close(link_, CV_ENDING_DEAD);
    cr_assert_leq(cv_link_output(link_, &data), CV_LINK_BUFFER);
}

Test(link, without_memory_no_frame_is_lost)
{
    struct cv_link_turn turn;

    dial(link_);
    for (int i = 0; i < 3; i++) {
        ta.fail_at = ta.calls + 1;
        cr_assert_eq(cv_link_fill(link_, START, &turn), -ENOMEM);
    }
    send_once(link_, 0);
    cr_assert_neq(memmem(out, out_len, "tcp/a:1", 7), NULL);
    ta.fail_at = ta.calls + 1;
    cv_link_close(link_, CV_ENDING_MEMORY);
    cr_assert(cv_link_done(link_));
}

Test(link, without_memory_there_is_none_and_the_session_stays_the_callers)
{
    struct cv_session_config config = cv_session_defaults(CV_SESSION_ACCEPTOR);
    struct cv_session *session;
    struct cv_link *link;

    cr_assert_eq(cv_session_new(&session, &config, &ta.alloc, &source, START), 0);
    ta.fail_at = ta.calls + 1;
    cr_assert_eq(cv_link_new(&link, session, &ta.alloc, &ta.alloc, &source), -ENOMEM);
    cv_session_free(session);
    cv_link_free(NULL);
}
