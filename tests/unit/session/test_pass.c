/* Payload that goes by without being fed to the link: a server's Data as an agent gets it. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "net/link.h"
#include "support/test_alloc.h"

#define START   (1000 * CV_SEC)
#define PAYLOAD ((size_t)50000)

static struct test_alloc ta;
static struct cv_prng prng;
static struct cv_random source;
static struct cv_link *server, *agent;
static int64_t id;
static int user; /* its address */
static uint8_t out[4 * PAYLOAD];
static size_t out_len;

static struct cv_link *make(enum cv_session_role role)
{
    struct cv_session_config config = cv_session_defaults(role);
    struct cv_session *session;
    struct cv_link *link;

    config.culvert = true;
    config.features = CV_FEATURE_ACK | CV_FEATURE_HALFCLOSE | CV_FEATURE_CREDIT;
    cr_assert_eq(cv_session_new(&session, &config, &ta.alloc, &source, START), 0);
    cr_assert_eq(cv_link_new(&link, session, &ta.alloc, &ta.alloc, &source), 0);
    return link;
}

/* Takes all that @link says to `out`; each turn of a source has PAYLOAD bytes of 'x' and is its
 * last. */
static void say(struct cv_link *link)
{
    struct cv_link_turn turn;
    const uint8_t *data;

    while (cv_link_fill(link, START, &turn) == 1) {
        cr_assert_geq(turn.max, PAYLOAD);
        memset(turn.into, 'x', PAYLOAD);
        cv_link_laid(link, PAYLOAD, START);
        cr_assert_eq(cv_session_ready(cv_link_session(link), turn.conn_id, false), 0);
    }
    out_len = cv_link_output(link, &data);
    cr_assert_leq(out_len, sizeof(out));
    memcpy(out, data, out_len);
    cv_link_sent(link, out_len);
}

/* Feeds @len bytes at @data; sinks take all that they are offered. Returns how much that was. */
static size_t feed(struct cv_link *link, uint8_t *data, size_t len, bool takes)
{
    struct cv_session_event event;
    size_t offered = 0;

    while (len > 0) {
        int n = cv_link_recv(link, data, len, START);

        cr_assert_gt(n, 0);
        data += n;
        len -= (size_t)n;
        while (cv_session_poll(cv_link_session(link), &event)) {
            if (event.kind != CV_EVENT_DATA)
                continue;
            offered += event.len;
            cv_session_taken(cv_link_session(link), takes ? event.len : 0);
        }
    }
    return offered;
}

/* A connection through both, whose agent's end has `user`. */
static void set_up(void)
{
    test_alloc_init(&ta);
    cv_prng_init(&prng, 1);
    source = cv_prng_random(&prng);
    server = make(CV_SESSION_ACCEPTOR);
    agent = make(CV_SESSION_DIALLER);
    cr_assert_eq(cv_session_dial(cv_link_session(server), "tcp", "a:1", NULL, START, &id), 0);
    say(server);
    feed(agent, out, out_len, true);
    cr_assert_eq(cv_session_accept(cv_link_session(agent), id), 0);
    cr_assert_eq(cv_session_set_user(cv_link_session(agent), id, &user), 0);
}

static void tear_down(void)
{
    cv_link_free(server);
    cv_link_free(agent);
    cr_assert_eq(ta.live, 0);
}

TestSuite(pass, .init = set_up, .fini = tear_down);

/* The server says PAYLOAD bytes; returns the length of their head. */
static size_t say_payload(void)
{
    cr_assert_eq(cv_session_ready(cv_link_session(server), id, true), 0);
    say(server);
    return out_len - PAYLOAD;
}

static uint64_t bytes_in(void)
{
    return cv_session_stats(cv_link_session(agent))->bytes_in;
}

