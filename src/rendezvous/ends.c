#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "rendezvous/core.h"

_Static_assert(CV_ROOMS_OUT_MAX + CV_ROOMS_OUT_COUNT * sizeof(struct cv_room_message) <
                   ((size_t)1 << (CV_ROOM_RANKS - 1)),
               "every queue has a rank, errors included");

void cv_room_queue_init(struct cv_room_queue *queue, enum cv_room_queue_kind kind)
{
    *queue = (struct cv_room_queue){.kind = kind};
    cv_list_init(&queue->list);
    cv_list_init(&queue->hoard);
}

static size_t cost(size_t len)
{
    return sizeof(struct cv_room_message) + len;
}

/* The names of those who are gone are free: they are fetched at once, and a full budget would keep
 * them from the caller. */
static bool charge(struct cv_rooms *rooms, const struct cv_room_queue *queue, size_t len)
{
    return queue->kind == CV_ROOM_QUEUE_GONE || cv_budget_take(&rooms->budget, cost(len));
}

static void discharge(struct cv_rooms *rooms, const struct cv_room_queue *queue, size_t len)
{
    if (queue->kind != CV_ROOM_QUEUE_GONE)
        cv_budget_give(&rooms->budget, cost(len));
}

/* It holds more or less than before. */
static void rank(struct cv_rooms *rooms, struct cv_room_queue *queue)
{
    size_t held = queue->count * sizeof(struct cv_room_message) + queue->bytes;
    unsigned now = 0;

    if (queue->kind == CV_ROOM_QUEUE_GONE)
        return;
    while (held >> now > 1)
        now++;
    if (held && now == queue->rank)
        return;
    queue->rank = now;
    cv_list_remove(&queue->hoard);
    if (held)
        cv_list_push_back(&rooms->hoards[now], &queue->hoard);
}

static void drop_first(struct cv_rooms *rooms, struct cv_room_queue *queue)
{
    struct cv_room_message *message =
        cv_container_of(cv_list_pop(&queue->list), struct cv_room_message, link);

    queue->count--;
    queue->bytes -= message->len;
    rank(rooms, queue);
    discharge(rooms, queue, message->len);
    cv_free(&rooms->alloc, message);
}

void cv_room_queue_clear(struct cv_rooms *rooms, struct cv_room_queue *queue)
{
    while (queue->count)
        drop_first(rooms, queue);
}

int cv_room_queue_add(struct cv_rooms *rooms, struct cv_room_queue *queue, bool error,
                      struct cv_rooms_text text)
{
    struct cv_room_message *message;

    if (!charge(rooms, queue, text.len))
        return CV_EFULL;
    message = cv_alloc(&rooms->alloc, cost(text.len));
    if (!message) {
        discharge(rooms, queue, text.len);
        return -ENOMEM;
    }
    message->error = error;
    message->len = text.len;
    if (text.len)
        memcpy(message->bytes, text.at, text.len);
    cv_list_init(&message->link);
    cv_list_push_back(&queue->list, &message->link);
    queue->count++;
    queue->bytes += text.len;
    rank(rooms, queue);
    return 0;
}

void cv_room_queue_move(struct cv_rooms *rooms, struct cv_room_queue *to,
                        struct cv_room_queue *from)
{
    struct cv_list *link = cv_list_pop(&from->list);
    size_t len = cv_container_of(link, struct cv_room_message, link)->len;

    from->count--;
    from->bytes -= len;
    rank(rooms, from);
    cv_list_push_back(&to->list, link);
    to->count++;
    to->bytes += len;
    rank(rooms, to);
}

struct cv_room_end *cv_room_end_find(struct cv_rooms *rooms, uint64_t id)
{
    struct cv_room_end *end;

    HASH_FIND(hh, rooms->ends, &id, sizeof(id), end);
    return end;
}

void cv_room_end_news(struct cv_rooms *rooms, struct cv_room_end *end)
{
    if (cv_list_empty(&end->news))
        cv_list_push_back(&rooms->news, &end->news);
}

/* At once; what waits there is lost. */
static void drop(struct cv_rooms *rooms, struct cv_room_end *end, uint64_t now)
{
    if (end->client)
        cv_room_client_absent(rooms, end->client, now);
    cv_room_queue_clear(rooms, &end->out);
    end->closing = end->dropped = true;
    rooms->counters.dropped++;
    cv_room_end_news(rooms, end);
}

static struct cv_room_queue *largest(struct cv_rooms *rooms)
{
    size_t i = CV_ROOM_RANKS;

    while (i--)
        if (!cv_list_empty(&rooms->hoards[i]))
            return cv_container_of(rooms->hoards[i].next, struct cv_room_queue, hoard);
    return NULL;
}

