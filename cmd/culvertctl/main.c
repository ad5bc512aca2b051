#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/quote.h"
#include "command.h"
#include "culvert_version.h"
#include "nearest.h"

/* One row a command; --help is made from it. */
static const struct command {
    const char *name[2]; /* its words; the second may be NULL */
    const char *synopsis;
    const char *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {{"connect", NULL},
     "connect --server URL CLIENT/HOST:PORT",
     "reach a target at standard input and output, for ssh -o ProxyCommand; see connect --help",
     command_connect},
    {{"forward", NULL},
     "forward --server URL LISTEN=CLIENT/HOST:PORT...",
     "listen here, and reach a target for each visitor; see forward --help",
     command_forward},
    {{"discover", NULL},
     "discover [--listen] [--type URN] [--json]",
     "find servers by SSDP, or with --listen watch devices come and go; also --interface IFACE, "
     "--timeout SECONDS",
     command_discover},
    {{"status", NULL}, "status", "how the server is", command_status},
    {{"clients", NULL}, "clients", "the agents that are connected", command_clients},
    {{"conns", NULL}, "conns", "the visitors' connections", command_conns},
    {{"peers", NULL}, "peers", "the peer servers, and those of the directory", command_peers},
    {{"directory", NULL},
     "directory",
     "the directory, its cache and what we claim in it",
     command_directory},
    {{"rooms", NULL}, "rooms", "the rendezvous rooms", command_rooms},
    {{"forwards", NULL}, "forwards", "the forwards that are open", command_forwards},
    {{"routes", NULL}, "routes", "the names that the HTTP door knows", command_routes},
    {{"events", NULL}, "events", "what happened lately", command_events},
    {{"top", NULL}, "top", "the busiest agents, anew each second", command_top},
    {{"kick", NULL},
     "kick CLIENT",
     "end the sessions of an agent; it will come back",
     command_kick},
    {{"cut", NULL}, "cut ID", "end one connection, by its id of `conns`", command_cut},
    {{"drain", NULL},
     "drain",
     "let what runs end, take no more, and stop the server",
     command_drain},
    {{"room", "new"},
     "room new --ids A,B [--ttl 10m] [--json]",
     "sign the id of a room for two clients; also --secret FILE, that of the server's rooms",
     command_room_new},
    {{"token", "new"},
     "token new [--json]",
     "make a token and the hash that stands for it in a token file",
     command_token_new},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

int command_fail(int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("culvertctl: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

static int print_help(void)
{
    printf("Usage: culvertctl COMMAND [FLAG]...\n"
           "Operates Culvert, the reverse-tunnel proxy.\n"
           "\n"
           "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-42s  %s\n", commands[i].synopsis, commands[i].help);
    printf(
        "\n"
        "Flags of the commands that ask a server:\n"
        "  --admin URL                                 http://HOST:PORT or unix:PATH (default:\n"
        "                                              CULVERT_ADMIN, or http://127.0.0.1:8124)\n"
        "  --admin-token-file FILE                     its token (default: CULVERT_ADMIN_TOKEN)\n"
        "  --json                                      as JSON\n"
        "  --watch[=SECONDS]                           again and again\n"
        "\n"
        "Flags:\n"
        "  --help                                      print this\n"
        "  --version                                   print name, version and commit\n");
    return EXIT_OK;
}

static int print_command_help(const struct command *command)
{
    printf("Usage: culvertctl %s\n%s\n", command->synopsis, command->help);
    if (!strstr(command->synopsis, "--"))
        puts("It takes the flags of all commands that ask a server.");
    return EXIT_OK;
}

/* Whether it says by itself what its flags are. */
static bool has_flags(const struct command *command)
{
    return command->run == command_connect || command->run == command_forward;
}

/* How many of the words at @argv are the name of @command; 0 when it is another. */
static int match(const struct command *command, int argc, char **argv)
{
    if (strcmp(argv[0], command->name[0]) != 0)
        return 0;
    if (!command->name[1])
        return 1;
    return argc > 1 && strcmp(argv[1], command->name[1]) == 0 ? 2 : 0;
}

static int unknown(int argc, char **argv)
{
    char line[512];
    struct cv_text text;
    const char *needed = NULL; /* the word behind a first one that is right */
    struct nearest nearest;

    cv_text_init(&text, line, sizeof(line));
    nearest_init(&nearest, argv[0]);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(argv[0], commands[i].name[0]) != 0)
            nearest_offer(&nearest, commands[i].name[0]);
        else
            needed = commands[i].name[1];
    for (int i = 0; i < argc && i < 2; i++) {
        cv_text_str(&text, i ? " " : "");
        cv_quote_str(&text, argv[i]);
    }
    if (needed)
        return command_fail(EXIT_USAGE,
                            "no such command: %s (did you mean %s %s? --help shows all)", line,
                            argv[0], needed);
    if (nearest.best)
        return command_fail(EXIT_USAGE, "no such command: %s (did you mean %s? --help shows all)",
                            line, nearest.best);
    return command_fail(EXIT_USAGE, "no such command: %s (--help shows what there is)", line);
}

/* `culvertctl --admin URL COMMAND` is as good as `culvertctl COMMAND --admin URL`: leaves the words
 * from the command on. */
static void take_admin(int *argc, char ***argv)
{
    const char *word = *argc > 1 ? (*argv)[1] : "";
    int words = 0;

    if (strncmp(word, "--admin=", 8) == 0 && setenv("CULVERT_ADMIN", word + 8, 1) == 0)
        words = 1;
    else if (strcmp(word, "--admin") == 0 && *argc > 2 &&
             setenv("CULVERT_ADMIN", (*argv)[2], 1) == 0)
        words = 2;
    *argc -= words;
    *argv += words;
}

int main(int argc, char **argv)
{
    take_admin(&argc, &argv);
    if (argc < 2)
        return command_fail(EXIT_USAGE, "which command? (--help shows what there is)");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0) {
        printf("culvertctl %s (%s)\n", CULVERT_VERSION, CULVERT_COMMIT);
        return EXIT_OK;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int words = match(&commands[i], argc - 1, argv + 1);

        if (words && !has_flags(&commands[i]) && argc > 1 + words &&
            strcmp(argv[1 + words], "--help") == 0)
            return print_command_help(&commands[i]);
        if (words)
            return commands[i].run(argc - 1 - words, argv + 1 + words);
    }
    return unknown(argc - 1, argv + 1);
}
