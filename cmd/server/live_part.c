#include "live_part.h"

#include <stdlib.h>
#include <string.h>

#include "listed.h"

#define SIZE_START   64
#define MEASURED_MAX 100 /* round trips that a worker has measured in a second: not all at once */

struct filling {
    struct live_part *part;
    struct worker *worker;
    unsigned measured;
};

/* Room for @more in an array of @each bytes a thing. */
static bool make_room(void *array, size_t *size, size_t needed, size_t each)
{
    void **at = array, *grown;
    size_t wanted = *size ? *size : SIZE_START;

    while (wanted < needed)
        wanted *= 2;
    if (wanted == *size)
        return true;
    grown = realloc(*at, wanted * each);
    if (!grown)
        return false;
    *at = grown;
    *size = wanted;
    return true;
}

static bool room_for_row(struct live_rows *rows, size_t more)
{
    return make_room(&rows->at, &rows->size, rows->count + more, sizeof(rows->at[0]));
}

static bool room_for_id(struct live_ids *ids, size_t more)
{
    return make_room(&ids->at, &ids->size, ids->count + more, sizeof(ids->at[0]));
}

/* Each has its turn: where one second ended the next one goes on. */
static void measure(struct filling *filling, const struct guest_info *info)
{
    struct live_part *part = filling->part;

    if (info->id <= part->after_measured || filling->measured == MEASURED_MAX ||
        !cv_tunnel_measure(info->tunnel))
        return;
    if (++filling->measured == MEASURED_MAX)
        part->measured = info->id;
}

static void fill_session(void *ctx, const struct guest_info *info)
{
    struct filling *filling = ctx;
    struct live_part *part = filling->part;
    const struct cv_session_stats *stats = cv_session_stats(info->session);

    if (info->is_peer || info->id == 0 || part->rows.count == part->most)
        return;
    if (!room_for_row(&part->rows, 1)) {
        part->failed = true;
        return;
    }
    part->rows.at[part->rows.count++] =
        (struct live_row){.id = info->id,
                          .bytes_in = stats->bytes_in,
                          .bytes_out = stats->bytes_out,
                          .rtt = cv_session_rtt(info->session),
                          .conns = (uint32_t)cv_session_conns(info->session)};
    measure(filling, info);
    if (part->whole || info->id > part->after_session)
        listed_append(part->clients, listed_client(filling->worker, info));
}

static void fill_visit(void *ctx, const struct visit_info *info)
{
    struct filling *filling = ctx;
    struct live_part *part = filling->part;

    if (part->visits.count == part->most)
        return;
    if (!room_for_id(&part->visits, 1)) {
        part->failed = true;
        return;
    }
    part->visits.at[part->visits.count++] = info->id;
    if (part->whole || info->id > part->after_visit)
        listed_append(part->conns, listed_conn(filling->worker, info));
}

void live_part_fill(struct live_part *part, struct worker *worker)
{
    struct filling filling = {.part = part, .worker = worker};

    part->clients = json_array();
    part->conns = json_array();
    part->peers = listed_peers(worker);
    guests_each(worker, fill_session, &filling);
    visits_each(worker, fill_visit, &filling);
    worker->counts.looks++;
    totals_add(&part->totals, worker);
}

void live_part_deinit(struct live_part *part)
{
    json_decref(part->clients);
    json_decref(part->conns);
    json_decref(part->peers);
    free(part->rows.at);
    free(part->visits.at);
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static int compare_rows(const void *a, const void *b)
{
    const struct live_row *left = a, *right = b;

    return compare_ids(&left->id, &right->id);
}

bool live_rows_add(struct live_rows *rows, const struct live_rows *more)
{
    if (more->count == 0)
        return true;
    if (!room_for_row(rows, more->count))
        return false;
    memcpy(rows->at + rows->count, more->at, more->count * sizeof(more->at[0]));
    rows->count += more->count;
    qsort(rows->at, rows->count, sizeof(rows->at[0]), compare_rows);
    return true;
}

bool live_ids_add(struct live_ids *ids, const struct live_ids *more)
{
    if (more->count == 0)
        return true;
    if (!room_for_id(ids, more->count))
        return false;
    memcpy(ids->at + ids->count, more->at, more->count * sizeof(more->at[0]));
    ids->count += more->count;
    qsort(ids->at, ids->count, sizeof(ids->at[0]), compare_ids);
    return true;
}

static bool same(const struct live_row *a, const struct live_row *b)
{
    return a->bytes_in == b->bytes_in && a->bytes_out == b->bytes_out && a->rtt == b->rtt &&
           a->conns == b->conns;
}

json_t *live_rows_changed(const struct live_rows *before, const struct live_rows *now)
{
    json_t *array = json_array();
    size_t old = 0;

    for (size_t i = 0; i < now->count; i++) {
        const struct live_row *row = &now->at[i];

        while (old < before->count && before->at[old].id < row->id)
            old++;
        if (old == before->count || before->at[old].id != row->id || same(&before->at[old], row))
            continue;
        listed_append(array, json_pack("[I, i, I, I, o]", (json_int_t)row->id, (int)row->conns,
                                       (json_int_t)row->bytes_in, (json_int_t)row->bytes_out,
                                       listed_rtt(row->rtt)));
    }
    return array;
}

json_t *live_rows_gone(const struct live_rows *before, const struct live_rows *now)
{
    json_t *array = json_array();
    size_t at = 0;

    for (size_t i = 0; i < before->count; i++) {
        while (at < now->count && now->at[at].id < before->at[i].id)
            at++;
        if (at == now->count || now->at[at].id != before->at[i].id)
            listed_append(array, json_integer((json_int_t)before->at[i].id));
    }
    return array;
}

json_t *live_ids_gone(const struct live_ids *before, const struct live_ids *now)
{
    json_t *array = json_array();
    size_t at = 0;

    for (size_t i = 0; i < before->count; i++) {
        while (at < now->count && now->at[at] < before->at[i])
            at++;
        if (at == now->count || now->at[at] != before->at[i])
            listed_append(array, json_integer((json_int_t)before->at[i]));
    }
    return array;
}
