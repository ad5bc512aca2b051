#include "base/error.h"
#include "conn/conn.h"

void cv_conn_init(struct cv_conn *conn, enum cv_conn_state state, enum cv_flow_mode mode,
                  uint64_t now)
{
    *conn = (struct cv_conn){
        .state = state,
        .mode = mode,
        .probe_at = CV_NEVER,
        .probe_wait = CV_PROBE_WAIT_FIRST,
        .tx_credit = CV_WINDOW_INITIAL,
        .rx_credit = CV_WINDOW_INITIAL,
        .rx_window = CV_WINDOW_INITIAL,
        .granted_at = now,
    };
}

void cv_conn_deinit(struct cv_conn *conn, const struct cv_alloc *alloc, struct cv_budget *budget)
{
    cv_chain_clear(&conn->rx, alloc, budget);
}

int cv_conn_received(struct cv_conn *conn, size_t len)
{
    if (conn->mode != CV_FLOW_CREDIT)
        return 0;
    if (len > conn->rx_credit)
        return CV_EFLOW;
    conn->rx_credit -= len;
    return 0;
}

int cv_conn_store(struct cv_conn *conn, const struct cv_alloc *alloc, struct cv_budget *budget,
                  const struct cv_flow_limits *limits, const uint8_t *data, size_t len)
{
    int rc;

    if (conn->mode != CV_FLOW_CREDIT && conn->rx.len + len > limits->rx_cap)
        return CV_EFLOW;
    rc = cv_chain_append(&conn->rx, alloc, budget, data, len);
    if (rc < 0)
        return rc;
    if (conn->mode != CV_FLOW_CREDIT && !conn->rx_paused && conn->rx.len > limits->pause_mark) {
        conn->rx_paused = true;
        conn->wants |= CV_WANT_PAUSE;
    }
    return 0;
}

void cv_conn_unstore(struct cv_conn *conn, const struct cv_alloc *alloc, struct cv_budget *budget,
                     size_t len)
{
    cv_chain_consume(&conn->rx, alloc, budget, len);
}

void cv_conn_consumed(struct cv_conn *conn, const struct cv_flow_limits *limits, size_t len)
{
    if (conn->mode == CV_FLOW_CREDIT) {
        conn->rx_consumed += len;
        if (conn->rx_consumed >= conn->rx_window / 2)
            conn->wants |= CV_WANT_WINDOW;
        return;
    }
    if (!conn->rx_paused || conn->rx.len >= limits->resume_mark)
        return;
    conn->rx_paused = false;
    if (conn->wants & CV_WANT_PAUSE)
        conn->wants &= ~(unsigned)CV_WANT_PAUSE; /* it was never said */
    else
        conn->wants |= CV_WANT_RESUME;
}

size_t cv_conn_may_send(const struct cv_conn *conn)
{
    if (conn->mode == CV_FLOW_CREDIT)
        return conn->tx_credit;
    if (conn->tx_paused)
        return 0;
    return conn->probe == CV_PROBE_NONE ? SIZE_MAX : conn->probe_left;
}

void cv_conn_sent(struct cv_conn *conn, size_t len, uint64_t now)
{
    if (conn->mode == CV_FLOW_CREDIT)
        conn->tx_credit -= len;
    if (conn->probe != CV_PROBE_DATA)
        return;
    /* one small frame is the question; the rest waits for the answer */
    conn->probe_left = 0;
    conn->probe_at = now + conn->probe_answer;
}

void cv_conn_on_pause(struct cv_conn *conn, uint64_t now, uint64_t rtt)
{
    if (conn->mode == CV_FLOW_CREDIT)
        return;
    conn->tx_paused = true;
    if (conn->mode != CV_FLOW_REFERENCE)
        return;
    conn->pause_open = true;
    if (conn->probe != CV_PROBE_NONE)
        conn->probe_wait = cv_min_time(2 * conn->probe_wait, CV_PROBE_WAIT_MAX);
    conn->probe = CV_PROBE_NONE;
    conn->probe_left = 0;
    conn->probe_at = now + conn->probe_wait;
    conn->probe_answer = CV_PROBE_ANSWER;
    if (rtt != CV_NEVER && 2 * rtt > CV_PROBE_ANSWER)
        conn->probe_answer = 2 * rtt;
}

