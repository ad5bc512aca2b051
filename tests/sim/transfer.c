#include "sim/transfer.h"

#include <stdlib.h>
#include <string.h>

struct sim_transfer *sim_transfer_new(struct sim_world *w, const char *key)
{
    struct sim_transfer *x = sim_new(w, sizeof(*x));

    x->w = w;
    x->number = w->transfer_count++;
    snprintf(x->key, sizeof(x->key), "%s", key);
    for (int i = 0; i < 2; i++)
        x->flow[i].key = cv_prng_next(&w->prng);
    cv_list_push_back(&w->transfers, &x->link);
    sim_count(w, SIM_TRANSFERS, 1);
    return x;
}

void sim_transfer_address(const struct sim_transfer *x, char out[SIM_ADDRESS_MAX])
{
    snprintf(out, SIM_ADDRESS_MAX, "target:%u", x->number);
}

struct sim_transfer *sim_transfer_by_address(struct sim_world *w, const char *address, size_t len)
{
    char want[SIM_ADDRESS_MAX];

    cv_list_each (link, &w->transfers) {
        struct sim_transfer *x = cv_container_of(link, struct sim_transfer, link);

        sim_transfer_address(x, want);
        if (strlen(want) == len && memcmp(want, address, len) == 0)
            return x;
    }
    return NULL;
}

struct sim_sock *sim_transfer_sock(struct sim_transfer *x, enum sim_side side)
{
    if (x->sock[side])
        sim_fail(x->w, "transfer %u: side %d is opened twice", x->number, side);
    x->sock[side] = sim_sock_new(x->w, &x->plan[side], &x->flow[side], &x->flow[!side]);
    return x->sock[side];
}

static void not_after_closed(struct sim_transfer *x, enum sim_side side, const char *event)
{
    if (x->told[side].closed)
        sim_fail(x->w, "transfer %u, side %d: %s after CLOSED", x->number, side, event);
}

void sim_transfer_opened(struct sim_transfer *x, enum sim_side side, bool halfclose)
{
    if (x->told[side].opened)
        sim_fail(x->w, "transfer %u, side %d: opened twice", x->number, side);
    sim_trace(x->w, "transfer %u: opened at side %d", x->number, side);
    x->told[side].opened = true;
    x->told[side].halfclose = halfclose;
}

void sim_transfer_silent(struct sim_transfer *x, enum sim_side side)
{
    not_after_closed(x, side, "SILENT");
    sim_count(x->w, SIM_MESH_SILENT, 1);
    if (!x->hostile && (x->told[side].connected || side != SIM_VISITOR || x->spliced == 0))
        sim_fail(x->w, "transfer %u, side %d: SILENT, and it does not wait", x->number, side);
}

void sim_transfer_connected(struct sim_transfer *x, enum sim_side side)
{
    not_after_closed(x, side, "CONNECTED");
    sim_count(x->w, SIM_EVENTS_CONNECTED, 1);
    if (x->told[side].connected || side != SIM_VISITOR)
        sim_fail(x->w, "transfer %u, side %d: CONNECTED twice, or to the end that accepted",
                 x->number, side);
    if (!x->hostile && !x->sock[!side])
        sim_fail(x->w, "transfer %u: CONNECTED before the target was", x->number);
    x->told[side].connected = true;
}

void sim_transfer_data(struct sim_transfer *x, enum sim_side side, bool ack)
{
    not_after_closed(x, side, "DATA");
    if (ack && side == SIM_VISITOR && !x->told[side].connected && !x->hostile)
        sim_fail(x->w, "transfer %u: DATA before CONNECTED", x->number);
}

/* An orderly end is told only when everything is there. */
static void must_be_whole(struct sim_transfer *x, enum sim_side side, const char *event)
{
    const struct sim_flow *in = &x->flow[!side];

    if (in->unchecked)
        return;
    if (!in->ended || in->got != in->sent)
        sim_fail(x->w, "transfer %u, side %d: %s in order, but %llu of %llu bytes are there%s",
                 x->number, side, event, (unsigned long long)in->got, (unsigned long long)in->sent,
                 in->ended ? "" : " and the source goes on");
}

