#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "base/error.h"
#include "base/key.h"
#include "command.h"
#include "nearest.h"
#include "table.h"

/* The commands that ask a running server, or tell it to do something. */

static const struct column clients[] = {
    {"CLIENT", "client", COLUMN_TEXT},   {"SESSION", "session", COLUMN_COUNT},
    {"VERSION", "version", COLUMN_TEXT}, {"ADDRESS", "address", COLUMN_TEXT},
    {"UP", "seconds", COLUMN_SPAN},      {"RTT", "rtt_ms", COLUMN_MS},
    {"CONNS", "conns", COLUMN_COUNT},    {"FROM", "bytes_in", COLUMN_BYTES},
    {"TO", "bytes_out", COLUMN_BYTES},   {"BALANCE", "balance", COLUMN_TEXT},
};

static const struct column conns[] = {
    {"ID", "id", COLUMN_COUNT},        {"CLIENT", "client", COLUMN_TEXT},
    {"DOOR", "door", COLUMN_TEXT},     {"VISITOR", "visitor", COLUMN_TEXT},
    {"TARGET", "target", COLUMN_TEXT}, {"OPEN", "seconds", COLUMN_SPAN},
};

static const struct column peers[] = {
    {"PEER", "peer", COLUMN_TEXT},        {"WAY", "direction", COLUMN_TEXT},
    {"ADDRESS", "address", COLUMN_TEXT},  {"STATE", "state", COLUMN_TEXT},
    {"CLIENTS", "clients", COLUMN_COUNT}, {"LEASE", "lease_seconds", COLUMN_SPAN},
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
    {"AGO", "time", COLUMN_AGO},
    {"KIND", "kind", COLUMN_TEXT},
    {"CLIENT", "client", COLUMN_TEXT},
    {"TEXT", "text", COLUMN_TEXT},
};

static const struct column top[] = {
    {"CLIENT", "client", COLUMN_TEXT},  {"ADDRESS", "address", COLUMN_TEXT},
    {"CONNS", "conns", COLUMN_COUNT},   {"FROM/s", "rate_in", COLUMN_BYTES},
    {"TO/s", "rate_out", COLUMN_BYTES}, {"RTT", "rtt_ms", COLUMN_MS},
};

#define TOP_ABOVE 2 /* lines above the table of top */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A list that is asked for: once, or with --watch for ever. */
struct list {
    const char *path;
    const struct column *columns; /* NULL: one object */
    size_t count;
    const char *none; /* what is said when it is empty, or null */
};

static void clear_screen(void)
{
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
}

static void print_json(const json_t *json)
{
    json_dumpf(json, stdout,
               JSON_INDENT(2) | JSON_REAL_PRECISION(9) | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
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
        else if (json_is_null(json))
            puts(list->none);
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

int command_directory(int argc, char **argv)
{
    static const struct list list = {.path = "/api/v1/directory",
                                     .none = "this server has no --directory"};

    return show(&list, argc, argv);
}

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

/* All clients together, above the table. */
static void print_sum(const json_t *array)
{
    double in = 0, out = 0, open = 0;
    json_t *client;
    size_t i;

    json_array_foreach(array, i, client)
    {
        in += json_number_value(json_object_get(client, "rate_in"));
        out += json_number_value(json_object_get(client, "rate_out"));
        open += json_number_value(json_object_get(client, "conns"));
    }
    printf("%zu agent%s, %.0f connection%s, ", json_array_size(array),
           json_array_size(array) == 1 ? "" : "s", open, open == 1 ? "" : "s");
    table_print_bytes(in);
    fputs("/s from them, ", stdout);
    table_print_bytes(out);
    fputs("/s to them\n\n", stdout);
}

static void show_top(const json_t *clients_now, bool as_json)
{
    json_t *busiest = sorted(clients_now);

    clear_screen();
    if (as_json) {
        print_json(busiest);
    } else {
        print_sum(busiest);
        table_print_some(top, COUNT(top), busiest, "no agent is connected", TOP_ABOVE);
    }
    fflush(stdout);
    json_decref(busiest);
}

int command_top(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, NULL);
    json_t *before = NULL, *now;
    unsigned every = options.watch ? options.watch : 1;

    while (code == EXIT_OK) {
        code = admin_ask(&options, "GET", "/api/v1/clients", &now);
        if (code != EXIT_OK)
            break;
        if (before) {
            add_rates(now, before, every);
            show_top(now, options.json);
        }
        json_decref(before);
        before = now;
        sleep(every);
    }
    json_decref(before);
    return code;
}

/* Orders. */

static int order(struct admin_options *options, const char *method, const char *path,
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

/* Nobody has that key: perhaps it was mistyped. */
static int no_client(struct admin_options *options)
{
    struct nearest nearest;
    json_t *clients_now = NULL, *client;
    char did_you_mean[128] = "";
    size_t i;

    if (admin_ask(options, "GET", "/api/v1/clients", &clients_now) != EXIT_OK)
        return EXIT_RUN;
    nearest_init(&nearest, options->object);
    json_array_foreach(clients_now, i, client)
    {
        const char *key = json_string_value(json_object_get(client, "client"));

        if (key)
            nearest_offer(&nearest, key);
    }
    if (nearest.best)
        snprintf(did_you_mean, sizeof(did_you_mean), "did you mean %s? ", nearest.best);
    json_decref(clients_now);
    return command_fail(EXIT_RUN, "no client %s is connected (%s`culvertctl clients` lists them)",
                        options->object, did_you_mean);
}

int command_kick(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, "client");
    char path[256], done[128];

    if (code != EXIT_OK)
        return code;
    if (!cv_key_valid(options.object, strlen(options.object)))
        return command_fail(EXIT_USAGE, "%s", cv_error_text(CV_EBADKEY));
    snprintf(path, sizeof(path), "/api/v1/clients/%s", options.object);
    snprintf(done, sizeof(done), "ended the sessions of %s", options.object);
    options.missing = true;
    code = order(&options, "DELETE", path, done);
    return options.missing ? no_client(&options) : code;
}

int command_cut(int argc, char **argv)
{
    struct admin_options options;
    int code = admin_read_options(&options, argc, argv, "connection (an id of `culvertctl conns`)");
    char path[256], done[128];

    if (code != EXIT_OK)
        return code;
    if (options.object[strspn(options.object, "0123456789")] != '\0')
        return command_fail(EXIT_USAGE, "not the id of a connection (`culvertctl conns` has them)");
    snprintf(path, sizeof(path), "/api/v1/conns/%s", options.object);
    snprintf(done, sizeof(done), "ended connection %s", options.object);
    options.missing = true;
    code = order(&options, "DELETE", path, done);
    return options.missing
               ? command_fail(EXIT_RUN, "no connection %s is open (`culvertctl conns` lists them)",
                              options.object)
               : code;
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
