#include <errno.h>
#include <string.h>

#include "rendezvous/core.h"

static bool is(struct cv_rooms_text text, const char *id, size_t len)
{
    return text.len == len && memcmp(text.at, id, len) == 0;
}

static struct cv_room *find_room(struct cv_rooms *rooms, struct cv_rooms_text id)
{
    struct cv_room *room;

    HASH_FIND(hh, rooms->rooms, id.at, id.len, room);
    return room;
}

static struct cv_room_client *find_client(const struct cv_room *room, struct cv_rooms_text id)
{
    for (size_t i = 0; i < CV_ROOMS_CLIENTS; i++)
        if (room->clients[i] && is(id, room->clients[i]->id, room->clients[i]->len))
            return room->clients[i];
    return NULL;
}

struct cv_room_client *cv_room_find(struct cv_rooms *rooms, struct cv_rooms_text room_id,
                                    struct cv_rooms_text client)
{
    const struct cv_room *room = find_room(rooms, room_id);

    return room ? find_client(room, client) : NULL;
}

struct cv_room_client *cv_room_other(const struct cv_room_client *client)
{
    for (size_t i = 0; i < CV_ROOMS_CLIENTS; i++)
        if (client->room->clients[i] && client->room->clients[i] != client)
            return client->room->clients[i];
    return NULL;
}

/* Who makes rooms: one more of its address. */
static enum cv_rooms_refusal charge(struct cv_rooms *rooms, struct cv_room_source **out,
                                    const struct cv_peer *from)
{
    const struct cv_alloc *table_alloc = &rooms->alloc;
    uint8_t key[CV_ROOM_SOURCE_LEN] = {from->family};
    struct cv_room_source *source;

    memcpy(key + 1, from->ip, from->family == 4 ? 4 : CV_ROOM_SOURCE_LEN - 1);
    HASH_FIND(hh, rooms->sources, key, sizeof(key), source);
    if (source && source->rooms >= rooms->config.max_rooms_per_source)
        return CV_ROOMS_SOURCE_FULL;
    if (!source) {
        source = cv_alloc_zero(&rooms->alloc, sizeof(*source));
        if (!source)
            return CV_ROOMS_MEMORY;
        memcpy(source->key, key, sizeof(key));
        HASH_ADD(hh, rooms->sources, key, sizeof(source->key), source);
        if (!cv_table_added(source)) {
            cv_free(&rooms->alloc, source);
            return CV_ROOMS_MEMORY;
        }
    }
    source->rooms++;
    *out = source;
    return CV_ROOMS_FINE;
}

static void discharge(struct cv_rooms *rooms, struct cv_room_source *source)
{
    const struct cv_alloc *table_alloc = &rooms->alloc;

    if (--source->rooms)
        return;
    HASH_DELETE(hh, rooms->sources, source);
    cv_free(&rooms->alloc, source);
}

static enum cv_rooms_refusal make_room(struct cv_rooms *rooms, struct cv_room **out,
                                       struct cv_rooms_text id, const struct cv_peer *from)
{
    const struct cv_alloc *table_alloc = &rooms->alloc;
    struct cv_room_source *source;
    enum cv_rooms_refusal refusal;
    struct cv_room *room;

    if (rooms->counters.rooms >= rooms->config.max_rooms)
        return CV_ROOMS_TOO_MANY;
    refusal = charge(rooms, &source, from);
    if (refusal != CV_ROOMS_FINE)
        return refusal;
    room = cv_alloc_zero(&rooms->alloc, sizeof(*room) + id.len);
    if (room) {
        room->source = source;
        room->len = id.len;
        memcpy(room->id, id.at, id.len);
        HASH_ADD_KEYPTR(hh, rooms->rooms, room->id, room->len, room);
        if (cv_table_added(room)) {
            rooms->counters.rooms++;
            *out = room;
            return CV_ROOMS_FINE;
        }
    }
    cv_free(&rooms->alloc, room);
    discharge(rooms, source);
    return CV_ROOMS_MEMORY;
}

