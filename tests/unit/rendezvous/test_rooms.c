/* What collider's own tests assert, a sentence a test, in their order; then its errors. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "lobby.h"

TestSuite(rooms, .init = lobby_open, .fini = lobby_close);

struct picture {
    size_t clients, present, queued;
};

static void add(void *ctx, const struct cv_rooms_entry *entry)
{
    struct picture *picture = ctx;

    picture->clients++;
    picture->present += entry->present;
    picture->queued += entry->queued;
}

static struct picture look(void)
{
    struct picture picture = {0};

    cv_rooms_each(lobby, add, &picture);
    return picture;
}

static bool closes(uint64_t end)
{
    struct cv_rooms_out out;

    return cv_rooms_peek(lobby, end, &out) == CV_ECLOSED;
}

static void leave(uint64_t end)
{
    cv_rooms_closed(lobby, end, lobby_now);
}

static void delete (const char *room, const char *client)
{
    cr_assert_eq(cv_rooms_delete(lobby, text_of(room), text_of(client)), CV_ROOMS_FINE);
}

Test(rooms, a_new_client_has_no_connection_and_no_messages)
{
    enter("r", "b");
    cr_assert_eq(post("r", "a", "heard at once"), CV_ROOMS_FINE);
    cr_assert_eq(look().clients, 2);
    cr_assert_eq(look().present, 1);
    cr_assert_eq(look().queued, 0);
}

Test(rooms, a_second_register_is_an_error)
{
    uint64_t a = enter("r", "a");

    say(a, "register", "r", "a", "");
    told_and_closed(a, "Duplicated register request");
}

Test(rooms, queued_messages_are_delivered_and_the_queue_emptied)
{
    uint64_t a = enter("r", "a"), b;

    send_to(a, "1");
    send_to(a, "2");
    cr_assert_eq(look().queued, 2);
    b = enter("r", "b");
    hears(b, "1");
    hears(b, "2");
    hears_nothing(b);
    cr_assert_eq(look().queued, 0);
}

Test(rooms, a_send_queues_while_the_other_is_absent_and_goes_direct_after)
{
    uint64_t a = enter("r", "a"), b;

    send_to(a, "early");
    b = enter("r", "b");
    send_to(a, "late");
    cr_assert_eq(look().queued, 0);
    hears(b, "early");
    hears(b, "late");
}

Test(rooms, deregister_closes)
{
    uint64_t a = enter("r", "a");

    delete ("r", "a");
    cr_assert(closes(a));
    cr_assert_eq(counters().open_ws, 0);
}

Test(rooms, of_messages_1024_queue_and_the_next_is_refused)
{
    for (size_t i = 0; i < CV_ROOMS_QUEUE_MAX; i++)
        cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_QUEUE_FULL);
    cr_assert_str_eq(cv_rooms_refusal_text(CV_ROOMS_QUEUE_FULL),
                     "Too many messages queued for the client");
    cr_assert_eq(look().queued, CV_ROOMS_QUEUE_MAX);
}

Test(rooms, an_overflow_is_silent_on_the_websocket)
{
    uint64_t a = enter("r", "a");

    for (size_t i = 0; i < CV_ROOMS_QUEUE_MAX + 3; i++)
        send_to(a, "m");
    hears_nothing(a);
    cr_assert_eq(look().queued, CV_ROOMS_QUEUE_MAX);
}

Test(rooms, there_is_one_object_an_id)
{
    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    enter("r", "a");
    cr_assert_eq(look().clients, 1);
}

Test(rooms, a_third_id_is_an_error)
{
    uint64_t c;

    enter("r", "a");
    enter("r", "b");
    c = come(1);
    say(c, "register", "r", "c", "");
    told_and_closed(c, "Max room capacity reached");
    cr_assert_eq(post("r", "c", "m"), CV_ROOMS_CAPACITY);
    cr_assert_eq(look().clients, 2);
}

Test(rooms, the_first_clients_queue_reaches_the_second)
{
    uint64_t b;

    send_to(enter("r", "a"), "offer");
    b = enter("r", "b");
    hears(b, "offer");
}

Test(rooms, a_lone_sender_queues)
{
    uint64_t a = enter("r", "a");

    send_to(a, "m");
    hears_nothing(a);
    cr_assert_eq(look().queued, 1);
}

Test(rooms, a_registered_pair_gets_at_once)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b");

    send_to(a, "to b");
    send_to(b, "to a");
    hears(b, "to b");
    hears(a, "to a");
}

Test(rooms, delete_closes_and_empties)
{
    uint64_t a = enter("r", "a");

    send_to(a, "m");
    delete ("r", "a");
    cr_assert(closes(a));
    cr_assert_eq(counters().rooms, 0);
    cr_assert_eq(counters().bytes, 0);
}

Test(rooms, a_send_of_a_reaches_b_alone)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b"), stranger = enter("s", "b");

    send_to(a, "m");
    hears(b, "m");
    hears_nothing(a);
    hears_nothing(stranger);
}

Test(rooms, a_duplicate_id_is_an_error_and_the_end_and_the_old_one_lives)
{
    uint64_t a = enter("r", "a"), second = come(1), b;

    say(second, "register", "r", "a", "");
    told_and_closed(second, "Duplicated registration");
    b = enter("r", "b");
    send_to(b, "still here?");
    hears(a, "still here?");
}

Test(rooms, connecting_twice_is_an_error_and_the_end_and_the_place_is_kept)
{
    uint64_t a = enter("r", "a");

    say(a, "register", "s", "a", "");
    send_to(a, "ignored now");
    told_and_closed(a, "Duplicated register request");
    cr_assert_eq(counters().rooms, 1);
    cr_assert_eq(counters().open_ws, 0);
    enter("r", "a");
}

Test(rooms, a_post_reaches_the_websocket_end)
{
    uint64_t b = enter("r", "b");

    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    hears(b, "m");
}

Test(rooms, an_earlier_post_is_delivered_at_register)
{
    uint64_t b;

    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    b = enter("r", "b");
    hears(b, "m");
}

Test(rooms, delete_ends_the_websocket_and_no_room_is_left)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b");

    delete ("r", "a");
    cr_assert(closes(a));
    hears_nothing(b);
    delete ("r", "b");
    cr_assert_eq(counters().rooms, 0);
}

Test(rooms, delete_of_nobody_is_fine)
{
    delete ("r", "a");
    enter("r", "b");
    delete ("r", "a");
    cr_assert_eq(look().present, 1);
}

Test(rooms, the_room_of_a_poster_that_never_registered_is_gone_after_the_time_out)
{
    cr_assert_eq(post("r", "a", "m"), CV_ROOMS_FINE);
    cr_assert_eq(cv_rooms_deadline(lobby), lobby_now + 10 * CV_SEC);
    wait_for(10 * CV_SEC - 1);
    cr_assert_eq(counters().rooms, 1);
    wait_for(1);
    cr_assert_eq(counters().rooms, 0);
    cr_assert_eq(counters().bytes, 0);
    cr_assert_eq(cv_rooms_deadline(lobby), CV_NEVER);
}

Test(rooms, a_deregistered_client_is_kept_until_the_time_out_and_then_gone)
{
    uint64_t a = enter("r", "a");

    send_to(a, "m");
    leave(a);
    wait_for(10 * CV_SEC - 1);
    cr_assert_eq(look().clients, 1);
    cr_assert_eq(look().queued, 1);
    wait_for(1);
    cr_assert_eq(look().clients, 0);
}

Test(rooms, registering_before_the_time_out_resumes)
{
    uint64_t a = enter("r", "a"), b;

    send_to(a, "kept");
    leave(a);
    wait_for(9 * CV_SEC);
    enter("r", "a");
    wait_for(60 * CV_SEC);
    b = enter("r", "b");
    hears(b, "kept");
}

Test(rooms, a_disconnect_is_not_told_and_what_is_said_meanwhile_waits)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b");

    leave(a);
    hears_nothing(b);
    send_to(b, "are you there?");
    a = enter("r", "a");
    hears(a, "are you there?");
}

Test(rooms, the_counter_of_connections_moves)
{
    uint64_t a = enter("r", "a");

    cr_assert_eq(counters().open_ws, 1);
    cr_assert_eq(counters().total_ws, 1);
    leave(a);
    cr_assert_eq(counters().open_ws, 0);
    cr_assert_eq(counters().total_ws, 1);
}

Test(rooms, the_counter_of_websocket_errors_moves)
{
    say(come(1), "nonsense", "", "", "");
    cr_assert_eq(counters().ws_errors, 1);
    cr_assert_eq(counters().http_errors, 0);
}

Test(rooms, the_counter_of_http_errors_moves)
{
    cv_rooms_http_error(lobby);
    cr_assert_eq(counters().http_errors, 1);
    cr_assert_eq(counters().ws_errors, 0);
}

Test(rooms, who_is_not_registered_cannot_send)
{
    uint64_t a = come(1);

    send_to(a, "m");
    told_and_closed(a, "Client not registered");
}

Test(rooms, a_register_needs_both_ids)
{
    uint64_t a = come(1), b = come(1);

    say(a, "register", "r", "", "");
    told_and_closed(a, "Invalid register request: missing 'clientid' or 'roomid'");
    say(b, "register", "", "b", "");
    told_and_closed(b, "Invalid register request: missing 'clientid' or 'roomid'");
}

Test(rooms, a_send_needs_a_message)
{
    uint64_t a = enter("r", "a");

    send_to(a, "");
    told_and_closed(a, "Invalid send request: missing 'msg'");
}

Test(rooms, an_unexpected_command_is_an_error_and_no_end)
{
    uint64_t a = enter("r", "a"), b = enter("r", "b");

    say(a, "", "", "", "");
    told(a, "Invalid message: unexpected 'cmd'");
    hears_nothing(a);
    send_to(a, "m");
    hears(b, "m");
}

Test(rooms, what_cannot_be_read_is_an_error_and_the_end)
{
    uint64_t a = enter("r", "a");

    cv_rooms_unreadable(lobby, a, "websocket.JSON.Receive error: x", lobby_now);
    send_to(a, "ignored now");
    told_and_closed(a, "websocket.JSON.Receive error: x");
    cr_assert_eq(look().queued, 0);
}
