#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "config/values.h"

/* Values about publications: what an agent asks for, what a server lets be published, and where. */

static int refuse(struct cv_taking *taking, const char *problem)
{
    taking->problem = problem;
    return CV_ESYNTAX;
}

static int add_publication(struct cv_taking *taking, struct cv_publications *publications,
                           const struct cv_publication_rule *rule)
{
    struct cv_publication_rule *grown =
        cv_arena_push(taking->arena, publications->at, &publications->count, sizeof(*rule));

    if (!grown)
        return -ENOMEM;
    publications->at = grown;
    grown[publications->count - 1] = *rule;
    return 0;
}

int cv_take_publication(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_publications *publications = at;
    struct cv_publication_rule rule = {.text = value};
    struct cv_span text = {value, strlen(value)};
    int rc = cv_publication_parse(&rule.asked, text, &taking->problem);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < publications->count; i++)
        if (cv_publication_same(&publications->at[i].asked, &rule.asked))
            return refuse(taking, "this is published already");
    if (publications->count == CV_PUBLISH_MAX)
        return refuse(taking, "an agent publishes at most 16 things");
    /* what is published may be dialled, and nothing else becomes so */
    rc = cv_take_allow(taking, &publications->targets, rule.asked.address.at);
    return rc < 0 ? rc : add_publication(taking, publications, &rule);
}

int cv_take_publish(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_publish_patterns *patterns = at;
    struct cv_publish pattern, *grown;
    struct cv_span text = {value, strlen(value)};
    int rc = cv_publish_parse(&pattern, text, &taking->problem);

    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, patterns->at, &patterns->count, sizeof(pattern));
    if (!grown)
        return -ENOMEM;
    patterns->at = grown;
    grown[patterns->count - 1] = pattern;
    return 0;
}

int cv_take_publish_address(struct cv_taking *taking, void *at, const char *value)
{
    size_t len = strlen(value);
    bool bracketed = len > 2 && value[0] == '[' && value[len - 1] == ']';
    struct cv_ip address;
    struct cv_text text;
    char host[64];

    if (strcmp(value, "*") == 0) {
        *(const char **)at = "";
        return 0;
    }
    if (!cv_ip_parse(&address, value + bracketed, len - 2 * bracketed) ||
        (bracketed && address.family != 6))
        return refuse(taking, "not an address such as 127.0.0.1, ::1 or 0.0.0.0, nor *");
    cv_text_init(&text, host, sizeof(host));
    cv_text_str(&text, address.family == 6 ? "[" : "");
    cv_text_bytes(&text, value + bracketed, len - 2 * bracketed);
    cv_text_str(&text, address.family == 6 ? "]" : "");
    *(const char **)at = cv_arena_copy(taking->arena, host, text.len);
    return *(const char **)at ? 0 : -ENOMEM;
}
