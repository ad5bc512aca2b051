/* Where rooms differ from collider on purpose: everything has a limit, and who is slow is alone. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "lobby.h"

TestSuite(limits, .init = lobby_open, .fini = lobby_close);

static char big[CV_ROOMS_BODY_MAX + 2];

static const char *bytes(size_t len)
{
    memset(big, 'x', len);
    big[len] = '\0';
    return big;
}

static bool poll_for(enum cv_rooms_event_kind kind)
{
    struct cv_rooms_event event;
    bool found = false;

    while (cv_rooms_poll(lobby, &event))
        found |= event.kind == kind;
    return found;
}

static void reopen(const struct cv_rooms_config *config)
{
    lobby_close();
    lobby_config = *config;
    lobby_open();
}

Test(limits, a_message_of_64_kib_passes_and_a_longer_one_does_not)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b");

    send_to(a, bytes(CV_ROOMS_BODY_MAX));
    hears(b, bytes(CV_ROOMS_BODY_MAX));
    cr_assert_eq(post("r", "b", bytes(CV_ROOMS_BODY_MAX + 1)), CV_ROOMS_LONG);
    send_to(a, bytes(CV_ROOMS_BODY_MAX + 1));
    told_and_closed(a, "Invalid send request: 'msg' is too long");
    hears_nothing(b);
}

Test(limits, an_end_that_does_not_read_is_dropped_alone)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b"), c = enter("s", "c"), d = enter("s", "d");

    for (size_t sent = 0; sent <= CV_ROOMS_OUT_MAX; sent += CV_ROOMS_BODY_MAX) {
        cr_assert_not(poll_for(CV_ROOMS_DROP));
        send_to(a, bytes(CV_ROOMS_BODY_MAX));
    }
    cr_assert(poll_for(CV_ROOMS_DROP));
    cr_assert_eq(counters().dropped, 1);
    cv_rooms_closed(lobby, b, lobby_now);
    hears_nothing(a);
    send_to(c, "m");
    hears(d, "m");
    b = enter("r", "b"); /* and what did not fit had stayed with the sender */
    hears(b, bytes(CV_ROOMS_BODY_MAX));
    hears_nothing(b);
}

Test(limits, so_many_small_messages_wait_at_an_end_that_does_not_read)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b");
    size_t before = lobby_alloc.bytes;

    for (size_t i = 0; i < CV_ROOMS_OUT_COUNT; i++) {
        cr_assert_not(poll_for(CV_ROOMS_DROP));
        send_to(a, "x");
    }
    cr_assert_lt(lobby_alloc.bytes - before, (size_t)CV_ROOMS_OUT_MAX);
    cr_assert_not(poll_for(CV_ROOMS_DROP));
    send_to(a, "x");
    cr_assert(poll_for(CV_ROOMS_DROP));
    cv_rooms_closed(lobby, b, lobby_now);
}

