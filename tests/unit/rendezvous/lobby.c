#include "lobby.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"

struct test_alloc lobby_alloc;
struct cv_rooms *lobby;
struct cv_rooms_config lobby_config;
uint64_t lobby_now;

void lobby_open(void)
{
    lobby_now = 7000;
    test_alloc_init(&lobby_alloc);
    if (!lobby_config.max_rooms)
        lobby_config = (struct cv_rooms_config){
            .max_rooms = 10, .max_rooms_per_source = 5, .max_bytes = (size_t)8 << 20};
    cr_assert_eq(cv_rooms_new(&lobby, &lobby_alloc.alloc, &lobby_config), 0);
}

void lobby_close(void)
{
    cv_rooms_free(lobby);
    cr_assert_eq(lobby_alloc.live, 0);
}

struct cv_rooms_text text_of(const char *text)
{
    return (struct cv_rooms_text){text, strlen(text)};
}

uint64_t come(uint8_t host)
{
    struct cv_peer from = {.family = 4, .ip = {10, 0, 0, host}};
    uint64_t end;

    cr_assert_eq(cv_rooms_open(lobby, &end, &from, NULL), 0);
    return end;
}

void say(uint64_t end, const char *cmd, const char *room, const char *client, const char *msg)
{
    struct cv_rooms_request request = {.cmd = text_of(cmd),
                                       .roomid = text_of(room),
                                       .clientid = text_of(client),
                                       .msg = text_of(msg)};

    cv_rooms_recv(lobby, end, &request, lobby_now);
}

uint64_t enter(const char *room, const char *client)
{
    uint64_t end = come(1), before = counters().ws_errors;

    say(end, "register", room, client, "");
    cr_assert_eq(counters().ws_errors, before);
    return end;
}

void send_to(uint64_t end, const char *msg)
{
    say(end, "send", "", "", msg);
}

enum cv_rooms_refusal post(const char *room, const char *client, const char *msg)
{
    struct cv_peer from = {.family = 4, .ip = {10, 0, 0, 1}};

    return cv_rooms_post(lobby, text_of(room), text_of(client), &from, text_of(msg), lobby_now);
}

static void next_is(uint64_t end, bool error, const char *text)
{
    struct cv_rooms_out out;

    cr_assert_eq(cv_rooms_peek(lobby, end, &out), 1, "nothing waits where '%s' should", text);
    cr_assert_eq(out.error, error);
    cr_assert_eq(out.text.len, strlen(text));
    cr_assert_arr_eq(out.text.at, text, out.text.len);
    cv_rooms_written(lobby, end);
}

void hears(uint64_t end, const char *msg)
{
    next_is(end, false, msg);
}

void told(uint64_t end, const char *error)
{
    next_is(end, true, error);
}

void hears_nothing(uint64_t end)
{
    struct cv_rooms_out out;

    cr_assert_eq(cv_rooms_peek(lobby, end, &out), 0);
}

void told_and_closed(uint64_t end, const char *error)
{
    struct cv_rooms_out out;

    told(end, error);
    cr_assert_eq(cv_rooms_peek(lobby, end, &out), CV_ECLOSED);
    cv_rooms_closed(lobby, end, lobby_now);
}

void wait_for(uint64_t time)
{
    lobby_now += time;
    cv_rooms_tick(lobby, lobby_now);
}

struct cv_rooms_counters counters(void)
{
    struct cv_rooms_counters now;

    cv_rooms_count(lobby, &now);
    return now;
}
