#include "base/error.h"
#include "session/core.h"

static uint64_t dead_after(const struct cv_session *s)
{
    return s->config.culvert ? CV_DEAD_AFTER : CV_DEAD_AFTER_FOREIGN;
}

static uint64_t ping_every(const struct cv_session *s)
{
    return s->config.culvert && !s->entries ? CV_PING_EVERY_IDLE : CV_PING_EVERY;
}

uint64_t cv_session_deadline(const struct cv_session *s)
{
    uint64_t at = s->heard_at + dead_after(s);

    if (s->cut)
        at = CV_NEVER;
    cv_list_each (link, &s->drains)
        at = cv_min_time(at, cv_container_of(link, struct entry, drains)->drain_at);
    if (s->cut)
        return at;
    at = cv_min_time(at, s->takeover_at);
    at = cv_min_time(at, s->ping_at);
    at = cv_min_time(at, s->sync_at);
    cv_list_each (link, &s->asking)
        at = cv_min_time(at, cv_container_of(link, struct entry, asking)->conn.probe_at);
    return at;
}

void cv_session_woke(struct cv_session *s, uint64_t now)
{
    uint64_t least = now + CV_PING_EVERY - dead_after(s);

    if (now + CV_PING_EVERY > dead_after(s) && s->heard_at < least)
        s->heard_at = least;
    if (s->takeover_at < now + CV_PING_EVERY)
        s->takeover_at = now + CV_PING_EVERY;
    if (s->asked_at < now)
        s->asked_at = now;
}

void cv_session_probe(struct cv_session *s, uint64_t now)
{
    if (s->cut || s->takeover_at != CV_NEVER)
        return;
    s->want_ping = true;
    s->takeover_at = now + CV_TAKEOVER_WAIT;
}

void cv_session_ask(struct cv_session *s, uint64_t now)
{
    if (s->cut || s->asked_at != CV_NEVER)
        return;
    s->want_ping = true;
    s->asked_at = now;
}

bool cv_session_measure(struct cv_session *s, uint64_t now)
{
    if (s->cut || s->want_ping || s->pings_out > 0 || now < s->measure_at)
        return false;
    s->want_ping = true;
    s->measure_at = now + CV_MEASURE_EVERY;
    return true;
}

uint64_t cv_session_patience(const struct cv_session *s)
{
    if (s->rtt >= CV_TAKEOVER_WAIT / 4) /* none is known, or it is long */
        return s->rtt == CV_NEVER ? CV_ANSWER_WAIT : CV_TAKEOVER_WAIT;
    return s->rtt * 4 > CV_ANSWER_WAIT ? s->rtt * 4 : CV_ANSWER_WAIT;
}

bool cv_session_silent(const struct cv_session *s, uint64_t now)
{
    return s->asked_at != CV_NEVER && now >= s->asked_at + cv_session_patience(s);
}

/* A sink that takes nothing must not hold what is stored for it for ever: nobody is left to wait
 * for it. */
static void tick_drains(struct cv_session *s, uint64_t now)
{
    cv_list_each_safe (link, &s->drains) {
        struct entry *e = cv_container_of(link, struct entry, drains);

        if (now < e->drain_at)
            continue;
        if (!e->progressed)
            cv_entry_abort(s, e, CV_REASON_LOCAL, "it does not take what is left for it");
        e->progressed = false;
        e->drain_at = now + CV_DRAIN_WAIT;
    }
}

int cv_session_tick(struct cv_session *s, uint64_t now)
{
    s->now = now;
    tick_drains(s, now);
    if (s->cut)
        return 0;
    if (now >= s->takeover_at || now >= s->heard_at + dead_after(s))
        return CV_EDEAD;
    if (now >= s->ping_at) {
        /* the acceptor asks once, for a round trip; after that the dialler's pings show that it
         * lives */
        s->ping_at = s->config.role == CV_SESSION_DIALLER ? now + ping_every(s) : CV_NEVER;
        s->want_ping = true;
    }
    if (now >= s->sync_at) {
        s->sync_at = now + CV_SYNC_EVERY;
        /* without memory this list is left out: the next one will do */
        if (cv_sync_make(s) < 0)
            s->sync_at = now + CV_PING_EVERY;
    }
    cv_list_each_safe (link, &s->asking) {
        struct entry *e = cv_container_of(link, struct entry, asking);

        cv_conn_tick(&e->conn, now);
        cv_entry_settle(s, e);
    }
    return 0;
}
