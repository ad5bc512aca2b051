#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "access/quote.h"
#include "base/error.h"
#include "command.h"
#include "discovery/cache.h"
#include "discovery/searcher.h"
#include "net/log.h"
#include "net/timer.h"
#include "ssdp.h"

#define INTERFACES_MAX  16
#define DEFAULT_TIMEOUT 5 /* seconds */
#define TIMEOUT_MAX     86400
#define TTL             2

/* What the words say. */
struct wish {
    bool listen, json;
    const char *target; /* to search for */
    const char *part;   /* of a type; NULL: any */
    uint64_t timeout;   /* microseconds; 0: not said */
    const char *interfaces[INTERFACES_MAX];
    size_t interface_count;
};

/* culvertctl discover at work: a search, or with --listen the table of devices. */
struct discover {
    struct wish wish;
    struct cv_loop loop;
    struct ssdp *ssdp;
    struct cv_timer *timer;
    struct cv_searcher *searcher; /* NULL with --listen */
    struct cv_cache *cache;       /* NULL without */
    uint64_t end;                 /* of --listen */
    json_t *found;                /* the array that --json prints at the end of a search */
    size_t count;                 /* of devices found */
    int error;                    /* of output */
};

/* Words */

static int refuse(const char *problem, const char *word)
{
    char quoted[512];
    struct cv_text text;

    cv_text_init(&text, quoted, sizeof(quoted));
    cv_quote_str(&text, word);
    command_fail(EXIT_USAGE, "discover: %s: %s", problem, quoted);
    return CV_ESYNTAX;
}

/* What starts as a target of SSDP is searched for; anything else is a part of a type. */
static void take_type(struct wish *wish, const char *type)
{
    static const char *const schemes[] = {"urn:", "uuid:", "upnp:", "ssdp:"};

    wish->target = CV_SSDP_ALL;
    wish->part = type;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(type, schemes[i], strlen(schemes[i])) == 0)
            wish->target = type;
    if (strcmp(type, CV_SSDP_ALL) == 0 || (wish->target == type && !wish->listen))
        wish->part = NULL;
}

static int take_timeout(struct wish *wish, const char *value)
{
    size_t len = strlen(value);
    int64_t seconds;

    if (len && value[len - 1] == 's')
        len--;
    if (!cv_text_to_i64(value, len, &seconds) || seconds < 1 || seconds > TIMEOUT_MAX)
        return refuse("--timeout: not a number of seconds from 1 to 86400", value);
    wish->timeout = (uint64_t)seconds * CV_SEC;
    return 0;
}

static int take_interface(struct wish *wish, const char *name)
{
    if (wish->interface_count == INTERFACES_MAX)
        return refuse("--interface: more than 16", name);
    if (!cv_interface_exists(name))
        return refuse("--interface: there is none of that name", name);
    wish->interfaces[wish->interface_count++] = name;
    return 0;
}

static int take_value(struct wish *wish, const char *flag, const char *value)
{
    if (strcmp(flag, "--timeout") == 0)
        return take_timeout(wish, value);
    if (strcmp(flag, "--interface") == 0)
        return take_interface(wish, value);
    if (strcmp(flag, "--type") != 0)
        return refuse("no such flag (culvertctl discover --help)", flag);
    if (value[0] == '\0' || strlen(value) > CV_SSDP_NAME_MAX || strpbrk(value, " \t\r\n"))
        return refuse("--type: not a type of 1 to 255 bytes", value);
    take_type(wish, value);
    return 0;
}

static int read_words(struct wish *wish, int argc, char **argv)
{
    int rc = 0;

    *wish = (struct wish){.listen = false};
    for (int i = 0; i < argc; i++) {
        wish->listen = wish->listen || strcmp(argv[i], "--listen") == 0;
        wish->json = wish->json || strcmp(argv[i], "--json") == 0;
    }
    take_type(wish, CV_SSDP_TYPE);
    for (int i = 0; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--listen") == 0 || strcmp(argv[i], "--json") == 0)
            continue;
        if (i + 1 == argc)
            return refuse("no such flag, or it needs a value", argv[i]);
        rc = take_value(wish, argv[i], argv[i + 1]);
        i++;
    }
    return rc;
}

