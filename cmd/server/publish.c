#include "publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "base/table.h"
#include "net/log.h"
#include "places.h"
#include "server.h"

/* A session that asks. Made by its worker, and the main thread's from then on. */
struct suitor {
    struct cv_mail mail; /* on the way there */
    UT_hash_handle hh;   /* by id */
    uint64_t id;
    struct worker *worker; /* borrowed; where the session is */
    char key[CV_KEY_MAX + 1];
    bool has_digest;
    uint8_t digest[CV_TOKEN_DIGEST];
    const char *subject; /* in the text; NULL: none */
    char *text;          /* behind the claims: the subject, then what was asked for */
    size_t count;
    struct claim claims[];
};

struct publish {
    struct server *server; /* borrowed */
    struct places *places; /* owned */
    struct suitor *suitors;
};

static const struct cv_alloc *alloc_of(const struct publish *publish)
{
    return &publish->server->workers[0].loop.alloc;
}

/* Telling. */

struct reply {
    struct cv_mail mail;
    uint64_t session;
    uint32_t number;
    bool granted;
    char text[CV_PUBLISH_TEXT_MAX];
};

static void on_reply(struct cv_mail *mail, void *ctx, bool lost)
{
    struct reply *reply = cv_container_of(mail, struct reply, mail);

    if (!lost)
        guest_published(ctx, reply->session, reply->number, reply->granted, reply->text);
    free(reply);
}

static void log_refusal(const struct claim *claim, const char *text)
{
    struct publish *publish = claim->publish;
    struct cv_loop *loop = &publish->server->workers[0].loop;
    const struct cv_log_about about = {.client = claim->client, .session = claim->suitor->id};

    cv_log_cause(loop, CV_CAUSE_PUBLISH, &about, "publish: client %s refused: %s: \"%.*s\"",
                 claim->client, text, CV_PUBLISH_TEXT_MAX, claim->text);
}

void publish_tell(const struct claim *claim, bool granted, const char *text)
{
    const struct suitor *suitor = claim->suitor;
    struct worker *worker = suitor->worker;
    struct reply *reply;

    if (!granted)
        log_refusal(claim, text);
    if (worker->index == 0) {
        guest_published(worker, suitor->id, claim->number, granted, text);
        return;
    }
    reply = calloc(1, sizeof(*reply));
    if (!reply) {
        cv_log_about(&worker->server->workers[0].loop.log, CV_LOG_ERROR,
                     &(struct cv_log_about){.client = claim->client, .session = suitor->id},
                     "publish: client %s is not told: out of memory", claim->client);
        return;
    }
    reply->mail.deliver = on_reply;
    reply->session = suitor->id;
    reply->number = claim->number;
    reply->granted = granted;
    snprintf(reply->text, sizeof(reply->text), "%s", text);
    cv_mailbox_post(&worker->mailbox, &reply->mail);
}

/* What is permitted. */

static const char *operators_problem(const struct cv_publish_patterns *patterns,
                                     const struct cv_publication *asked)
{
    if (patterns->count == 0)
        return "this server lets nothing be published: it has neither --token-file nor "
               "--publish-allow";
    for (size_t i = 0; i < patterns->count; i++)
        if (cv_publish_permits(&patterns->at[i], asked))
            return NULL;
    return "not permitted by this server's --publish-allow";
}

static const char *problem_of(const struct publish *publish, const struct claim *claim)
{
    const struct suitor *suitor = claim->suitor;
    const struct cv_credentials *credentials = publish->server->workers[0].credentials;
    struct cv_access_answer answer;

    if (!credentials)
        return operators_problem(&publish->server->config->publish_allow, &claim->asked);
    answer = admit_access(credentials, suitor->has_digest ? suitor->digest : NULL, suitor->subject,
                          suitor->key);
    if (answer.why != CV_ACCESS_OK || !answer.credential)
        return "this client's credential is gone";
    return cv_access_publish_problem(answer.credential, suitor->key, strlen(suitor->key),
                                     &claim->asked);
}

/* Acts on whether a claim is permitted, when that is news. */
static void judge(struct publish *publish, struct claim *claim)
{
    const char *problem = problem_of(publish, claim);

    if (claim->judged && problem == claim->problem)
        return;
    claim->judged = true;
    claim->problem = problem;
    places_leave(publish->places, claim);
    if (problem)
        publish_tell(claim, false, problem);
    else
        places_enter(publish->places, claim);
}

static void judge_all(struct publish *publish, struct suitor *suitor)
{
    for (size_t i = 0; i < suitor->count; i++)
        if (suitor->claims[i].suitor) /* else it is malformed, and was told so */
            judge(publish, &suitor->claims[i]);
}

void publish_recheck(struct publish *publish)
{
    struct suitor *suitor, *next;

    HASH_ITER (hh, publish->suitors, suitor, next)
        judge_all(publish, suitor);
    places_retry(publish->places);
}

/* Coming. */

static void read_claim(struct publish *publish, struct suitor *suitor, struct claim *claim)
{
    const char *problem = "an agent publishes at most 16 things";

    _Static_assert(CV_PUBLISH_MAX == 16, "so it is said");
    claim->publish = publish;
    claim->client = suitor->key;
    claim->suitor = suitor;
    cv_list_init(&claim->link);
    if (claim->number <= CV_PUBLISH_MAX &&
        cv_publication_parse(&claim->asked, (struct cv_span){claim->text, strlen(claim->text)},
                             &problem) == 0)
        return;
    publish_tell(claim, false, problem);
    claim->suitor = NULL;
}

