#include "rendezvous/rooms.h"

#include <errno.h>
#include <string.h>

#include "rendezvous/core.h"

const char *cv_rooms_refusal_text(enum cv_rooms_refusal refusal)
{
    static const char *const texts[] = {
#define X(name, text, closes) text,
        CV_ROOMS_REFUSALS(X)
#undef X
    };

    return texts[refusal];
}

int cv_rooms_new(struct cv_rooms **out, const struct cv_alloc *alloc,
                 const struct cv_rooms_config *config)
{
    struct cv_rooms *rooms = cv_alloc_zero(alloc, sizeof(*rooms));

    if (!rooms)
        return -ENOMEM;
    rooms->alloc = *alloc;
    rooms->config = *config;
    rooms->budget.limit = config->max_bytes;
    cv_list_init(&rooms->absent);
    cv_list_init(&rooms->news);
    cv_list_init(&rooms->gone);
    for (size_t i = 0; i < CV_ROOM_RANKS; i++)
        cv_list_init(&rooms->hoards[i]);
    *out = rooms;
    return 0;
}

static void forget_told(struct cv_rooms *rooms)
{
    if (!rooms->told)
        return;
    cv_room_queue_clear(rooms, &rooms->told->queue);
    cv_free(&rooms->alloc, rooms->told);
    rooms->told = NULL;
}

void cv_rooms_free(struct cv_rooms *rooms)
{
    struct cv_list *link;

    if (!rooms)
        return;
    while (rooms->ends)
        cv_rooms_closed(rooms, rooms->ends->id, 0);
    rooms->config.tell_gone = false;
    while (!cv_list_empty(&rooms->absent))
        cv_room_client_remove(rooms,
                              cv_container_of(rooms->absent.next, struct cv_room_client, absent));
    forget_told(rooms);
    while ((link = cv_list_pop(&rooms->gone)) != NULL) {
        rooms->told = cv_container_of(link, struct cv_room_client, absent);
        forget_told(rooms);
    }
    cv_free(&rooms->alloc, rooms);
}

/* Whether @client may use @room. */
static bool admitted(const struct cv_rooms *rooms, struct cv_rooms_text room,
                     struct cv_rooms_text client)
{
    return !rooms->config.admit || rooms->config.admit(rooms->config.ctx, room, client);
}

/* What @client said before the other could hear. It stays when @to has no room for it. */
static void flush(struct cv_rooms *rooms, struct cv_room_client *client, struct cv_room_end *to,
                  uint64_t now)
{
    if (!cv_room_end_takes(rooms, to, client->queue.count, client->queue.bytes, now))
        return;
    while (client->queue.count) {
        cv_room_queue_move(rooms, &to->out, &client->queue);
        rooms->counters.relayed++;
    }
    cv_room_end_news(rooms, to);
}

static enum cv_rooms_refusal enroll(struct cv_rooms *rooms, struct cv_room_end *end,
                                    struct cv_rooms_text room, struct cv_rooms_text id,
                                    uint64_t now)
{
    struct cv_room_client *client, *other;
    enum cv_rooms_refusal refusal;

    if (end->client)
        return CV_ROOMS_TWICE;
    if (!room.len || !id.len)
        return CV_ROOMS_NAMELESS;
    if (room.len > CV_ROOMS_ID_MAX || id.len > CV_ROOMS_ID_MAX)
        return CV_ROOMS_NAME_LONG;
    if (!admitted(rooms, room, id))
        return CV_ROOMS_UNSIGNED;
    refusal = cv_room_enter(rooms, &client, room, id, &end->from, now);
    if (refusal != CV_ROOMS_FINE)
        return refusal;
    if (client->end)
        return CV_ROOMS_DUPLICATE;
    client->end = end;
    end->client = client;
    cv_list_remove(&client->absent);
    rooms->counters.open_ws++;
    rooms->counters.total_ws++;
    other = cv_room_other(client);
    if (other)
        flush(rooms, other, end, now);
    return CV_ROOMS_FINE;
}

static bool has_room(const struct cv_room_queue *queue, size_t len)
{
    return queue->count < CV_ROOMS_QUEUE_MAX && queue->bytes + len <= CV_ROOMS_QUEUE_BYTES;
}

/* Stores a message that @client said: at the other's end, or with itself. */
static enum cv_rooms_refusal say(struct cv_rooms *rooms, struct cv_room_client *client,
                                 struct cv_rooms_text msg, uint64_t now)
{
    const struct cv_room_client *other = cv_room_other(client);
    struct cv_room_queue *to = &client->queue;

    if (!other || !other->end || !cv_room_end_takes(rooms, other->end, 1, msg.len, now)) {
        if (!has_room(&client->queue, msg.len))
            return CV_ROOMS_QUEUE_FULL;
    }
    if (!cv_room_make_space(rooms, &client->queue, msg.len, now))
        return CV_ROOMS_QUEUE_FULL;
    if (other && other->end) /* still: it may have hoarded most */
        to = &other->end->out;
    if (cv_room_queue_add(rooms, to, false, msg) < 0)
        return CV_ROOMS_QUEUE_FULL;
    if (to == &client->queue)
        return CV_ROOMS_FINE;
    rooms->counters.relayed++;
    cv_room_end_news(rooms, other->end);
    return CV_ROOMS_FINE;
}

