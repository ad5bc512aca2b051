#include "admit.h"

#include <string.h>

#include "base/peer.h"
#include "net/log.h"
#include "server.h"

static void complain(struct worker *worker, const char *peer)
{
    cv_log_cause(&worker->loop, CV_CAUSE_ADDRESS, NULL,
                 "%s refused: too many connections of that address", peer);
}

bool admit_enter(struct worker *worker, const char *peer)
{
    struct server *server = worker->server;
    struct cv_ip address;
    int rc;

    if (!cv_ip_of_peer(&address, peer))
        return true;
    uv_mutex_lock(&server->lock);
    rc = cv_admission_enter(server->admission, &address, cv_loop_now(&worker->loop));
    uv_mutex_unlock(&server->lock);
    if (rc < 0) {
        worker->counts.crowded++;
        complain(worker, peer);
    }
    return rc == 0;
}

void admit_leave(struct worker *worker, const char *peer)
{
    struct server *server = worker->server;
    struct cv_ip address;

    if (!cv_ip_of_peer(&address, peer))
        return;
    uv_mutex_lock(&server->lock);
    cv_admission_leave(server->admission, &address);
    uv_mutex_unlock(&server->lock);
}

/* A token that is gone, or has expired, is refused where it is asked what it may dial. */
static uint32_t limit_of(const struct worker *worker, const uint8_t digest[CV_TOKEN_DIGEST])
{
    struct cv_access_answer answer = {.credential = NULL};

    if (worker->credentials)
        (void)!cv_access_visitor(&answer, worker->credentials, digest, NULL, 0, NULL,
                                 cv_wall_clock());
    return answer.credential ? answer.credential->max_conns : 0;
}

int admit_token(struct worker *worker, const uint8_t digest[CV_TOKEN_DIGEST])
{
    struct server *server = worker->server;
    uint32_t max = limit_of(worker, digest);
    int rc;

    uv_mutex_lock(&server->lock);
    rc = cv_quota_enter(server->quota, digest, max);
    uv_mutex_unlock(&server->lock);
    return rc;
}

void admit_leave_token(struct worker *worker, const uint8_t digest[CV_TOKEN_DIGEST])
{
    struct server *server = worker->server;

    uv_mutex_lock(&server->lock);
    cv_quota_leave(server->quota, digest);
    uv_mutex_unlock(&server->lock);
}

struct cv_access_answer admit_access(const struct cv_credentials *credentials,
                                     const uint8_t *digest, const char *subject, const char *key)
{
    struct cv_access_answer answer = {.why = CV_ACCESS_OK};
    size_t len = strlen(key);
    int rc = 0;

    if (digest)
        rc = cv_access_agent(&answer, credentials, digest, key, len, cv_wall_clock());
    else if (subject)
        rc = cv_access_agent_subject(&answer, credentials,
                                     (struct cv_span){subject, strlen(subject)}, key, len,
                                     cv_wall_clock());
    if (rc < 0)
        answer.credential = NULL;
    return answer;
}
