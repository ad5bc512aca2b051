#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "net/linger.h"
#include "net/log.h"
#include "visit_parts.h"

/* What the other end said, and what the relay saw; NULL: there was none. */
struct told {
    const char *said;
    size_t len;
    const struct cv_relay_end *end;
};

/* One line a visit, whatever became of it: who, where it came in, through which agent, to what, how
 * long, how much, and why it ended. What the other end said comes last, in quotes: it may say
 * anything. */
static void audit(const struct visit *visit, enum cv_log_level level, const char *reason,
                  const char *outcome, const struct told *told)
{
    struct cv_log_about about = *VISIT_ABOUT(visit);
    const struct cv_relay_end *end = told->end;
    uint64_t took = (cv_loop_now(&visit->worker->loop) - visit->since) / CV_MSEC;

    about.reason = reason;
    cv_log_about(
        &visit->worker->loop.log, level, &about,
        "%s: visitor %s%s%s to %s/%s/%s: %s after %llu.%03llu s, %llu bytes to the visitor, %llu "
        "from it%s%.*s%s",
        visit->door, visit->peer, visit->who[0] ? " as " : "", visit->who, visit->client,
        cv_proto_name(visit->proto), visit->address, outcome, (unsigned long long)took / 1000,
        (unsigned long long)took % 1000, (unsigned long long)(end ? end->bytes_in : 0),
        (unsigned long long)(end ? end->bytes_out : 0), told->len ? ": \"" : "", (int)told->len,
        told->len ? told->said : "", told->len ? "\"" : "");
}

void visit_log_end(const struct visit *visit, enum cv_reason reason, const char *text, size_t len,
                   const struct cv_relay_end *end)
{
    const char *why = cv_reason_text(reason);
    bool repeats = len == strlen(why) && memcmp(text, why, len) == 0;
    char outcome[120];

    snprintf(outcome, sizeof(outcome), "%s,", why);
    audit(visit, CV_LOG_INFO, cv_reason_name(reason), outcome,
          &(struct told){text, repeats ? 0 : len, end});
}

ssize_t visit_answer(struct visit *visit, enum cv_failure failure, const char *text)
{
    struct visit_outcome outcome = {.failure = failure, .text = text, .acked = visit->acked};
    char out[VISIT_ANSWER_MAX];
    size_t len;
    ssize_t n;

    if (!visit->way->answer)
        return 0;
    len = visit->way->answer(visit->ctx, &outcome, out);
    if (len == 0)
        return 0;
    n = cv_stream_send(visit->stream, out, len);
    return n >= 0 && (size_t)n < len ? -ENOBUFS : n;
}

void visit_close_failed(struct visit *visit, enum cv_failure failure, const char *text)
{
    struct cv_loop *loop = &visit->worker->loop;

    if (!visit->stream && visit_open_stream(visit) < 0) {
        close(visit->fd);
        return;
    }
    cv_stream_owner(visit->stream, NULL, NULL);
    if (visit_answer(visit, failure, text) > 0) {
        cv_linger(loop, visit->stream);
        return;
    }
    cv_stream_reset(visit->stream);
    cv_stream_close(visit->stream);
}

static enum cv_failure failure_of(int problem)
{
    switch (problem) {
    case CV_ENOSESSION:
        return CV_FAILURE_NO_CLIENT;
    case CV_EDENIED:
        return CV_FAILURE_DENIED;
    case CV_EFULL:
        return CV_FAILURE_FULL;
    case CV_EQUOTA:
        return CV_FAILURE_QUOTA;
    case CV_ECLOSED:
        return CV_FAILURE_SESSION;
    case CV_EAWAY:
        return CV_FAILURE_AWAY;
    case CV_ENOPEER:
        return CV_FAILURE_NO_PEER;
    default:
        return CV_FAILURE_OTHER;
    }
}

void visit_count_refused(struct worker *worker, int problem)
{
    worker->counts.failed[failure_of(problem)]++;
}

void visit_turn_away(struct visit *visit)
{
    enum cv_failure failure = failure_of(visit->problem);
    const char *text =
        failure == CV_FAILURE_SESSION ? cv_failure_text(failure) : cv_strerror(visit->problem);
    char outcome[120];

    snprintf(outcome, sizeof(outcome), "turned away: %s,", text);
    /* what an agent was asked for is the record */
    if (visit->session ||
        cv_cause_admits(&visit->worker->loop, CV_CAUSE_TURNED_AWAY, visit->client))
        audit(visit, CV_LOG_WARN, cv_failure_name(failure), outcome, &(struct told){.end = NULL});
    visit_count_refused(visit->worker, visit->problem);
    visit_close_failed(visit, failure, text);
}
