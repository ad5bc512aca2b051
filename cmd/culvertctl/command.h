#ifndef CULVERTCTL_COMMAND_H
#define CULVERTCTL_COMMAND_H

#include "base/attr.h"

/* How every program ends. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_RUN = 1,   /* failed while it ran */
    EXIT_USAGE = 2, /* bad flags */
    EXIT_OPEN = 3,  /* could not listen */
};

/* Prints `culvertctl: ` and the line on standard error; returns @code. */
int command_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The commands: each is handed the words behind its own name and returns the exit code. */
int command_token_new(int argc, char **argv);
int command_room_new(int argc, char **argv);
int command_discover(int argc, char **argv);
int command_connect(int argc, char **argv);
int command_forward(int argc, char **argv);

/* operate.c: what a running server is asked, and told. */
int command_status(int argc, char **argv);
int command_clients(int argc, char **argv);
int command_conns(int argc, char **argv);
int command_peers(int argc, char **argv);
int command_directory(int argc, char **argv);
int command_rooms(int argc, char **argv);
int command_forwards(int argc, char **argv);
int command_routes(int argc, char **argv);
int command_events(int argc, char **argv);
int command_top(int argc, char **argv);
int command_kick(int argc, char **argv);
int command_cut(int argc, char **argv);
int command_drain(int argc, char **argv);

#endif