static enum cv_rooms_refusal hear(struct cv_rooms *rooms, struct cv_room_end *end,
                                  struct cv_rooms_text msg, uint64_t now)
{
    if (!end->client)
        return CV_ROOMS_NOT_REGISTERED;
    if (!msg.len)
        return CV_ROOMS_EMPTY;
    if (msg.len > CV_ROOMS_BODY_MAX)
        return CV_ROOMS_LONG;
    (void)!say(rooms, end->client, msg, now); /* on a WebSocket an overflow is silent */
    return CV_ROOMS_FINE;
}

static bool is(struct cv_rooms_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.at, word, text.len) == 0;
}

void cv_rooms_recv(struct cv_rooms *rooms, uint64_t id, const struct cv_rooms_request *request,
                   uint64_t now)
{
    struct cv_room_end *end = cv_room_end_find(rooms, id);
    enum cv_rooms_refusal refusal = CV_ROOMS_UNEXPECTED;

    if (!end || end->closing)
        return;
    if (is(request->cmd, "register"))
        refusal = enroll(rooms, end, request->roomid, request->clientid, now);
    else if (is(request->cmd, "send"))
        refusal = hear(rooms, end, request->msg, now);
    if (refusal != CV_ROOMS_FINE)
        cv_room_end_refuse(rooms, end, refusal, now);
}

enum cv_rooms_refusal cv_rooms_post(struct cv_rooms *rooms, struct cv_rooms_text room,
                                    struct cv_rooms_text id, const struct cv_peer *from,
                                    struct cv_rooms_text msg, uint64_t now)
{
    struct cv_room_client *client;
    enum cv_rooms_refusal refusal;

    if (!msg.len)
        return CV_ROOMS_EMPTY;
    if (msg.len > CV_ROOMS_BODY_MAX)
        return CV_ROOMS_LONG;
    if (!room.len || !id.len)
        return CV_ROOMS_NAMELESS;
    if (room.len > CV_ROOMS_ID_MAX || id.len > CV_ROOMS_ID_MAX)
        return CV_ROOMS_NAME_LONG;
    if (!admitted(rooms, room, id))
        return CV_ROOMS_UNSIGNED;
    refusal = cv_room_enter(rooms, &client, room, id, from, now);
    return refusal == CV_ROOMS_FINE ? say(rooms, client, msg, now) : refusal;
}

enum cv_rooms_refusal cv_rooms_delete(struct cv_rooms *rooms, struct cv_rooms_text room,
                                      struct cv_rooms_text id)
{
    struct cv_room_client *client = NULL;

    if (!admitted(rooms, room, id))
        return CV_ROOMS_UNSIGNED;
    if (room.len && id.len)
        client = cv_room_find(rooms, room, id);
    if (client)
        cv_room_client_remove(rooms, client);
    return CV_ROOMS_FINE;
}

uint64_t cv_rooms_deadline(const struct cv_rooms *rooms)
{
    if (cv_list_empty(&rooms->absent))
        return CV_NEVER;
    return cv_container_of(rooms->absent.next, struct cv_room_client, absent)->deadline;
}

void cv_rooms_tick(struct cv_rooms *rooms, uint64_t now)
{
    while (cv_rooms_deadline(rooms) <= now)
        cv_room_client_remove(rooms,
                              cv_container_of(rooms->absent.next, struct cv_room_client, absent));
}

static void tell_gone(struct cv_rooms *rooms, struct cv_rooms_event *event, struct cv_list *link)
{
    struct cv_room_client *client = cv_container_of(link, struct cv_room_client, absent);
    const struct cv_room_message *room =
        cv_container_of(client->queue.list.next, struct cv_room_message, link);

    rooms->told = client;
    event->kind = CV_ROOMS_GONE;
    event->client = (struct cv_rooms_text){client->id, client->len};
    event->room = (struct cv_rooms_text){room->bytes, room->len};
}

bool cv_rooms_poll(struct cv_rooms *rooms, struct cv_rooms_event *event)
{
    struct cv_list *link = cv_list_pop(&rooms->news);

    forget_told(rooms);
    *event = (struct cv_rooms_event){.kind = CV_ROOMS_WRITE};
    if (link) {
        const struct cv_room_end *end = cv_container_of(link, struct cv_room_end, news);

        event->kind = end->dropped ? CV_ROOMS_DROP : CV_ROOMS_WRITE;
        event->user = end->user;
        return true;
    }
    link = cv_list_pop(&rooms->gone);
    if (link)
        tell_gone(rooms, event, link);
    return link != NULL;
}

void cv_rooms_count(const struct cv_rooms *rooms, struct cv_rooms_counters *out)
{
    *out = rooms->counters;
    out->bytes = rooms->budget.used;
}

void cv_rooms_http_error(struct cv_rooms *rooms)
{
    rooms->counters.http_errors++;
}

void cv_rooms_each(const struct cv_rooms *rooms,
                   void (*show)(void *ctx, const struct cv_rooms_entry *entry), void *ctx)
{
    for (const struct cv_room *room = rooms->rooms; room; room = room->hh.next)
        for (size_t i = 0; i < CV_ROOMS_CLIENTS; i++) {
            const struct cv_room_client *client = room->clients[i];
            struct cv_rooms_entry entry = {.room = {room->id, room->len}};

            if (!client)
                continue;
            entry.client = (struct cv_rooms_text){client->id, client->len};
            entry.present = client->end != NULL;
            entry.queued = client->queue.count;
            entry.bytes = client->queue.bytes;
            show(ctx, &entry);
        }
}
