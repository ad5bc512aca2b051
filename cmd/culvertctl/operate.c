#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "command.h"
#include "table.h"

/* The commands that ask a running server, or tell it to do something. */

static const struct column clients[] = {
    {"CLIENT", "client", COLUMN_TEXT},   {"SESSION", "session", COLUMN_COUNT},
    {"ADDRESS", "address", COLUMN_TEXT}, {"UP", "seconds", COLUMN_SPAN},
    {"RTT", "rtt_ms", COLUMN_MS},        {"CONNS", "conns", COLUMN_COUNT},
    {"FROM", "bytes_in", COLUMN_BYTES},  {"TO", "bytes_out", COLUMN_BYTES},
};

static const struct column conns[] = {
    {"ID", "id", COLUMN_COUNT},        {"CLIENT", "client", COLUMN_TEXT},
    {"DOOR", "door", COLUMN_TEXT},     {"VISITOR", "visitor", COLUMN_TEXT},
    {"TARGET", "target", COLUMN_TEXT}, {"OPEN", "seconds", COLUMN_SPAN},
};

static const struct column peers[] = {
    {"PEER", "peer", COLUMN_TEXT},        {"WAY", "direction", COLUMN_TEXT},
    {"ADDRESS", "address", COLUMN_TEXT},  {"STATE", "state", COLUMN_TEXT},
    {"CLIENTS", "clients", COLUMN_COUNT},
};

static const struct column rooms[] = {
    {"ROOM", "room", COLUMN_TEXT},
    {"CLIENTS", "clients", COLUMN_COUNT},
    {"QUEUED", "queued", COLUMN_BYTES},
};

static const struct column forwards[] = {
    {"LISTEN", "listen", COLUMN_TEXT},
    {"CLIENT", "client", COLUMN_TEXT},
    {"TARGET", "target", COLUMN_TEXT},
    {"PUBLISHED", "published", COLUMN_TEXT},
};

static const struct column routes[] = {
    {"HOST", "host", COLUMN_TEXT},           {"PREFIX", "prefix", COLUMN_TEXT},
    {"CLIENT", "client", COLUMN_TEXT},       {"TARGET", "target", COLUMN_TEXT},
    {"PUBLISHED", "published", COLUMN_TEXT}, {"TLS", "tls", COLUMN_TEXT},
};

static const struct column events[] = {
    {"NUMBER", "number", COLUMN_COUNT},
    {"KIND", "kind", COLUMN_TEXT},
    {"CLIENT", "client", COLUMN_TEXT},
    {"TEXT", "text", COLUMN_TEXT},
};