Test(pass, a_head_is_told_from_its_payload_without_being_fed)
{
    size_t head = say_payload();
    void *whose;

    cr_assert_eq(cv_link_data_head(agent, out, out_len, PAYLOAD), head);
    cr_assert_eq(cv_link_data_head(agent, out, head, PAYLOAD), head);
    cr_assert_eq(cv_link_data_head(agent, out, head, PAYLOAD + 1), 0, "too little payload");
    for (size_t cut = 0; cut < head; cut++)
        cr_assert_eq(cv_link_data_head(agent, out, cut, 1), 0, "%zu bytes", cut);
    cr_assert_eq(cv_link_passing(agent, &whose), 0);
}

Test(pass, other_frames_have_no_such_head)
{
    void *whose;

    cr_assert_eq(cv_session_announce(cv_link_session(server), true, "foo", 1), 0);
    say(server);
    cr_assert_eq(cv_link_data_head(agent, out, out_len, 1), 0);
    memset(out, 0, sizeof(out));
    out[0] = 0x80 | CV_WS_PING;
    cr_assert_eq(cv_link_data_head(agent, out, 2, 1), 0);
    say_payload();
    out[0] = 0x80 | CV_WS_TEXT;
    cr_assert_eq(cv_link_data_head(agent, out, out_len, 1), 0);
    cr_assert_eq(cv_link_passing(agent, &whose), 0);
}

Test(pass, payload_passes_in_parts_and_the_next_frame_follows)
{
    for (int turn = 0; turn < 3; turn++) {
        size_t head = say_payload();
        void *whose = NULL;

        cr_assert_eq(feed(agent, out, head, true), 0);
        cr_assert_eq(cv_link_passing(agent, &whose), PAYLOAD);
        cr_assert_eq(whose, &user);
        cv_link_passed(agent, 1, START);
        cr_assert_eq(cv_link_passing(agent, &whose), PAYLOAD - 1);
        cr_assert_eq(feed(agent, out + head + 1, 99, true), 99, "a part of it is fed");
        cv_link_passed(agent, PAYLOAD - 100, START);
        cr_assert_eq(cv_link_passing(agent, &whose), 0);
        cr_assert_eq(bytes_in(), (uint64_t)(turn + 1) * PAYLOAD);
    }
    cr_assert_eq(feed(agent, out, say_payload() + PAYLOAD, true), PAYLOAD, "one is fed again");
    cr_assert_eq(cv_session_stats(cv_link_session(agent))->frames_in, 5);
}

Test(pass, the_window_opens_for_what_passed_as_for_what_was_taken)
{
    void *whose;

    for (size_t sent = 0; sent < (size_t)4 * CV_SESSION_BUDGET / 64; sent += PAYLOAD) {
        feed(agent, out, say_payload(), true);
        cv_link_passed(agent, PAYLOAD, START);
        say(agent);
        feed(server, out, out_len, true);
    }
    cr_assert_eq(cv_session_conns(cv_link_session(agent)), 1);
    cr_assert_eq(cv_link_passing(agent, &whose), 0);
}

Test(pass, nothing_passes_what_is_stored)
{
    size_t head = say_payload();
    void *whose;

    cr_assert_eq(feed(agent, out, head + 100, false), 100);
    cr_assert_eq(cv_link_passing(agent, &whose), 0);
    cr_assert_eq(cv_session_consume(cv_link_session(agent), id, 100), 0);
    cr_assert_eq(cv_link_passing(agent, &whose), PAYLOAD - 100);
}

Test(pass, nothing_passes_to_a_connection_that_is_over)
{
    size_t head = say_payload();
    void *whose;

    feed(agent, out, head + 100, true);
    cr_assert_eq(cv_session_abort(cv_link_session(agent), id, CV_REASON_LOCAL, NULL), 0);
    cr_assert_eq(cv_link_passing(agent, &whose), 0);
    cr_assert_eq(feed(agent, out + head + 100, PAYLOAD - 100, true), 0);
}

Test(pass, what_is_masked_does_not)
{
    void *whose;

    say(agent);
    feed(server, out, out_len, true);
    cr_assert_eq(cv_session_ready(cv_link_session(agent), id, true), 0);
    say(agent);
    cr_assert_eq(cv_link_data_head(server, out, 64, 1), 0);
    feed(server, out, 100, true);
    cr_assert_eq(cv_link_passing(server, &whose), 0);
}