static void arrive(struct publish *publish, struct suitor *suitor)
{
    const struct cv_alloc *table_alloc = alloc_of(publish);

    HASH_ADD(hh, publish->suitors, id, sizeof(suitor->id), suitor);
    if (!cv_table_added(suitor)) {
        cv_log_about(&publish->server->workers[0].loop.log, CV_LOG_ERROR,
                     &(struct cv_log_about){.client = suitor->key, .session = suitor->id},
                     "publish: client %s: out of memory", suitor->key);
        cv_free(table_alloc, suitor);
        return;
    }
    for (size_t i = 0; i < suitor->count; i++)
        read_claim(publish, suitor, &suitor->claims[i]);
    judge_all(publish, suitor);
}

static void on_arrival(struct cv_mail *mail, void *ctx, bool lost)
{
    struct suitor *suitor = cv_container_of(mail, struct suitor, mail);
    const struct worker *first = ctx;

    if (lost)
        cv_free(&first->loop.alloc, suitor);
    else
        arrive(first->server->publish, suitor);
}

/* Lines of @wanted, one more than may be at most: that one is told that it is too many. */
static size_t count_lines(const char *wanted)
{
    size_t count = 0;

    while (count <= CV_PUBLISH_MAX && (wanted = strchr(wanted, '\n'))) {
        wanted++;
        count++;
    }
    return count;
}

static void cut_lines(struct suitor *suitor, char *at)
{
    for (size_t i = 0; i < suitor->count; i++) {
        suitor->claims[i].text = at;
        suitor->claims[i].number = (uint32_t)i + 1;
        at = strchr(at, '\n');
        *at++ = '\0';
    }
}

static struct suitor *suitor_new(struct worker *worker, const struct publish_request *request)
{
    size_t count = count_lines(request->wanted), wanted = strlen(request->wanted) + 1;
    size_t subject = request->subject ? strlen(request->subject) + 1 : 0;
    size_t claims = count * sizeof(struct claim);
    struct suitor *suitor =
        cv_alloc_zero(&worker->loop.alloc, sizeof(*suitor) + claims + subject + wanted);

    if (!suitor)
        return NULL;
    suitor->mail.deliver = on_arrival;
    suitor->id = request->id;
    suitor->worker = worker;
    snprintf(suitor->key, sizeof(suitor->key), "%s", request->key);
    suitor->has_digest = request->digest != NULL;
    if (request->digest)
        memcpy(suitor->digest, request->digest, sizeof(suitor->digest));
    suitor->count = count;
    suitor->text = (char *)suitor->claims + claims;
    if (subject)
        suitor->subject = memcpy(suitor->text, request->subject, subject);
    memcpy(suitor->text + subject, request->wanted, wanted);
    cut_lines(suitor, suitor->text + subject);
    return suitor;
}

/* Going. */

struct publish_parting {
    struct cv_mail mail;
    uint64_t id;
};

static void depart(struct publish *publish, uint64_t id)
{
    const struct cv_alloc *table_alloc = alloc_of(publish);
    struct suitor *suitor;

    HASH_FIND(hh, publish->suitors, &id, sizeof(id), suitor);
    if (!suitor)
        return;
    for (size_t i = 0; i < suitor->count; i++)
        places_leave(publish->places, &suitor->claims[i]);
    HASH_DEL(publish->suitors, suitor);
    cv_free(table_alloc, suitor);
}

static void on_parting(struct cv_mail *mail, void *ctx, bool lost)
{
    struct publish_parting *parting = cv_container_of(mail, struct publish_parting, mail);
    const struct worker *first = ctx;

    if (!lost)
        depart(first->server->publish, parting->id);
    free(parting);
}

void publish_parted(struct worker *worker, struct publish_parting *parting)
{
    if (!parting)
        return;
    if (worker->index == 0)
        on_parting(&parting->mail, worker, false);
    else
        cv_mailbox_post(&worker->server->workers[0].mailbox, &parting->mail);
}

int publish_asked(struct worker *worker, const struct publish_request *request,
                  struct publish_parting **parting)
{
    struct suitor *suitor = suitor_new(worker, request);

    *parting = suitor ? calloc(1, sizeof(**parting)) : NULL;
    if (!*parting) {
        cv_free(&worker->loop.alloc, suitor);
        return -ENOMEM;
    }
    (*parting)->mail.deliver = on_parting;
    (*parting)->id = request->id;
    if (worker->index == 0)
        arrive(worker->server->publish, suitor);
    else
        cv_mailbox_post(&worker->server->workers[0].mailbox, &suitor->mail);
    return 0;
}

/* For the others. */

bool publish_find(struct publish *publish, struct cv_slice host, struct cv_upstream_target *out)
{
    return places_find(publish->places, host, out);
}

void publish_each(struct publish *publish, void (*each)(void *ctx, const struct publish_info *info),
                  void *ctx)
{
    places_each(publish->places, each, ctx);
}

int publish_new(struct publish **out, struct server *server)
{
    struct publish *publish = calloc(1, sizeof(*publish));
    int rc;

    if (!publish)
        return -ENOMEM;
    publish->server = server;
    rc = places_new(&publish->places, server);
    if (rc < 0) {
        free(publish);
        return rc;
    }
    *out = publish;
    return 0;
}

void publish_close(struct publish *publish)
{
    if (publish)
        places_close(publish->places);
}

void publish_free(struct publish *publish)
{
    const struct cv_alloc *table_alloc;
    struct suitor *suitor, *next;

    if (!publish)
        return;
    table_alloc = alloc_of(publish);
    HASH_ITER (hh, publish->suitors, suitor, next) {
        HASH_DEL(publish->suitors, suitor);
        cv_free(table_alloc, suitor);
    }
    places_free(publish->places);
    free(publish);
}
