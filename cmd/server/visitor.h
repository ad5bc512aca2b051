#ifndef CMD_SERVER_VISITOR_H
#define CMD_SERVER_VISITOR_H

#include "http/front.h"
#include "net/ending.h"

struct worker;

/* Visitors who have a session: `culvertctl connect` and `forward`. Each dial in it is a visit, and
 * may be to another client. Nothing is routed to them, and they announce nothing. */

/* Takes one in, with its place in the limits of its address. */
void visitor_welcome(struct worker *worker, const struct cv_front_guest *from);

/* Closes the sessions whose credential is no longer there: called after a reload. */
void visitors_recheck(struct worker *worker);

void visitors_dismiss(struct worker *worker, enum cv_ending ending);

#endif