void cv_conn_on_resume(struct cv_conn *conn)
{
    conn->tx_paused = false;
    if (conn->mode != CV_FLOW_REFERENCE)
        return;
    conn->probe = CV_PROBE_NONE;
    conn->probe_at = CV_NEVER;
    conn->probe_wait = CV_PROBE_WAIT_FIRST;
    /* Its writer, blocked by the flag that it has just cleared, misses its own wake-up: only a
     * Resume of ours wakes it. Tied to a Pause that went either way since our last one, so that two
     * ends never answer each other for ever. */
    if (conn->pause_open)
        conn->wants |= CV_WANT_RESUME;
}

int cv_conn_on_window(struct cv_conn *conn, int64_t grant)
{
    if (grant <= 0 || (uint64_t)grant > SIZE_MAX - conn->tx_credit)
        return CV_EPROTO;
    conn->tx_credit += (size_t)grant;
    return 0;
}

void cv_conn_said_pause(struct cv_conn *conn)
{
    conn->wants &= ~(unsigned)CV_WANT_PAUSE;
    conn->rx_paused = true;
    conn->pause_open = true;
}

void cv_conn_said_resume(struct cv_conn *conn, uint64_t now)
{
    conn->wants &= ~(unsigned)CV_WANT_RESUME;
    if (conn->mode != CV_FLOW_REFERENCE)
        return;
    /* Our Resume makes it forget both: that we had asked it to pause, and that it had asked us. */
    if (!(conn->wants & CV_WANT_PAUSE))
        conn->rx_paused = false;
    conn->pause_open = false;
    conn->tx_paused = false;
    if (conn->probe == CV_PROBE_NONE)
        conn->probe_at = CV_NEVER; /* what it forgot needs no question */
    if (conn->probe != CV_PROBE_RESUME)
        return;
    conn->probe = CV_PROBE_PAUSE;
    conn->probe_at = now + CV_PROBE_GAP;
}

size_t cv_conn_said_window(struct cv_conn *conn, size_t most, uint64_t now, uint64_t rtt)
{
    size_t grant = conn->rx_consumed;
    uint64_t round = rtt > CV_WINDOW_ROUND ? rtt : CV_WINDOW_ROUND;
    bool quick = rtt != CV_NEVER && now - conn->granted_at <= 2 * round;

    if (conn->rx_window > most) {
        size_t less = cv_min_size(conn->rx_window - most, grant / 2);

        grant -= less;
        conn->rx_window -= less;
    } else if (quick && conn->rx.len == 0) {
        size_t grown = cv_min_size(2 * conn->rx_window, most);

        grant += grown - conn->rx_window;
        conn->rx_window = grown;
    }
    conn->wants &= ~(unsigned)CV_WANT_WINDOW;
    conn->rx_consumed = 0;
    conn->rx_credit += grant;
    conn->granted_at = now;
    return grant;
}

void cv_conn_tick(struct cv_conn *conn, uint64_t now)
{
    if (now < conn->probe_at)
        return;
    switch (conn->probe) {
    case CV_PROBE_NONE:
        conn->probe = CV_PROBE_RESUME;
        conn->probe_at = CV_NEVER; /* until the Resume is on its way */
        conn->wants |= CV_WANT_RESUME;
        break;
    case CV_PROBE_RESUME:
        break;
    case CV_PROBE_PAUSE:
        conn->probe = CV_PROBE_DATA;
        conn->probe_left = CV_PROBE_BYTES;
        conn->probe_at = now + conn->probe_answer;
        break;
    case CV_PROBE_DATA: /* no Pause came back: the way is free */
        conn->probe = CV_PROBE_NONE;
        conn->probe_at = CV_NEVER;
        conn->probe_wait = CV_PROBE_WAIT_FIRST;
        break;
    }
}