static const struct column top[] = {
    {"CLIENT", "client", COLUMN_TEXT},  {"ADDRESS", "address", COLUMN_TEXT},
    {"CONNS", "conns", COLUMN_COUNT},   {"FROM/s", "rate_in", COLUMN_BYTES},
    {"TO/s", "rate_out", COLUMN_BYTES}, {"RTT", "rtt_ms", COLUMN_MS},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A list that is asked for: once, or with --watch for ever. */
struct list {
    const char *path;
    const struct column *columns; /* NULL: one object */
    size_t count;
    const char *none;
};

static void clear_screen(void)
{
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
}

static void print_json(const json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

static int show(const struct list *list, int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, NULL);
    json_t *json;

    while (code == EXIT_OK) {
        code = admin_ask(&options, "GET", list->path, &json);
        if (code != EXIT_OK)
            break;
        if (options.watch)
            clear_screen();
        if (options.json)
            print_json(json);
        else if (list->columns)
            table_print(list->columns, list->count, json, list->none);
        else
            table_print_object(json);
        json_decref(json);
        if (!options.watch)
            break;
        fflush(stdout);
        sleep(options.watch);
    }
    return code;
}

#define LISTING(name, what)                                                                 \
    int command_##name(int argc, char **argv)                                               \
    {                                                                                       \
        static const struct list list = {                                                   \
            .path = "/api/v1/" #name, .columns = name, .count = COUNT(name), .none = what}; \
                                                                                            \
        return show(&list, argc, argv);                                                     \
    }

LISTING(clients, "no agent is connected")
LISTING(conns, "no visitor is being served")
LISTING(peers, "no peer is connected")
LISTING(rooms, "no room is open")
LISTING(forwards, "there are no forwards")
LISTING(routes, "there are no routes")
LISTING(events, "nothing has happened yet")

int command_status(int argc, char **argv)
{
    static const struct list list = {.path = "/api/v1/status"};

    return show(&list, argc, argv);
}

/* What changed: bytes a second since @before, into each client of @now. */
static void add_rates(json_t *now, const json_t *before, unsigned seconds)
{
    static const char *const members[][2] = {{"bytes_in", "rate_in"}, {"bytes_out", "rate_out"}};
    json_t *client, *old;
    size_t i, j;

    json_array_foreach(now, i, client)
    {
        json_int_t session = json_integer_value(json_object_get(client, "session"));

        json_array_foreach(before, j, old)
        {
            if (json_integer_value(json_object_get(old, "session")) != session)
                continue;
            for (size_t m = 0; m < COUNT(members); m++) {
                json_int_t a = json_integer_value(json_object_get(old, members[m][0]));
                json_int_t b = json_integer_value(json_object_get(client, members[m][0]));

                json_object_set_new(client, members[m][1], json_integer((b - a) / (int)seconds));
            }
        }
    }
}

static double rate_of(const json_t *client)
{
    return json_number_value(json_object_get(client, "rate_in")) +
           json_number_value(json_object_get(client, "rate_out"));
}

static int by_rate(const void *a, const void *b)
{
    double first = rate_of(*(json_t *const *)a), second = rate_of(*(json_t *const *)b);

    return (first < second) - (first > second);
}

/* A new array with the busiest first. */
static json_t *sorted(const json_t *array)
{
    size_t count = json_array_size(array);
    json_t **items = calloc(count + 1, sizeof(json_t *)), *out = json_array();

    for (size_t i = 0; items && i < count; i++)
        items[i] = json_array_get(array, i);
    if (items)
        qsort(items, count, sizeof(json_t *), by_rate);
    for (size_t i = 0; items && i < count; i++)
        json_array_append(out, items[i]);
    free(items);
    return out;
}

int command_top(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, NULL);
    json_t *before = NULL, *now, *busiest;
    unsigned every = options.watch ? options.watch : 1;

    while (code == EXIT_OK) {
        code = admin_ask(&options, "GET", "/api/v1/clients", &now);
        if (code != EXIT_OK)
            break;
        if (before) {
            add_rates(now, before, every);
            busiest = sorted(now);
            clear_screen();
            table_print(top, COUNT(top), busiest, "no agent is connected");
            fflush(stdout);
            json_decref(busiest);
        }
        json_decref(before);
        before = now;
        sleep(every);
    }
    json_decref(before);
    return code;
}

/* Orders. */

static int order(const struct admin_options *options, const char *method, const char *path,
                 const char *done)
{
    json_t *json;
    int code = admin_ask(options, method, path, &json);

    if (code != EXIT_OK)
        return code;
    if (options->json)
        print_json(json);
    else
        puts(done);
    json_decref(json);
    return EXIT_OK;
}

int command_kick(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, "client");
    char path[256], done[128];

    if (code != EXIT_OK)
        return code;
    snprintf(path, sizeof(path), "/api/v1/clients/%s", options.object);
    snprintf(done, sizeof(done), "ended the sessions of %s", options.object);
    return order(&options, "DELETE", path, done);
}

int command_cut(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, "connection (an id of `culvertctl conns`)");
    char path[256], done[128];

    if (code != EXIT_OK)
        return code;
    snprintf(path, sizeof(path), "/api/v1/conns/%s", options.object);
    snprintf(done, sizeof(done), "ended connection %s", options.object);
    return order(&options, "DELETE", path, done);
}

int command_drain(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, NULL);

    return code == EXIT_OK ? order(&options, "POST", "/api/v1/drain",
                                   "the server takes no more work, and ends when what runs has "
                                   "ended")
                           : code;
}
