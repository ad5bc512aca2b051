#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "config/values.h"

static int refuse(struct cv_taking *taking, const char *problem)
{
    taking->problem = problem;
    return CV_ESYNTAX;
}

static bool same(const struct cv_key_pattern *a, const struct cv_key_pattern *b)
{
    return a->exact == b->exact && a->start.len == b->start.len &&
           memcmp(a->start.at, b->start.at, a->start.len) == 0;
}

int cv_take_balance(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_balance_rules *rules = at;
    struct cv_balance_rule rule, *grown;
    const char *sign = strrchr(value, '='); /* a key may hold some */

    if (cv_key_pattern_parse(&rule.client, sign ? value : "*", sign ? (size_t)(sign - value) : 1) <
        0)
        return refuse(taking, "in front of the sign stands neither a client key nor a start of one "
                              "and *");
    if (cv_balance_read(&rule.balance, sign ? sign + 1 : value) < 0)
        return refuse(taking, "not newest, round-robin or least-conns");
    for (size_t i = 0; i < rules->count; i++)
        if (same(&rules->at[i].client, &rule.client))
            return refuse(taking, "it is said already how these clients are balanced");
    if (rules->count == CV_BALANCE_RULES_MAX)
        return refuse(taking, "there are at most 1000 of these");
    grown = cv_arena_push(taking->arena, rules->at, &rules->count, sizeof(rule));
    if (!grown)
        return -ENOMEM;
    rules->at = grown;
    grown[rules->count - 1] = rule;
    return 0;
}
