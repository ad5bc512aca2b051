#include "http/features.h"

#include <string.h>

#include "base/text.h"
#include "session/session.h"

static const struct {
    unsigned bit;
    const char *name;
} features[] = {
    {CV_FEATURE_ACK, "ack"},     {CV_FEATURE_HALFCLOSE, "halfclose"}, {CV_FEATURE_CREDIT, "credit"},
    {CV_FEATURE_DGRAM, "dgram"}, {CV_FEATURE_PUBLISH, "publish"},
};

#define VERSION_BYTES "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.+-"

#define FEATURE_COUNT (sizeof(features) / sizeof(features[0]))

unsigned cv_features_ours(void)
{
    unsigned all = 0;

    for (size_t i = 0; i < FEATURE_COUNT; i++)
        all |= features[i].bit;
    return all;
}

unsigned cv_features_read(const struct cv_http_head *head, bool *culvert)
{
    unsigned shared = 0;

    *culvert = cv_http_find(head, CV_FEATURES_HEADER) != NULL;
    for (size_t i = 0; i < FEATURE_COUNT; i++)
        if (cv_http_has_token(head, CV_FEATURES_HEADER, features[i].name))
            shared |= features[i].bit;
    return shared;
}

void cv_features_write(char *out, unsigned shared)
{
    struct cv_text text;

    cv_text_init(&text, out, CV_FEATURES_TEXT_MAX);
    for (size_t i = 0; i < FEATURE_COUNT; i++) {
        if (!(shared & features[i].bit))
            continue;
        if (text.len)
            cv_text_str(&text, ", ");
        cv_text_str(&text, features[i].name);
    }
}

void cv_features_version(char out[CV_AGENT_VERSION_MAX + 1], const struct cv_http_head *head)
{
    static const char product[] = CV_AGENT_PRODUCT;
    const struct cv_slice *agent = cv_http_find(head, "User-Agent");
    size_t skip = sizeof(product) - 1, len = 0;

    if (agent && agent->len >= skip && memcmp(agent->at, product, skip) == 0)
        while (len < CV_AGENT_VERSION_MAX && skip + len < agent->len &&
               strchr(VERSION_BYTES, agent->at[skip + len])) {
            out[len] = agent->at[skip + len];
            len++;
        }
    out[len] = '\0';
}