/* Printing */

/* SERVER is the one text that may hold anything. */
static void escape(char *out, size_t size, const char *from)
{
    struct cv_text text;

    cv_text_init(&text, out, size);
    cv_escape(&text, from, strlen(from));
}

static json_t *object_of(const char *location, const char *usn, const char *type,
                         const char *server, int64_t age, const struct cv_peer *sender)
{
    char escaped[1024], from[CV_ADDRESS_SIZE];

    escape(escaped, sizeof(escaped), server);
    cv_address_bytes_text(from, sender->family, sender->ip, false);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "location", location, "usn", usn, "type",
                     type, "server", escaped, "max_age", (json_int_t)age, "from", from);
}

static const char *change_name(enum cv_cache_change change)
{
    switch (change) {
    case CV_CACHE_ADDED:
        return "added";
    case CV_CACHE_REFRESHED:
        return "refreshed";
    case CV_CACHE_REMOVED:
        return "removed";
    case CV_CACHE_EXPIRED:
        return "expired";
    }
    return "";
}

static int print_change(const struct discover *discover, const struct cv_cache_event *event)
{
    const char *change = change_name(event->change);
    json_t *object;
    int rc;

    if (!discover->wish.json)
        return printf("%-9s  %s  %s\n", change, event->location, event->usn) < 0 ? -1 : 0;
    object = object_of(event->location, event->usn, event->type, event->server, event->age,
                       &event->sender);
    rc = object ? json_object_set_new(object, "event", json_string(change)) : -1;
    if (rc == 0)
        rc = json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    return rc < 0 || putchar('\n') == EOF ? -1 : 0;
}

static int print_found(struct discover *discover, const struct cv_sighting *found)
{
    if (found->gone)
        return 0;
    discover->count++;
    if (!discover->wish.json)
        return printf("%s  %s\n", found->location, found->usn) < 0 ? -1 : 0;
    return json_array_append_new(discover->found,
                                 object_of(found->location, found->usn, found->type, found->server,
                                           found->age, &found->from.peer));
}

/* At work */

/* Nothing keeps the loop any longer. */
static void stop(struct discover *discover)
{
    ssdp_free(discover->ssdp);
    cv_timer_free(discover->timer);
    discover->ssdp = NULL;
    discover->timer = NULL;
}

static bool over(const struct discover *discover, uint64_t now)
{
    if (discover->error < 0)
        return true;
    return discover->searcher ? cv_searcher_over(discover->searcher, now) : now >= discover->end;
}

static void print_news(struct discover *discover, uint64_t now)
{
    struct cv_sighting found;
    struct cv_cache_event event;

    while (discover->searcher && discover->error == 0 &&
           cv_searcher_poll(discover->searcher, &found))
        discover->error = print_found(discover, &found);
    while (discover->cache && discover->error == 0 && cv_cache_poll(discover->cache, &event, now))
        discover->error = print_change(discover, &event);
    if (fflush(stdout) != 0)
        discover->error = -1;
}

static void pump(struct discover *discover)
{
    uint64_t now = cv_loop_now(&discover->loop), deadline;
    struct cv_ssdp_out out;

    print_news(discover, now);
    while (discover->searcher && cv_searcher_next(discover->searcher, &out, now))
        ssdp_send(discover->ssdp, &out, true);
    if (over(discover, now)) {
        stop(discover);
        return;
    }
    deadline = discover->searcher ? cv_searcher_deadline(discover->searcher)
                                  : cv_min_time(cv_cache_deadline(discover->cache), discover->end);
    cv_timer_at(discover->timer, deadline);
}

static void on_timer(void *ctx)
{
    pump(ctx);
}

static void on_datagram(void *ctx, const struct cv_ssdp_from *from, const void *data, size_t len)
{
    struct discover *discover = ctx;
    uint64_t now = cv_loop_now(&discover->loop);

    if (!discover->ssdp) /* stopped by a datagram that came with this one */
        return;
    if (discover->searcher)
        cv_searcher_recv(discover->searcher, from, data, len, cv_wall_clock(), now);
    else if (cv_cache_recv(discover->cache, from, data, len, cv_wall_clock(), now) == -ENOMEM)
        cv_log(&discover->loop.log, CV_LOG_WARN, "a device is left out: out of memory");
    pump(discover);
}

