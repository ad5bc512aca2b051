#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "access/quote.h"
#include "command.h"
#include "culvert_version.h"

/* One row a command; --help is made from it. */
static const struct command {
    const char *name[2]; /* its words; the second may be NULL */
    const char *synopsis;
    const char *help;
    int (*run)(int argc, char **argv);
} commands[] = {
    {{"discover", NULL},
     "discover [--listen] [--type URN] [--json]",
     "find servers by SSDP, or with --listen watch devices come and go; also --interface IFACE, "
     "--timeout SECONDS",
     command_discover},
    {{"room", "new"},
     "room new --ids A,B [--ttl 10m] [--json]",
     "sign the id of a room for two clients; also --secret FILE, the server's --rooms-secret",
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
    printf("\n"
           "Flags:\n"
           "  --help                                      print this\n"
           "  --version                                   print name, version and commit\n");
    return EXIT_OK;
}

static int print_command_help(const struct command *command)
{
    printf("Usage: culvertctl %s\n%s\n", command->synopsis, command->help);
    return EXIT_OK;
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

    cv_text_init(&text, line, sizeof(line));
    for (int i = 0; i < argc && i < 2; i++) {
        cv_text_str(&text, i ? " " : "");
        cv_quote_str(&text, argv[i]);
    }
    return command_fail(EXIT_USAGE, "no such command: %s (--help shows what there is)", line);
}

int main(int argc, char **argv)
{
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

        if (words && argc > 1 + words && strcmp(argv[1 + words], "--help") == 0)
            return print_command_help(&commands[i]);
        if (words)
            return commands[i].run(argc - 1 - words, argv + 1 + words);
    }
    return unknown(argc - 1, argv + 1);
}
