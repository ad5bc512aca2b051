#include "access/balance.h"

#include <string.h>

static bool says_more(const struct cv_key_pattern *a, const struct cv_key_pattern *b)
{
    return a->exact || (!b->exact && a->start.len > b->start.len);
}

enum cv_balance cv_balance_of(const struct cv_balance_rule *rules, size_t count, const char *key)
{
    const struct cv_balance_rule *best = NULL;
    size_t len = count ? strlen(key) : 0;

    for (size_t i = 0; i < count; i++)
        if (cv_key_pattern_match(&rules[i].client, key, len) &&
            (!best || says_more(&rules[i].client, &best->client)))
            best = &rules[i];
    return best ? best->balance : CV_BALANCE_NEWEST;
}
