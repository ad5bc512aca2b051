#include "discovery/answers.h"

#include <string.h>

static struct cv_answer *find(struct cv_answers *answers, const struct cv_answer *search)
{
    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++) {
        struct cv_answer *answer = &answers->at[i];

        if (answer->used && answer->link == search->link &&
            cv_peer_same(&answer->peer, &search->peer) &&
            strcmp(answer->wanted, search->wanted) == 0)
            return answer;
    }
    return NULL;
}

static struct cv_answer *find_free(struct cv_answers *answers)
{
    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++)
        if (!answers->at[i].used)
            return &answers->at[i];
    return NULL;
}

static void forget(struct cv_answers *answers, uint64_t now)
{
    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++)
        if (answers->at[i].used && !answers->at[i].left && answers->at[i].until <= now)
            answers->at[i].used = false;
}

static unsigned count_bits(unsigned bits)
{
    unsigned count = 0;

    for (; bits; bits &= bits - 1)
        count++;
    return count;
}

enum cv_answers_took cv_answers_take(struct cv_answers *answers, struct cv_ssdp_limit *limit,
                                     const struct cv_answer *search, uint64_t window,
                                     const struct cv_random *random, uint64_t now)
{
    uint64_t most = window > CV_SSDP_MX_MARGIN ? window - CV_SSDP_MX_MARGIN : window;
    struct cv_answer *answer;

    forget(answers, now);
    if (find(answers, search))
        return CV_ANSWERS_MERGED;
    answer = find_free(answers);
    if (!answer || !cv_ssdp_limit_take(limit, &search->peer, count_bits(search->left), now))
        return CV_ANSWERS_LIMITED;
    *answer = *search;
    answer->used = true;
    answer->until = now + window;
    for (size_t i = 0; i < CV_SSDP_TARGETS_MAX; i++)
        answer->due[i] = now + cv_random_below(random, most);
    return CV_ANSWERS_TAKEN;
}

const struct cv_answer *cv_answers_next(struct cv_answers *answers, size_t *index, uint64_t now)
{
    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++) {
        struct cv_answer *answer = &answers->at[i];

        for (size_t t = 0; answer->used && t < CV_SSDP_TARGETS_MAX; t++) {
            if (!(answer->left & 1U << t) || answer->due[t] > now)
                continue;
            answer->left &= ~(1U << t);
            *index = t;
            return answer;
        }
    }
    return NULL;
}

uint64_t cv_answers_deadline(const struct cv_answers *answers)
{
    uint64_t deadline = CV_NEVER;

    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++) {
        const struct cv_answer *answer = &answers->at[i];

        for (size_t t = 0; answer->used && t < CV_SSDP_TARGETS_MAX; t++)
            if (answer->left & 1U << t)
                deadline = cv_min_time(deadline, answer->due[t]);
    }
    return deadline;
}

void cv_answers_clear(struct cv_answers *answers)
{
    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++)
        answers->at[i].used = false;
}

void cv_answers_drop(struct cv_answers *answers, unsigned link)
{
    for (size_t i = 0; i < CV_SSDP_PENDING_MAX; i++)
        if (answers->at[i].link == link)
            answers->at[i].used = false;
}
