#include "sim/rooms_model.h"

#include <string.h>

#define UNEXPECTED "Invalid message: unexpected 'cmd'"
#define MEMORY     "Out of memory"
#define FULL       "Too many messages queued for the client"
#define UNSIGNED   "Room id not signed for this client, or expired"

enum {
    ID_MAX = 256,
    QUEUE_MAX = 1024,
    QUEUE_BYTES = 262144,
    BODY_MAX = 65536,
    OUT_MAX = 524288,
    OUT_COUNT = 4096
};

#define ABSENCE UINT64_C(10000000) /* microseconds */

static void queue_init(struct model_queue *queue)
{
    cv_list_init(&queue->list);
    queue->count = queue->bytes = 0;
    queue->rank = -1;
}

void model_init(struct model *m, struct sim_world *w, const struct model_limits *limits)
{
    *m = (struct model){.w = w, .limits = *limits};
    for (int i = 0; i < MODEL_ENDS; i++)
        queue_init(&m->ends[i].out);
    for (int i = 0; i < MODEL_NAMES * MODEL_NAMES; i++)
        queue_init(&m->clients[i / MODEL_NAMES][i % MODEL_NAMES].queue);
}

size_t model_name_len(int name)
{
    static const size_t lens[MODEL_NAMES] = {0, ID_MAX, ID_MAX + 1, 1, 2, 3, 4, 5};

    return lens[name];
}

/* Queues. */

static void rank(struct model *m, struct model_queue *queue)
{
    int now = -1;

    for (size_t held = queue->count * m->overhead + queue->bytes; held; held /= 2)
        now++;
    if (now != queue->rank)
        queue->turn = ++m->turns;
    queue->rank = now;
}

static void push(struct model *m, struct model_queue *queue, struct model_message *message)
{
    cv_list_push_back(&queue->list, &message->link);
    queue->count++;
    queue->bytes += message->len;
    rank(m, queue);
}

static struct model_message *pop(struct model *m, struct model_queue *queue)
{
    struct model_message *message =
        cv_container_of(cv_list_pop(&queue->list), struct model_message, link);

    queue->count--;
    queue->bytes -= message->len;
    rank(m, queue);
    return message;
}

static bool hold(struct model *m, size_t len)
{
    if (m->held + m->overhead + len > m->limits.max_bytes) {
        sim_count(m->w, SIM_ROOMS_BUDGET, 1);
        return false;
    }
    m->held += m->overhead + len;
    return true;
}

static void release(struct model *m, size_t len)
{
    m->held -= m->overhead + len;
}

static void forget_all(struct model *m, struct model_queue *queue)
{
    while (queue->count)
        release(m, pop(m, queue)->len);
}

static bool add(struct model *m, struct model_queue *queue, const char *error, uint32_t number,
                size_t len)
{
    struct model_message *message = sim_new(m->w, sizeof(*message));

    if (!hold(m, len))
        return false;
    if (m->no_memory) {
        m->no_memory = false;
        release(m, len);
        return false;
    }
    message->error = error;
    message->number = number;
    message->len = len;
    push(m, queue, message);
    return true;
}

/* Rooms and who is in them. */

int model_people(const struct model *m, int room)
{
    int people = 0;

    for (int id = 0; id < MODEL_NAMES; id++)
        people += m->clients[room][id].there;
    return people;
}

static uint64_t rooms_of(const struct model *m, int source)
{
    uint64_t rooms = 0;

    for (int room = 0; room < MODEL_NAMES; room++)
        rooms += model_people(m, room) > 0 && (source == MODEL_NONE || m->makers[room] == source);
    return rooms;
}

uint64_t model_rooms(const struct model *m)
{
    return rooms_of(m, MODEL_NONE);
}

uint64_t model_clients(const struct model *m)
{
    uint64_t clients = 0;

    for (int room = 0; room < MODEL_NAMES; room++)
        clients += (uint64_t)model_people(m, room);
    return clients;
}