static void take_away(struct cv_rooms *rooms, struct cv_room_queue *queue, uint64_t now)
{
    rooms->counters.hoards++;
    if (queue->kind == CV_ROOM_QUEUE_END) {
        drop(rooms, cv_container_of(queue, struct cv_room_end, out), now);
    } else {
        const struct cv_room_client *client = cv_container_of(queue, struct cv_room_client, queue);

        cv_room_queue_clear(rooms, queue);
        if (client->end)
            drop(rooms, client->end, now);
    }
}

bool cv_room_make_space(struct cv_rooms *rooms, const struct cv_room_queue *queue, size_t len,
                        uint64_t now)
{
    if (cost(len) > rooms->budget.limit)
        return false;
    while (cv_budget_room(&rooms->budget) < cost(len)) {
        struct cv_room_queue *most = largest(rooms);

        if (!most || most == queue)
            return false;
        take_away(rooms, most, now);
    }
    return true;
}

/* Whether @count messages of @len bytes together have room at the end. */
static bool has_room(const struct cv_room_end *end, size_t count, size_t len)
{
    return end->out.count + count <= CV_ROOMS_OUT_COUNT && end->out.bytes + len <= CV_ROOMS_OUT_MAX;
}

bool cv_room_end_takes(struct cv_rooms *rooms, struct cv_room_end *end, size_t count, size_t len,
                       uint64_t now)
{
    if (has_room(end, count, len))
        return true;
    drop(rooms, end, now);
    return false;
}

static void close_end(struct cv_rooms *rooms, struct cv_room_end *end, uint64_t now)
{
    if (end->client)
        cv_room_client_absent(rooms, end->client, now);
    end->closing = true;
}

static void tell(struct cv_rooms *rooms, struct cv_room_end *end, const char *why, bool closes,
                 uint64_t now)
{
    struct cv_rooms_text text = {why, strlen(why)};

    rooms->counters.ws_errors++;
    /* who makes errors and does not read them has no claim to hear them all */
    if ((closes || has_room(end, 1, text.len)) &&
        cv_room_make_space(rooms, &end->out, text.len, now))
        (void)!cv_room_queue_add(rooms, &end->out, true, text);
    if (closes)
        close_end(rooms, end, now);
    cv_room_end_news(rooms, end);
}

void cv_room_end_refuse(struct cv_rooms *rooms, struct cv_room_end *end,
                        enum cv_rooms_refusal refusal, uint64_t now)
{
    static const bool closes[] = {
#define X(name, text, close) close,
        CV_ROOMS_REFUSALS(X)
#undef X
    };

    tell(rooms, end, cv_rooms_refusal_text(refusal), closes[refusal], now);
}

void cv_rooms_unreadable(struct cv_rooms *rooms, uint64_t id, const char *why, uint64_t now)
{
    struct cv_room_end *end = cv_room_end_find(rooms, id);

    if (end && !end->closing)
        tell(rooms, end, why, true, now);
}

int cv_rooms_open(struct cv_rooms *rooms, uint64_t *out, const struct cv_peer *from, void *user)
{
    const struct cv_alloc *table_alloc = &rooms->alloc;
    struct cv_room_end *end = cv_alloc_zero(&rooms->alloc, sizeof(*end));

    if (!end)
        return -ENOMEM;
    end->id = ++rooms->next_end;
    end->user = user;
    end->from = *from;
    cv_room_queue_init(&end->out, CV_ROOM_QUEUE_END);
    cv_list_init(&end->news);
    HASH_ADD(hh, rooms->ends, id, sizeof(end->id), end);
    if (!cv_table_added(end)) {
        cv_free(&rooms->alloc, end);
        return -ENOMEM;
    }
    *out = end->id;
    return 0;
}

void cv_rooms_closed(struct cv_rooms *rooms, uint64_t id, uint64_t now)
{
    const struct cv_alloc *table_alloc = &rooms->alloc;
    struct cv_room_end *end = cv_room_end_find(rooms, id);

    if (!end)
        return;
    if (end->client)
        cv_room_client_absent(rooms, end->client, now);
    cv_room_queue_clear(rooms, &end->out);
    cv_list_remove(&end->news);
    HASH_DELETE(hh, rooms->ends, end);
    cv_free(&rooms->alloc, end);
}

int cv_rooms_peek(struct cv_rooms *rooms, uint64_t id, struct cv_rooms_out *out)
{
    const struct cv_room_end *end = cv_room_end_find(rooms, id);
    const struct cv_room_message *first;

    if (!end)
        return CV_ESTALE;
    if (!end->out.count)
        return end->closing ? CV_ECLOSED : 0;
    first = cv_container_of(end->out.list.next, struct cv_room_message, link);
    out->error = first->error;
    out->text = (struct cv_rooms_text){first->bytes, first->len};
    return 1;
}

void cv_rooms_written(struct cv_rooms *rooms, uint64_t id)
{
    struct cv_room_end *end = cv_room_end_find(rooms, id);

    if (end && end->out.count)
        drop_first(rooms, &end->out);
}
