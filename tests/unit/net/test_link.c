#include "net/link.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test_alloc.h"

/* Two ends of a link, between which bytes are carried by hand. */
struct end {
    struct test_alloc memory;
    struct cv_prng prng;
    struct cv_random random;
    struct cv_link *link;
};

#define NOW (1000 * CV_SEC)

static void end_init(struct end *end, enum cv_session_role role)
{
    struct cv_session_config config = cv_session_defaults(role);
    struct cv_session *session;

    test_alloc_init(&end->memory);
    cv_prng_init(&end->prng, 1);
    end->random = cv_prng_random(&end->prng);
    cr_assert_eq(cv_session_new(&session, &config, &end->memory.alloc, &end->random, NOW), 0);
    cr_assert_eq(
        cv_link_new(&end->link, session, &end->memory.alloc, &end->memory.alloc, &end->random), 0);
}

static void end_deinit(struct end *end)
{
    cv_link_free(end->link);
    cr_assert_eq(end->memory.live, 0);
}

/* One send of @from, as a socket would take it; returns the announcements that @to heard. */
static uint32_t carry(struct end *from, struct end *to)
{
    struct cv_link_turn turn;
    struct cv_session_event event;
    const uint8_t *data;
    uint8_t *bytes;
    uint32_t heard = 0;
    size_t len;

    cr_assert_eq(cv_link_fill(from->link, NOW, &turn), 0);
    len = cv_link_output(from->link, &data);
    cr_assert_gt(len, 0);
    cr_assert_leq(len, CV_LINK_SEND_MAX);
    bytes = malloc(len);
    cr_assert_not_null(bytes);
    memcpy(bytes, data, len);
    cv_link_sent(from->link, len);
    for (size_t at = 0; at < len;) {
        int n = cv_link_recv(to->link, bytes + at, len - at, NOW);

        cr_assert_gt(n, 0);
        at += (size_t)n;
        while (cv_session_poll(cv_link_session(to->link), &event))
            heard += event.kind == CV_EVENT_ADD_CLIENT;
    }
    free(bytes);
    return heard;
}

#define CLIENTS 10000

Test(link, ten_thousand_announcements_travel_in_a_few_sends)
{
    struct end peer, server;
    uint32_t heard = 0, sends = 0;
    char key[32];

    end_init(&peer, CV_SESSION_DIALLER);
    end_init(&server, CV_SESSION_ACCEPTOR);
    for (int i = 0; i < CLIENTS; i++) {
        snprintf(key, sizeof(key), "client-%d", i);
        cr_assert_eq(cv_session_announce(cv_link_session(peer.link), true, key, INT64_MAX - i), 0);
    }
    for (; cv_link_pending(peer.link); sends++)
        heard += carry(&peer, &server);
    cr_assert_eq(heard, CLIENTS);
    cr_assert_leq(sends, 8, "%u sends", sends); /* some 400 kB, in sends of 64 and then 256 kB */
    end_deinit(&peer);
    end_deinit(&server);
}