static void on_changed(void *ctx)
{
    struct discover *discover = ctx;

    if (!discover->searcher || !discover->ssdp)
        return;
    if (ssdp_search_links(discover->ssdp, discover->searcher, cv_loop_now(&discover->loop)) < 0)
        cv_log(&discover->loop.log, CV_LOG_WARN, "too many interfaces");
    pump(discover);
}

static int open_sockets(struct discover *discover)
{
    const struct wish *wish = &discover->wish;
    struct ssdp_config config = {.loop = &discover->loop,
                                 .interfaces = wish->interface_count ? wish->interfaces : NULL,
                                 .interface_count = wish->interface_count,
                                 .listen = true,
                                 .search = !wish->listen,
                                 .ttl = TTL,
                                 .changed = on_changed,
                                 .datagram = on_datagram,
                                 .ctx = discover};
    int rc = ssdp_new(&discover->ssdp, &config);

    if (rc == -EADDRINUSE && !wish->listen) { /* somebody does not share: answers come anyhow */
        config.listen = false;
        rc = ssdp_new(&discover->ssdp, &config);
    }
    return rc;
}

static int open_machine(struct discover *discover)
{
    const struct wish *wish = &discover->wish;
    char server[SSDP_SERVER_SIZE];
    struct cv_searcher_config config = {.target = wish->target,
                                        .part = wish->part,
                                        .server = server,
                                        .timeout = wish->timeout ? wish->timeout
                                                                 : DEFAULT_TIMEOUT * CV_SEC};
    uint64_t now = cv_loop_now(&discover->loop);
    int rc;

    ssdp_server(server);
    discover->end = wish->timeout ? now + wish->timeout : CV_NEVER;
    if (wish->listen)
        return cv_cache_new(&discover->cache, &discover->loop.alloc, wish->part);
    rc = cv_searcher_new(&discover->searcher, &config, &discover->loop.alloc, now);
    return rc < 0 ? rc : ssdp_search_links(discover->ssdp, discover->searcher, now);
}

static int start(struct discover *discover)
{
    int rc;

    discover->found = json_array();
    rc = discover->found ? open_sockets(discover) : -ENOMEM;
    if (rc == 0)
        rc = open_machine(discover);
    if (rc == 0)
        rc = cv_timer_new(&discover->timer, &discover->loop, on_timer, discover);
    return rc < 0 ? command_fail(EXIT_RUN, "discover: port 1900: %s", cv_strerror(rc)) : EXIT_OK;
}

/* What --json says of a search comes at its end, as one array. */
static int finish(struct discover *discover)
{
    if (discover->wish.json && !discover->wish.listen && discover->error == 0)
        discover->error =
            json_dumpf(discover->found, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF ? -1 : 0;
    if (fflush(stdout) != 0 || discover->error < 0)
        return command_fail(EXIT_RUN, "discover: cannot write");
    return discover->wish.listen || discover->count ? EXIT_OK : EXIT_RUN;
}

int command_discover(int argc, char **argv)
{
    struct discover discover = {.error = 0};
    struct cv_log log;
    int code;

    if (read_words(&discover.wish, argc, argv) < 0)
        return EXIT_USAGE;
    cv_log_stderr(&log, CV_LOG_WARN, false);
    code = cv_loop_init(&discover.loop, &log);
    if (code < 0)
        return command_fail(EXIT_RUN, "discover: %s", cv_strerror(code));
    code = start(&discover);
    if (code == EXIT_OK) {
        pump(&discover);
        uv_run(discover.loop.uv, UV_RUN_DEFAULT);
        code = finish(&discover);
    }
    stop(&discover);
    cv_searcher_free(discover.searcher);
    cv_cache_free(discover.cache);
    json_decref(discover.found);
    uv_run(discover.loop.uv, UV_RUN_DEFAULT);
    if (cv_loop_deinit(&discover.loop) < 0 && code == EXIT_OK)
        code = command_fail(EXIT_RUN, "discover: a handle was left open");
    return code;
}
