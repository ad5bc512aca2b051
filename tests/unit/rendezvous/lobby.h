#ifndef TESTS_UNIT_RENDEZVOUS_LOBBY_H
#define TESTS_UNIT_RENDEZVOUS_LOBBY_H

#include "rendezvous/rooms.h"
#include "support/test_alloc.h"

/* Rooms under test, their clock, and short ways to talk to them. */
extern struct test_alloc lobby_alloc;
extern struct cv_rooms *lobby;
extern struct cv_rooms_config lobby_config; /* what the next lobby_open() takes */
extern uint64_t lobby_now;

void lobby_open(void);
void lobby_close(void); /* asserts that nothing was left */

struct cv_rooms_text text_of(const char *text);

uint64_t come(uint8_t host); /* a new end, from 10.0.0.@host */
void say(uint64_t end, const char *cmd, const char *room, const char *client, const char *msg);
uint64_t enter(const char *room, const char *client); /* come, and register without an error */
void send_to(uint64_t end, const char *msg);
enum cv_rooms_refusal post(const char *room, const char *client, const char *msg);

/* Asserts that the next thing at @end is that message or error, and takes it. */
void hears(uint64_t end, const char *msg);
void told(uint64_t end, const char *error);
void hears_nothing(uint64_t end);
void told_and_closed(uint64_t end, const char *error);
void wait_for(uint64_t time); /* the clock goes on; ticks */
struct cv_rooms_counters counters(void);

#endif
