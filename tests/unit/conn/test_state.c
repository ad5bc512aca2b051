#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "conn/conn.h"
#include "support/test_alloc.h"

#define STATES (CV_CONN_CLOSED + 1)
#define EVENTS (CV_CONN_EV_ABORT + 1)

/* Every state by every event, written out: what conn.h says of each, and "stays" for what means
 * nothing. */
static const enum cv_conn_state table[STATES][EVENTS] = {
    [CV_CONN_DIALLING] = {CV_CONN_OPEN, CV_CONN_DIALLING, CV_CONN_DIALLING_FIN,
                          CV_CONN_DIALLING_END, CV_CONN_DIALLING, CV_CONN_CLOSED},
    [CV_CONN_DIALLING_FIN] = {CV_CONN_REMOTE_FIN, CV_CONN_DIALLING_FIN, CV_CONN_DIALLING_FIN,
                              CV_CONN_DIALLING_END, CV_CONN_DIALLING_FIN, CV_CONN_CLOSED},
    [CV_CONN_DIALLING_END] = {CV_CONN_DRAINING, CV_CONN_DIALLING_END, CV_CONN_DIALLING_END,
                              CV_CONN_DIALLING_END, CV_CONN_DIALLING_END, CV_CONN_CLOSED},
    [CV_CONN_OPEN] = {CV_CONN_OPEN, CV_CONN_LOCAL_FIN, CV_CONN_REMOTE_FIN, CV_CONN_DRAINING,
                      CV_CONN_OPEN, CV_CONN_CLOSED},
    [CV_CONN_LOCAL_FIN] = {CV_CONN_LOCAL_FIN, CV_CONN_LOCAL_FIN, CV_CONN_DRAINING, CV_CONN_DRAINING,
                           CV_CONN_LOCAL_FIN, CV_CONN_CLOSED},
    [CV_CONN_REMOTE_FIN] = {CV_CONN_REMOTE_FIN, CV_CONN_DRAINING, CV_CONN_REMOTE_FIN,
                            CV_CONN_DRAINING, CV_CONN_REMOTE_FIN, CV_CONN_CLOSED},
    [CV_CONN_DRAINING] = {CV_CONN_DRAINING, CV_CONN_DRAINING, CV_CONN_DRAINING, CV_CONN_DRAINING,
                          CV_CONN_CLOSED, CV_CONN_CLOSED},
    [CV_CONN_CLOSED] = {CV_CONN_CLOSED, CV_CONN_CLOSED, CV_CONN_CLOSED, CV_CONN_CLOSED,
                        CV_CONN_CLOSED, CV_CONN_CLOSED},
};

Test(state, moves_as_the_table_says_for_every_state_and_event)
{
    for (int state = 0; state < STATES; state++)
        for (int event = 0; event < EVENTS; event++)
            cr_expect_eq(cv_conn_next((enum cv_conn_state)state, (enum cv_conn_event)event),
                         table[state][event], "state %d, event %d", state, event);
}

Test(state, never_comes_back_to_a_direction_that_ended)
{
    for (int state = 0; state < STATES; state++) {
        for (int event = 0; event < EVENTS; event++) {
            enum cv_conn_state from = (enum cv_conn_state)state;
            enum cv_conn_state to = cv_conn_next(from, (enum cv_conn_event)event);
            bool dialling = from <= CV_CONN_DIALLING_END;

            cr_expect(cv_conn_receives(from) || !cv_conn_receives(to), "%d to %d", from, to);
            cr_expect(dialling || cv_conn_sends(from) || !cv_conn_sends(to), "%d to %d", from, to);
        }
    }
}

Test(state, every_state_can_reach_closed_in_order)
{
    for (int state = 0; state < STATES; state++) {
        enum cv_conn_state at = cv_conn_next((enum cv_conn_state)state, CV_CONN_EV_END);

        at = cv_conn_next(at, CV_CONN_EV_ACCEPT);
        at = cv_conn_next(at, CV_CONN_EV_DRAINED);
        cr_expect_eq(at, CV_CONN_CLOSED, "from %d", state);
    }
}

Test(state, says_who_may_send_and_where_bytes_may_go)
{
    static const struct {
        enum cv_conn_state state;
        bool receives, sends, delivers;
    } rows[] = {
        {CV_CONN_DIALLING, true, false, false},      {CV_CONN_DIALLING_FIN, false, false, false},
        {CV_CONN_DIALLING_END, false, false, false}, {CV_CONN_OPEN, true, true, true},
        {CV_CONN_LOCAL_FIN, true, false, true},      {CV_CONN_REMOTE_FIN, false, true, true},
        {CV_CONN_DRAINING, false, false, true},      {CV_CONN_CLOSED, false, false, false},
    };

    cr_assert_eq(sizeof(rows) / sizeof(rows[0]), STATES);
    for (size_t i = 0; i < STATES; i++) {
        cr_expect_eq(cv_conn_receives(rows[i].state), rows[i].receives, "%zu", i);
        cr_expect_eq(cv_conn_sends(rows[i].state), rows[i].sends, "%zu", i);
        cr_expect_eq(cv_conn_delivers(rows[i].state), rows[i].delivers, "%zu", i);
    }
}