static bool room_empty(const struct cv_room *room)
{
    for (size_t i = 0; i < CV_ROOMS_CLIENTS; i++)
        if (room->clients[i])
            return false;
    return true;
}

static void close_if_empty(struct cv_rooms *rooms, struct cv_room *room)
{
    const struct cv_alloc *table_alloc = &rooms->alloc;

    if (!room_empty(room))
        return;
    HASH_DELETE(hh, rooms->rooms, room);
    discharge(rooms, room->source);
    rooms->counters.rooms--;
    cv_free(&rooms->alloc, room);
}

static enum cv_rooms_refusal add_client(struct cv_rooms *rooms, struct cv_room_client **out,
                                        struct cv_room *room, struct cv_rooms_text id, uint64_t now)
{
    struct cv_room_client *client;
    size_t place = 0;

    while (place < CV_ROOMS_CLIENTS && room->clients[place])
        place++;
    if (place == CV_ROOMS_CLIENTS)
        return CV_ROOMS_CAPACITY;
    client = cv_alloc_zero(&rooms->alloc, sizeof(*client) + id.len);
    if (!client)
        return CV_ROOMS_MEMORY;
    client->room = room;
    client->len = id.len;
    memcpy(client->id, id.at, id.len);
    cv_room_queue_init(&client->queue, CV_ROOM_QUEUE_CLIENT);
    cv_list_init(&client->absent);
    room->clients[place] = client;
    rooms->counters.clients++;
    cv_room_client_absent(rooms, client, now);
    *out = client;
    return CV_ROOMS_FINE;
}

enum cv_rooms_refusal cv_room_enter(struct cv_rooms *rooms, struct cv_room_client **out,
                                    struct cv_rooms_text room_id, struct cv_rooms_text id,
                                    const struct cv_peer *from, uint64_t now)
{
    struct cv_room *room = find_room(rooms, room_id);
    enum cv_rooms_refusal refusal = CV_ROOMS_FINE;

    if (!room)
        refusal = make_room(rooms, &room, room_id, from);
    if (refusal != CV_ROOMS_FINE)
        return refusal;
    *out = find_client(room, id);
    if (*out)
        return CV_ROOMS_FINE;
    refusal = add_client(rooms, out, room, id, now);
    close_if_empty(rooms, room);
    return refusal;
}

void cv_room_client_absent(struct cv_rooms *rooms, struct cv_room_client *client, uint64_t now)
{
    if (client->end) {
        client->end->client = NULL;
        client->end = NULL;
        rooms->counters.open_ws--;
    }
    client->deadline = now + CV_ROOMS_ABSENCE; /* the same for all: the list stays in order */
    cv_list_remove(&client->absent);
    cv_list_push_back(&rooms->absent, &client->absent);
}

/* Keeps the names for the caller: the client's own, and behind it, in its queue, the room's. */
static void mourn(struct cv_rooms *rooms, struct cv_room_client *client)
{
    struct cv_rooms_text room = {client->room->id, client->room->len};

    cv_room_queue_init(&client->queue, CV_ROOM_QUEUE_GONE);
    if (rooms->config.tell_gone && cv_room_queue_add(rooms, &client->queue, false, room) == 0)
        cv_list_push_back(&rooms->gone, &client->absent);
    else
        cv_free(&rooms->alloc, client); /* without memory nobody hears of it */
}

void cv_room_client_remove(struct cv_rooms *rooms, struct cv_room_client *client)
{
    struct cv_room *room = client->room;
    struct cv_room_end *end = client->end;

    if (end) {
        end->client = NULL;
        end->closing = true;
        rooms->counters.open_ws--;
        cv_room_end_news(rooms, end);
    }
    client->end = NULL;
    cv_list_remove(&client->absent);
    cv_room_queue_clear(rooms, &client->queue);
    for (size_t i = 0; i < CV_ROOMS_CLIENTS; i++)
        if (room->clients[i] == client)
            room->clients[i] = NULL;
    rooms->counters.clients--;
    mourn(rooms, client);
    close_if_empty(rooms, room);
}