void sim_transfer_fin(struct sim_transfer *x, enum sim_side side)
{
    struct sim_flow *in = &x->flow[!side];

    sim_trace(x->w, "transfer %u: FIN at side %d", x->number, side);
    sim_count(x->w, SIM_EVENTS_FIN, 1);
    not_after_closed(x, side, "FIN");
    if (in->fin_seen)
        sim_fail(x->w, "transfer %u, side %d: FIN twice", x->number, side);
    in->fin_seen = true;
    must_be_whole(x, side, "FIN");
}

void sim_transfer_closed(struct sim_transfer *x, enum sim_side side, enum cv_reason reason)
{
    struct sim_told *told = &x->told[side];

    sim_trace(x->w, "transfer %u: CLOSED at side %d: %s (out %llu, in %llu)", x->number, side,
              cv_reason_name(reason), (unsigned long long)x->flow[side].sent,
              (unsigned long long)x->flow[!side].got);
    sim_count(x->w, SIM_EVENTS_CLOSED, 1);
    not_after_closed(x, side, "CLOSED");
    told->closed = true;
    told->reason = reason;
    told->closed_at = x->w->now;
    if (reason == CV_REASON_NONE)
        sim_fail(x->w, "transfer %u, side %d: CLOSED without a reason", x->number, side);
    /* without half-close an end that said EOF itself has given up what was still to come */
    if (reason == CV_REASON_EOF && (told->halfclose || !told->finished))
        must_be_whole(x, side, "CLOSED");
    if (reason == CV_REASON_CAP)
        sim_count(x->w, SIM_CLOSED_CAP, 1);
    if (reason == CV_REASON_BUDGET)
        sim_count(x->w, SIM_CLOSED_BUDGET, 1);
    if (reason == CV_REASON_SESSION)
        sim_count(x->w, SIM_CLOSED_SESSION, 1);
}

/* Bytes that are missing are explained by an error at the end that misses them, or by that end's
 * own orderly close. */
static void check_loss_is_told(struct sim_transfer *x, enum sim_side side)
{
    const struct sim_told *told = &x->told[side];

    if (!told->opened || x->flow[!side].unchecked)
        return;
    if (x->flow[!side].got < x->flow[!side].sent && !cv_reason_is_error(told->reason) &&
        (told->halfclose || !told->finished))
        sim_fail(x->w, "transfer %u, side %d: bytes are missing and no error was told", x->number,
                 side);
}

/* No fault could touch it: both ends ended in order. */
static void check_strict(struct sim_transfer *x)
{
    if (x->unrouted)
        sim_fail(x->w, "transfer %u: no route, though its agent was there", x->number);
    for (int side = 0; side < 2; side++) {
        const struct sim_told *told = &x->told[side];

        if (told->opened && told->reason != CV_REASON_EOF)
            sim_fail(x->w, "transfer %u, side %d: ended with `%s`, though nothing was wrong",
                     x->number, side, cv_reason_name(told->reason));
        if (x->plan[side].need && !x->plan[side].echo && x->flow[!side].got < x->plan[side].need)
            sim_fail(x->w, "transfer %u, side %d: got %llu of the %llu bytes that it waited for",
                     x->number, side, (unsigned long long)x->flow[!side].got,
                     (unsigned long long)x->plan[side].need);
    }
    if (!x->sock[SIM_TARGET])
        sim_fail(x->w, "transfer %u: the target was never reached", x->number);
    sim_count(x->w, SIM_TRANSFERS_WHOLE, 1);
}

void sim_transfer_check_end(struct sim_transfer *x)
{
    bool broken = false;

    for (int side = 0; side < 2; side++) {
        const struct sim_told *told = &x->told[side];

        if (told->opened && !told->closed)
            sim_fail(x->w, "transfer %u, side %d: never told CLOSED", x->number, side);
        check_loss_is_told(x, (enum sim_side)side);
        broken = broken || (told->opened && cv_reason_is_error(told->reason));
    }
    if (x->strict)
        check_strict(x);
    sim_count(x->w, SIM_TRANSFERS_BROKEN, broken);
    sim_count(x->w, SIM_TRANSFERS_UNROUTED, x->unrouted);
}