uint64_t model_registered(const struct model *m)
{
    uint64_t registered = 0;

    for (int end = 0; end < MODEL_ENDS; end++)
        registered += m->ends[end].open && m->ends[end].room != MODEL_NONE;
    return registered;
}

static int other_of(const struct model *m, int room, int id)
{
    for (int other = 0; other < MODEL_NAMES; other++)
        if (other != id && m->clients[room][other].there)
            return other;
    return MODEL_NONE;
}

static void begin_absence(struct model *m, struct model_client *client)
{
    client->end = MODEL_NONE;
    client->until = m->w->now + ABSENCE;
    client->absent_turn = ++m->turns;
}

static void leave(struct model *m, struct model_end *end)
{
    if (end->room == MODEL_NONE)
        return;
    begin_absence(m, &m->clients[end->room][end->id]);
    end->room = end->id = MODEL_NONE;
}

static void drop(struct model *m, struct model_end *end)
{
    leave(m, end);
    forget_all(m, &end->out);
    end->closing = end->dropped = true;
    m->dropped++;
    sim_count(m->w, SIM_ROOMS_DROPPED, 1);
}

/* Hoards. */

static void look_at(struct model_queue **most, struct model_queue *queue)
{
    if (queue->count && (!*most || queue->rank > (*most)->rank ||
                         (queue->rank == (*most)->rank && queue->turn < (*most)->turn)))
        *most = queue;
}

static struct model_queue *largest(struct model *m)
{
    struct model_queue *most = NULL;

    for (int end = 0; end < MODEL_ENDS; end++)
        look_at(&most, &m->ends[end].out);
    for (int i = 0; i < MODEL_NAMES * MODEL_NAMES; i++)
        look_at(&most, &m->clients[i / MODEL_NAMES][i % MODEL_NAMES].queue);
    return most;
}

/* Whose it is loses it, and its WebSocket. */
static void take_away(struct model *m, struct model_queue *queue)
{
    m->hoards++;
    sim_count(m->w, SIM_ROOMS_HOARDS, 1);
    forget_all(m, queue);
    for (int end = 0; end < MODEL_ENDS; end++) {
        struct model_end *e = &m->ends[end];

        if (&e->out == queue ||
            (e->open && e->room != MODEL_NONE && &m->clients[e->room][e->id].queue == queue))
            drop(m, e);
    }
}

/* Room for a message that waits in @queue, or makes one of who has it hoard most. */
static bool make_space(struct model *m, const struct model_queue *queue, size_t len)
{
    bool can = m->overhead + len <= m->limits.max_bytes;

    while (can && m->held + m->overhead + len > m->limits.max_bytes) {
        struct model_queue *most = largest(m);

        if (!most || most == queue) {
            sim_count(m->w, SIM_ROOMS_BUDGET, 1);
            return false;
        }
        take_away(m, most);
    }
    return can;
}

static void tell(struct model *m, struct model_end *end, const char *text)
{
    bool closes = strcmp(text, UNEXPECTED) != 0;

    if (!text[0])
        return;
    m->ws_errors++;
    if (!closes && (end->out.count >= OUT_COUNT || end->out.bytes + strlen(text) > OUT_MAX))
        sim_count(m->w, SIM_ROOMS_ERRORS, 1);
    else if (make_space(m, &end->out, strlen(text)))
        add(m, &end->out, text, 0, strlen(text));
    if (closes) {
        leave(m, end);
        end->closing = true;
    }
}

/* Whether the end can have @count messages of @len bytes more; one that cannot is given up. */
static bool takes(struct model *m, struct model_end *end, size_t count, size_t len)
{
    if (end->out.count + count <= OUT_COUNT && end->out.bytes + len <= OUT_MAX)
        return true;
    drop(m, end);
    return false;
}

static const char *refused(struct model *m, enum sim_count row, const char *text)
{
    sim_count(m->w, row, 1);
    return text;
}

