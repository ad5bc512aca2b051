#include "embed/target.h"

#include <string.h>

#include "base/error.h"

int cv_dial_target_read(struct cv_dial_target *out, const char *text)
{
    const char *slash = strchr(text, '/'), *problem;
    struct cv_target parsed;
    struct cv_span left;
    size_t len;

    if (!slash)
        return CV_ESYNTAX;
    len = (size_t)(slash - text);
    if (!cv_key_valid(text, len))
        return CV_EBADKEY;
    left = (struct cv_span){slash + 1, strlen(slash + 1)};
    if (cv_target_parse(&parsed, left.at, left.len, &problem) < 0 || parsed.proto == CV_PROTO_UDP)
        return CV_ESYNTAX;
    memcpy(out->client, text, len);
    out->client[len] = '\0';
    out->proto = cv_proto_take(&left);
    out->address = left.at;
    return 0;
}
