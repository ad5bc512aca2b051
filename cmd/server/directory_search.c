#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "directory_parts.h"
#include "visit_parts.h"

/* A visit that looks for the server which has its client. */
struct search {
    struct cv_list in_list; /* the directory's */
    struct directory *directory;
    struct visit *visit;
    struct cv_directory_waiter waiter;
    struct link_waiter link;
    bool again; /* a claim came to nothing */
};

static void search_free(struct search *search)
{
    links_unwant(&search->link);
    cv_list_remove(&search->in_list);
    free(search);
}

/* It found nothing: what else there is, is the visit's to know. What was wrong here is truer than
 * that nobody else has the client. */
static void end_search(struct search *search, int why)
{
    struct visit *visit = search->visit;

    search_free(search);
    if (visit->problem == CV_ENOSESSION || (visit->moved && why != CV_ENOSESSION))
        visit->problem = why;
    visit_serve(visit);
}

static void ask(struct search *search);

/* The claim came to nothing; there may be another, or a newer one. */
static void search_on(struct search *search, int why)
{
    struct directory *directory = search->directory;

    cv_directory_failed(directory->core, search->visit->client, &search->waiter.claim);
    search->waiter.but_incarnation = search->waiter.claim.incarnation;
    search->waiter.but_session = search->waiter.claim.session;
    if (search->again) {
        end_search(search, why);
        return;
    }
    search->again = true;
    ask(search);
}

static void on_link(struct link_waiter *waiter, const struct cv_route *route, const char *why)
{
    struct search *search = cv_container_of(waiter, struct search, link);
    const struct cv_claim *claim = &search->waiter.claim;
    int rc = CV_ENOPEER;

    (void)why;
    if (route)
        rc = visit_dial_link(search->visit, route, claim->incarnation, claim->session);
    if (rc == 0) /* the visit may be over already */
        search_free(search);
    else if (rc == CV_EDENIED)
        end_search(search, rc);
    else
        search_on(search, rc);
}

static void on_claim(struct search *search)
{
    struct directory *directory = search->directory;
    const struct cv_claim *claim = &search->waiter.claim;
    const char *url = cv_directory_url(directory->core, claim->server, claim->incarnation);

    if (url)
        links_want(&directory->links, claim->server, claim->incarnation, url, &search->link);
    else
        search_on(search, CV_ENOSESSION);
}

static void ask(struct search *search)
{
    struct directory *directory = search->directory;
    int rc = cv_directory_ask(directory->core, search->visit->client, &search->waiter,
                              cv_loop_now(&directory->worker->loop));

    if (rc == 1)
        on_claim(search);
    else if (rc < 0)
        end_search(search, search->again && rc == CV_ENOSESSION ? CV_ENOPEER : rc);
    else
        directory_pump(directory);
}

static void start_search(struct directory *directory, struct visit *visit)
{
    struct search *search = calloc(1, sizeof(*search));

    if (!search || !directory->commands) {
        free(search);
        visit->problem = search ? CV_EAWAY : -ENOMEM;
        visit_serve(visit);
        return;
    }
    search->directory = directory;
    search->visit = visit;
    search->waiter.but_incarnation = visit->claim_incarnation;
    search->waiter.but_session = visit->claim_session;
    search->waiter.turns = visit->balance != CV_BALANCE_NEWEST;
    cv_list_init(&search->link.link);
    search->link.ready = on_link;
    cv_list_push_back(&directory->searches, &search->in_list);
    ask(search);
}

void directory_woken(struct cv_directory_waiter *waiter)
{
    struct search *search = cv_container_of(waiter, struct search, waiter);

    if (waiter->result == 0)
        on_claim(search);
    else
        end_search(search,
                   search->again && waiter->result == CV_ENOSESSION ? CV_ENOPEER : waiter->result);
}

static void on_visit(struct cv_mail *mail, void *ctx, bool lost)
{
    struct visit *visit = cv_container_of(mail, struct visit, mail);
    struct worker *first = ctx;

    if (lost) {
        visit_lose(visit);
        return;
    }
    visit->worker = first;
    start_search(first->server->directory, visit);
}

bool directory_is_to_ask(const struct visit *visit)
{
    return visit->worker->server->directory && visit->from == CV_ROUTE_VISITOR && !visit->asked &&
           visit->problem != CV_EDENIED;
}

void directory_ask(struct visit *visit)
{
    struct server *server = visit->worker->server;

    visit->asked = true;
    if (visit->worker->index == 0) {
        start_search(server->directory, visit);
        return;
    }
    visit->mail.deliver = on_visit;
    cv_mailbox_post(&server->workers[0].mailbox, &visit->mail);
}

void directory_failed(const struct visit *visit)
{
    const struct cv_claim claim = {.incarnation = visit->claim_incarnation,
                                   .session = visit->claim_session};

    cv_directory_failed(visit->worker->server->directory->core, visit->client, &claim);
}

bool directory_has_another(const struct visit *visit, bool sure)
{
    const struct worker *worker = visit->worker;
    const struct directory *directory = worker->server->directory;

    if (!directory || visit->from != CV_ROUTE_VISITOR)
        return false;
    if (!visit->asked) /* nobody knows before: when there is none, the visit comes back */
        return true;
    if (!sure || worker->index > 0)
        return !sure;
    return cv_directory_has_other(directory->core, visit->client, visit->claim_incarnation,
                                  visit->claim_session, cv_loop_now(&worker->loop));
}

void directory_end_searches(struct directory *directory)
{
    cv_list_each_safe (link, &directory->searches) {
        struct search *search = cv_container_of(link, struct search, in_list);

        cv_directory_unwait(directory->core, &search->waiter);
        end_search(search, CV_EAWAY);
    }
}