static const char *named(struct model *m, int room, int id)
{
    if (!model_name_len(room) || !model_name_len(id))
        return "Invalid register request: missing 'clientid' or 'roomid'";
    if (model_name_len(room) > ID_MAX || model_name_len(id) > ID_MAX)
        return "Invalid register request: 'clientid' or 'roomid' is too long";
    return id < m->limits.admitted ? "" : refused(m, SIM_ROOMS_UNSIGNED, UNSIGNED);
}

/* A place for that client, if it has none. */
static const char *enter(struct model *m, int room, int id, int source)
{
    struct model_client *client = &m->clients[room][id];
    int people = model_people(m, room);

    if (client->there)
        return "";
    if (people == 0 && model_rooms(m) >= m->limits.max_rooms)
        return refused(m, SIM_ROOMS_ROOMS, "Too many rooms");
    if (people == 0 && rooms_of(m, source) >= m->limits.max_rooms_per_source)
        return refused(m, SIM_ROOMS_SOURCE, "Too many rooms from this address");
    if (people == 2)
        return refused(m, SIM_ROOMS_PLACES, "Max room capacity reached");
    if (m->no_memory) {
        m->no_memory = false;
        return MEMORY;
    }
    if (people == 0)
        m->makers[room] = source;
    client->there = true;
    begin_absence(m, client);
    return "";
}

/* What waited with the other flows. */
static void flow(struct model *m, struct model_queue *queue, struct model_end *end)
{
    if (!takes(m, end, queue->count, queue->bytes))
        return;
    while (queue->count) {
        push(m, &end->out, pop(m, queue));
        m->relayed++;
        sim_count(m->w, SIM_ROOMS_WAITED, 1);
    }
}

static const char *enroll(struct model *m, int number, int room, int id)
{
    struct model_end *end = &m->ends[number];
    struct model_client *client = &m->clients[room][id];
    const char *refusal = named(m, room, id);
    int other = other_of(m, room, id);

    if (end->room != MODEL_NONE)
        return "Duplicated register request";
    if (!refusal[0]) {
        sim_count(m->w, SIM_ROOMS_RESUMED, client->there && client->end == MODEL_NONE);
        refusal = enter(m, room, id, end->source);
    }
    if (refusal[0])
        return refusal;
    if (client->end != MODEL_NONE)
        return refused(m, SIM_ROOMS_DUPLICATE, "Duplicated registration");
    client->end = number;
    end->room = room;
    end->id = id;
    m->total_ws++;
    if (other != MODEL_NONE)
        flow(m, &m->clients[room][other].queue, end);
    return "";
}

static const char *say(struct model *m, int room, int id, uint32_t number, size_t len)
{
    struct model_queue *queue = &m->clients[room][id].queue;
    int other = other_of(m, room, id);
    int there = other == MODEL_NONE ? MODEL_NONE : m->clients[room][other].end;

    if (there == MODEL_NONE || !takes(m, &m->ends[there], 1, len)) {
        if (queue->count >= QUEUE_MAX)
            return refused(m, SIM_ROOMS_QUEUE_COUNT, FULL);
        if (queue->bytes + len > QUEUE_BYTES)
            return refused(m, SIM_ROOMS_QUEUE_BYTES, FULL);
    }
    if (!make_space(m, queue, len))
        return FULL;
    there = other == MODEL_NONE ? MODEL_NONE : m->clients[room][other].end;
    if (!add(m, there == MODEL_NONE ? queue : &m->ends[there].out, NULL, number, len))
        return FULL;
    m->relayed += there != MODEL_NONE;
    return "";
}

static void remove_client(struct model *m, int room, int id)
{
    struct model_client *client = &m->clients[room][id];
    struct model_gone *gone = &m->gone[m->gone_count++];
    struct model_end *end = client->end == MODEL_NONE ? NULL : &m->ends[client->end];

    if (end) {
        end->room = end->id = MODEL_NONE;
        end->closing = true;
    }
    forget_all(m, &client->queue);
    client->there = false;
    *gone = (struct model_gone){.room = room, .id = id};
    if (!m->limits.tell_gone)
        return;
    gone->must = !m->no_memory;
    gone->may = true;
}