Test(limits, a_queue_holds_so_many_bytes)
{
    for (size_t i = 0; i < CV_ROOMS_QUEUE_BYTES / CV_ROOMS_BODY_MAX; i++)
        cr_assert_eq(post("r", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_FINE);
    cr_assert_eq(post("r", "a", "x"), CV_ROOMS_QUEUE_FULL);
}

Test(limits, all_queues_together_hold_so_many_bytes)
{
    const struct cv_rooms_config config = {
        .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = 3 * CV_ROOMS_BODY_MAX};
    uint64_t a;

    reopen(&config);
    cr_assert_eq(post("r", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_FINE);
    cr_assert_eq(post("s", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_FINE);
    cr_assert_eq(post("r", "a", "a bit more"), CV_ROOMS_FINE);
    cr_assert_eq(post("r", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_QUEUE_FULL);
    a = enter("r", "b");
    hears(a, bytes(CV_ROOMS_BODY_MAX)); /* which frees its room */
    cr_assert_eq(post("t", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_FINE);
    hears(a, "a bit more");
    cr_assert_leq(counters().bytes, config.max_bytes);
}

/* Has as much wait for the other of @from, which does not read, as an end takes. */
static void fill(uint64_t from)
{
    for (size_t i = 0; i < CV_ROOMS_OUT_MAX / CV_ROOMS_BODY_MAX; i++)
        send_to(from, bytes(CV_ROOMS_BODY_MAX));
}

static const struct cv_rooms_config small = {
    .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = 2 * CV_ROOMS_OUT_MAX};

Test(limits, when_all_is_full_the_end_that_hoards_most_makes_room)
{
    uint64_t a, b, c, d;
    char name[] = "0";

    reopen(&small);
    a = enter("good", "a");
    b = enter("good", "b");
    c = enter("slow", "a");
    d = enter("slow", "b");
    send_to(c, "waits a moment");
    for (; name[0] < '5'; name[0]++) {
        enter(name, "deaf");
        fill(enter(name, "a"));
    }
    cr_assert(poll_for(CV_ROOMS_DROP));
    for (size_t i = 0; i < CV_ROOMS_QUEUE_BYTES / CV_ROOMS_BODY_MAX; i++) {
        send_to(a, bytes(CV_ROOMS_BODY_MAX));
        hears(b, bytes(CV_ROOMS_BODY_MAX));
    }
    hears(d, "waits a moment");
    cr_assert_leq(counters().bytes, small.max_bytes);
    cr_assert_eq(counters().clients, 14, "a place is kept");
    cr_assert_eq(counters().open_ws, 14 - counters().dropped);
}

Test(limits, when_all_is_full_the_client_that_hoards_most_loses_what_it_said)
{
    uint64_t hoarder, a, b;
    char name[] = "0";

    reopen(&small);
    hoarder = enter("r", "hoarder");
    for (size_t i = 0; i < CV_ROOMS_QUEUE_BYTES / CV_ROOMS_BODY_MAX; i++)
        send_to(hoarder, bytes(CV_ROOMS_BODY_MAX));
    for (int i = 0; counters().bytes + CV_ROOMS_BODY_MAX + 100 < small.max_bytes; i++) {
        name[0] = (char)('0' + i / 2);
        cr_assert_eq(post(name, "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_FINE);
    }
    a = enter("good", "a");
    cr_assert_not(poll_for(CV_ROOMS_DROP));
    send_to(a, bytes(CV_ROOMS_BODY_MAX));
    cr_assert(poll_for(CV_ROOMS_DROP));
    b = enter("good", "b");
    hears(b, bytes(CV_ROOMS_BODY_MAX));
    cv_rooms_closed(lobby, hoarder, lobby_now);
    hoarder = enter("r", "hoarder");
    b = enter("r", "b");
    hears_nothing(b);
    send_to(hoarder, "anew");
    hears(b, "anew");
}

Test(limits, a_message_larger_than_the_budget_takes_nothing_from_anybody)
{
    const struct cv_rooms_config config = {
        .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = CV_ROOMS_BODY_MAX};
    uint64_t b;

    reopen(&config);
    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    cr_assert_eq(post("s", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_QUEUE_FULL);
    b = enter("r", "b");
    hears(b, "m");
}

Test(limits, there_are_so_many_rooms_from_an_address_and_others_have_theirs)
{
    char name[] = "0";
    uint64_t refused = come(1), other = come(2);

    for (size_t i = 0; i < 5; i++, name[0]++)
        enter(name, "a");
    say(refused, "register", "more", "a", "");
    told_and_closed(refused, "Too many rooms from this address");
    say(other, "register", "more", "a", "");
    hears_nothing(other);
    enter("0", "b"); /* into a room that there is */
    cr_assert_eq(cv_rooms_delete(lobby, text_of("1"), text_of("a")), CV_ROOMS_FINE);
    enter("1", "a");
}

Test(limits, there_are_so_many_rooms)
{
    char name[] = "0";
    uint64_t last = come(9);

    for (uint8_t i = 0; i < 10; i++, name[0]++)
        say(come((uint8_t)(1 + i / 4)), "register", name, "a", "");
    cr_assert_eq(counters().rooms, 10);
    say(last, "register", "more", "a", "");
    told_and_closed(last, "Too many rooms");
}

Test(limits, an_id_of_256_bytes_passes_and_a_longer_one_does_not)
{
    uint64_t a = come(1), b = come(1);

    say(a, "register", bytes(CV_ROOMS_ID_MAX), "a", "");
    hears_nothing(a);
    say(b, "register", bytes(CV_ROOMS_ID_MAX + 1), "a", "");
    told_and_closed(b, "Invalid register request: 'clientid' or 'roomid' is too long");
    cr_assert_eq(post("r", bytes(CV_ROOMS_ID_MAX + 1), "m"), CV_ROOMS_NAME_LONG);
}

Test(limits, errors_that_are_not_read_do_not_pile_up)
{
    uint64_t a = come(1);

    for (size_t i = 0; i < 100000; i++)
        say(a, "nonsense", "", "", "");
    cr_assert_eq(counters().ws_errors, 100000);
    cr_assert_lt(lobby_alloc.bytes, (size_t)4 << 20);
}

Test(limits, who_registers_without_room_for_what_waits_is_dropped_and_it_waits_on)
{
    uint64_t deaf = come(1), b;

    for (size_t i = 0; i < CV_ROOMS_OUT_COUNT; i++)
        say(deaf, "nonsense", "", "", "");
    cr_assert_eq(post("r", "a", bytes(CV_ROOMS_BODY_MAX)), CV_ROOMS_FINE);
    say(deaf, "register", "r", "b", "");
    cr_assert(poll_for(CV_ROOMS_DROP));
    cv_rooms_closed(lobby, deaf, lobby_now);
    b = enter("r", "b");
    hears(b, bytes(CV_ROOMS_BODY_MAX));
    hears_nothing(b);
}

Test(limits, a_stale_end_is_known_as_such)
{
    uint64_t a = enter("r", "a");
    struct cv_rooms_out out;

    cv_rooms_closed(lobby, a, lobby_now);
    send_to(a, "m");
    cv_rooms_closed(lobby, a, lobby_now);
    cr_assert_eq(cv_rooms_peek(lobby, a, &out), CV_ESTALE);
}

Test(limits, who_is_gone_is_told_once_when_that_is_wanted)
{
    const struct cv_rooms_config config = {
        .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = 4096, .tell_gone = true};
    struct cv_rooms_event event;

    reopen(&config);
    cr_assert_eq(post("room", "me", "m"), CV_ROOMS_FINE);
    cr_assert_not(cv_rooms_poll(lobby, &event));
    wait_for(10 * CV_SEC);
    cr_assert(cv_rooms_poll(lobby, &event));
    cr_assert_eq(event.kind, CV_ROOMS_GONE);
    cr_assert_eq(event.room.len, 4);
    cr_assert_arr_eq(event.room.at, "room", 4);
    cr_assert_eq(event.client.len, 2);
    cr_assert_arr_eq(event.client.at, "me", 2);
    cr_assert_not(cv_rooms_poll(lobby, &event));
    cr_assert_eq(post("room", "you", "m"), CV_ROOMS_FINE);
    wait_for(10 * CV_SEC); /* and what nobody polls for is freed at the end */
}

Test(limits, who_is_gone_is_told_though_what_waits_fills_the_budget)
{
    const struct cv_rooms_config config = {
        .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = 4096, .tell_gone = true};

    reopen(&config);
    enter("room", "me");
    while (post("full", "a", "m") == CV_ROOMS_FINE)
        ;
    cr_assert_eq(cv_rooms_delete(lobby, text_of("room"), text_of("me")), CV_ROOMS_FINE);
    cr_assert(poll_for(CV_ROOMS_GONE));
}

static bool only_a(void *ctx, struct cv_rooms_text room, struct cv_rooms_text client)
{
    (void)ctx;
    (void)room;
    return client.len == 1 && client.at[0] == 'a';
}

Test(limits, who_is_not_admitted_neither_registers_nor_posts_nor_deletes)
{
    const struct cv_rooms_config config = {
        .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = 4096, .admit = only_a};
    uint64_t b;

    reopen(&config);
    enter("r", "a");
    b = come(1);
    say(b, "register", "r", "b", "");
    told_and_closed(b, "Room id not signed for this client, or expired");
    cr_assert_eq(post("r", "b", "m"), CV_ROOMS_UNSIGNED);
    cr_assert_eq(cv_rooms_delete(lobby, text_of("r"), text_of("b")), CV_ROOMS_UNSIGNED);
    cr_assert_eq(counters().clients, 1);
}

/* One life with everything in it; what fails for want of memory fails in order. */
static void live(void)
{
    struct cv_peer from = {.family = 6, .ip = {0xfd}};
    struct cv_rooms_event event;
    uint64_t a = 0, b = 0;

    if (cv_rooms_open(lobby, &a, &from, NULL) == 0) {
        say(a, "register", "r", "a", "");
        send_to(a, "1");
        say(a, "nonsense", "", "", "");
    }
    (void)!post("r", "b", "2");
    if (cv_rooms_open(lobby, &b, &from, NULL) == 0)
        say(b, "register", "r", "b", "");
    send_to(a, "3");
    cv_rooms_closed(lobby, a, lobby_now);
    wait_for(10 * CV_SEC);
    while (cv_rooms_poll(lobby, &event))
        ;
    cv_rooms_closed(lobby, b, lobby_now);
    wait_for(10 * CV_SEC);
    cr_assert_eq(counters().rooms, 0);
    cr_assert_eq(counters().clients, 0);
    cr_assert_eq(counters().open_ws, 0);
}

Test(limits, every_allocation_may_fail)
{
    const struct cv_rooms_config config = {
        .max_rooms = 10, .max_rooms_per_source = 10, .max_bytes = 4096, .tell_gone = true};
    size_t calls;

    reopen(&config);
    live();
    calls = lobby_alloc.calls;
    cr_assert_gt(calls, 10);
    for (size_t i = 2; i <= calls; i++) {
        lobby_close();
        lobby_open();
        lobby_alloc.fail_at = i;
        live();
    }
}
