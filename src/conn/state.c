#include "conn/conn.h"

static enum cv_conn_state after_accept(enum cv_conn_state state)
{
    if (state == CV_CONN_DIALLING)
        return CV_CONN_OPEN;
    if (state == CV_CONN_DIALLING_FIN)
        return CV_CONN_REMOTE_FIN;
    return state == CV_CONN_DIALLING_END ? CV_CONN_DRAINING : state;
}

static enum cv_conn_state after_local_fin(enum cv_conn_state state)
{
    if (state == CV_CONN_OPEN)
        return CV_CONN_LOCAL_FIN;
    return state == CV_CONN_REMOTE_FIN ? CV_CONN_DRAINING : state;
}

static enum cv_conn_state after_remote_fin(enum cv_conn_state state)
{
    if (state == CV_CONN_DIALLING)
        return CV_CONN_DIALLING_FIN;
    if (state == CV_CONN_OPEN)
        return CV_CONN_REMOTE_FIN;
    return state == CV_CONN_LOCAL_FIN ? CV_CONN_DRAINING : state;
}

static enum cv_conn_state after_end(enum cv_conn_state state)
{
    if (state == CV_CONN_CLOSED)
        return state;
    if (state == CV_CONN_DIALLING || state == CV_CONN_DIALLING_FIN)
        return CV_CONN_DIALLING_END;
    return state == CV_CONN_DIALLING_END ? state : CV_CONN_DRAINING;
}

enum cv_conn_state cv_conn_next(enum cv_conn_state state, enum cv_conn_event event)
{
    switch (event) {
    case CV_CONN_EV_ACCEPT:
        return after_accept(state);
    case CV_CONN_EV_LOCAL_FIN:
        return after_local_fin(state);
    case CV_CONN_EV_REMOTE_FIN:
        return after_remote_fin(state);
    case CV_CONN_EV_END:
        return after_end(state);
    case CV_CONN_EV_DRAINED:
        return state == CV_CONN_DRAINING ? CV_CONN_CLOSED : state;
    case CV_CONN_EV_ABORT:
        return CV_CONN_CLOSED;
    }
    return state;
}

bool cv_conn_receives(enum cv_conn_state state)
{
    return state == CV_CONN_DIALLING || state == CV_CONN_OPEN || state == CV_CONN_LOCAL_FIN;
}

bool cv_conn_sends(enum cv_conn_state state)
{
    return state == CV_CONN_OPEN || state == CV_CONN_REMOTE_FIN;
}

bool cv_conn_delivers(enum cv_conn_state state)
{
    return state == CV_CONN_OPEN || state == CV_CONN_LOCAL_FIN || state == CV_CONN_REMOTE_FIN ||
           state == CV_CONN_DRAINING;
}
