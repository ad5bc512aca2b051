#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "session/core.h"

struct cv_session_config cv_session_defaults(enum cv_session_role role)
{
    return (struct cv_session_config){
        .role = role,
        .max_conns = 8192,
        .budget = CV_SESSION_BUDGET,
        .rx_cap = CV_RX_CAP,
    };
}

static void init_lists(struct cv_session *s)
{
    cv_list_init(&s->fresh);
    cv_list_init(&s->bulk);
    cv_list_init(&s->control);
    cv_list_init(&s->events);
    cv_list_init(&s->asking);
    cv_list_init(&s->drains);
}

int cv_session_new(struct cv_session **out, const struct cv_session_config *config,
                   const struct cv_alloc *alloc, const struct cv_random *random, uint64_t now)
{
    struct cv_session *s = cv_alloc_zero(alloc, sizeof(*s));
    bool dialler = config->role == CV_SESSION_DIALLER;

    if (!s)
        return -ENOMEM;
    s->config = *config;
    s->alloc = alloc;
    s->random = random;
    s->budget = (struct cv_budget){.limit = config->budget, .parent = config->parent};
    s->limits = (struct cv_flow_limits){
        .pause_mark = CV_PAUSE_MARK,
        .resume_mark = CV_RESUME_MARK,
        .rx_cap = config->rx_cap,
        .window_max = CV_WINDOW_MAX,
    };
    init_lists(s);
    /* even ids for the acceptor, odd ones for the dialler, from 2 and 1: both tables of a reference
     * pair are one */
    s->next_id = dialler ? 1 : 2;
    /* the reference starts anywhere in 63 bits; a short start keeps every head five bytes shorter
     */
    s->frame_id = (int64_t)cv_random_below(random, 1 << 20);
    s->now = s->heard_at = now;
    s->ping_at = dialler || config->culvert ? now : CV_NEVER;
    if (dialler && !config->culvert)
        s->ping_at = now + CV_PING_EVERY;
    s->ping_sent_at = s->takeover_at = s->asked_at = s->sync_swept_at = CV_NEVER;
    s->hash_seed = cv_random_u64(random);
    s->sync_at = dialler ? now + CV_SYNC_EVERY : CV_NEVER;
    s->rtt = CV_NEVER;
    *out = s;
    return 0;
}

void cv_session_free(struct cv_session *s)
{
    if (!s)
        return;
    cv_entry_free_all(s);
    cv_chain_clear(&s->misc, s->alloc, NULL);
    cv_free(s->alloc, s->sync_body);
    cv_free(s->alloc, s->gram);
    cv_gram_return(s);
    cv_free(s->alloc, s);
}

void cv_session_cut(struct cv_session *s)
{
    struct entry *e, *next;
    bool dialling;

    cv_session_settle_offer(s);
    s->cut = s->stopped = true;
    s->want_ping = false;
    s->has_now_event = false;
    s->want_sync = false;
    s->orphans = 0;
    cv_chain_clear(&s->misc, s->alloc, NULL);
    HASH_ITER (hh, s->entries, e, next) {
        e->wants = e->conn.wants = 0;
        e->wire_over = true;
        if (e->conn.state != CV_CONN_CLOSED && e->conn.state != CV_CONN_DRAINING)
            e->reason = CV_REASON_SESSION;
        e->drain_at = s->now + CV_DRAIN_WAIT; /* of one that is draining already */
        e->progressed = false;
        /* a target that nobody is left to talk to need not be dialled on */
        dialling = e->conn.state == CV_CONN_DIALLING || e->conn.state == CV_CONN_DIALLING_FIN;
        cv_entry_move(s, e, dialling ? CV_CONN_EV_ABORT : CV_CONN_EV_END);
    }
}

const struct cv_session_stats *cv_session_stats(const struct cv_session *s)
{
    return &s->stats;
}

const struct cv_session_config *cv_session_config(const struct cv_session *s)
{
    return &s->config;
}

uint32_t cv_session_conns(const struct cv_session *s)
{
    return HASH_COUNT(s->entries);
}

uint32_t cv_session_busy(const struct cv_session *s)
{
    return HASH_COUNT(s->entries) - s->over;
}

size_t cv_session_buffered(const struct cv_session *s)
{
    return s->budget.used;
}

uint64_t cv_session_heard_at(const struct cv_session *s)
{
    return s->heard_at;
}

uint64_t cv_session_rtt(const struct cv_session *s)
{
    return s->rtt;
}

bool cv_session_probing(const struct cv_session *s)
{
    return s->takeover_at != CV_NEVER;
}

void cv_session_stop(struct cv_session *s)
{
    s->stopped = true;
}

void cv_session_abort_all(struct cv_session *s, enum cv_reason reason)
{
    struct entry *e, *next;

    cv_session_settle_offer(s);
    HASH_ITER (hh, s->entries, e, next)
        cv_entry_abort(s, e, reason, NULL);
}

void cv_session_limit_conns(struct cv_session *s, uint32_t max)
{
    s->config.max_conns = max;
}

bool cv_session_usable(const struct cv_session *s)
{
    return !s->stopped && HASH_COUNT(s->entries) < s->config.max_conns;
}

bool cv_session_full(const struct cv_session *s)
{
    return !s->stopped && HASH_COUNT(s->entries) >= s->config.max_conns;
}