/* The calls. */

void model_open(struct model *m, int end, int source)
{
    m->ends[end].open = true;
    m->ends[end].closing = m->ends[end].dropped = false;
    m->ends[end].room = m->ends[end].id = MODEL_NONE;
    m->ends[end].source = source;
}

void model_closed(struct model *m, int end)
{
    leave(m, &m->ends[end]);
    forget_all(m, &m->ends[end].out);
    m->ends[end].open = false;
}

void model_register(struct model *m, int end, int room, int id)
{
    if (!m->ends[end].closing)
        tell(m, &m->ends[end], enroll(m, end, room, id));
}

void model_send(struct model *m, int end, uint32_t number, size_t len)
{
    struct model_end *from = &m->ends[end];

    if (from->closing)
        return;
    if (from->room == MODEL_NONE)
        tell(m, from, "Client not registered");
    else if (len == 0)
        tell(m, from, "Invalid send request: missing 'msg'");
    else if (len > BODY_MAX)
        tell(m, from, "Invalid send request: 'msg' is too long");
    else
        say(m, from->room, from->id, number, len);
}

void model_nonsense(struct model *m, int end)
{
    if (!m->ends[end].closing)
        tell(m, &m->ends[end], UNEXPECTED);
}

void model_unreadable(struct model *m, int end, const char *why)
{
    if (!m->ends[end].closing)
        tell(m, &m->ends[end], why);
}

const char *model_post(struct model *m, int room, int id, int source, uint32_t number, size_t len,
                       const char *got)
{
    bool later = m->no_memory && strcmp(got, MEMORY) != 0; /* with a place, but for the message */
    const char *refusal = named(m, room, id);

    if (len == 0)
        return "Invalid send request: missing 'msg'";
    if (len > BODY_MAX)
        return "Invalid send request: 'msg' is too long";
    if (refusal[0])
        return refusal;
    m->no_memory = m->no_memory && !later;
    refusal = enter(m, room, id, source);
    m->no_memory = later;
    return refusal[0] ? refusal : say(m, room, id, number, len);
}

const char *model_delete(struct model *m, int room, int id)
{
    if (id >= m->limits.admitted)
        return UNSIGNED;
    if (m->clients[room][id].there)
        remove_client(m, room, id);
    m->no_memory = false;
    return "";
}

/* Who is absent longest; false when nobody is. */
static bool longest_absent(const struct model *m, int *room, int *id)
{
    const struct model_client *first = NULL;

    for (int r = 0; r < MODEL_NAMES; r++)
        for (int i = 0; i < MODEL_NAMES; i++) {
            const struct model_client *client = &m->clients[r][i];

            if (!client->there || client->end != MODEL_NONE ||
                (first && first->absent_turn < client->absent_turn))
                continue;
            first = client;
            *room = r;
            *id = i;
        }
    return first != NULL;
}

uint64_t model_deadline(const struct model *m)
{
    int room, id;

    return longest_absent(m, &room, &id) ? m->clients[room][id].until : CV_NEVER;
}

void model_tick(struct model *m)
{
    int room, id;

    while (longest_absent(m, &room, &id) && m->clients[room][id].until <= m->w->now) {
        remove_client(m, room, id);
        sim_count(m->w, SIM_ROOMS_EXPIRED, 1);
    }
    m->no_memory = false;
}

const struct model_message *model_next(const struct model *m, int end)
{
    const struct model_queue *out = &m->ends[end].out;

    return out->count ? cv_container_of(out->list.next, struct model_message, link) : NULL;
}

void model_heard(struct model *m, int end)
{
    release(m, pop(m, &m->ends[end].out)->len);
}

void model_polled(struct model *m)
{
    m->gone_count = 0;
}
