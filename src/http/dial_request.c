#include "http/dial_request.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "manager/manager.h"

const char *cv_dial_request_read(struct cv_dial_request *out, const struct cv_session_event *event)
{
    size_t key_len, proto_len;
    const char *proto, *problem = "too long";
    struct cv_span left;
    int len;

    if (!cv_manager_split(event->text, event->text_len, &key_len, &proto, &proto_len))
        return "a dial here says CLIENT::PROTO";
    if (!cv_key_valid(event->text, key_len))
        return cv_error_text(CV_EBADKEY);
    memcpy(out->client, event->text, key_len);
    out->client[key_len] = '\0';
    len = snprintf(out->target, sizeof(out->target), "%.*s/%.*s", (int)proto_len, proto,
                   (int)event->address_len, event->address);
    if (len < 0 || (size_t)len >= sizeof(out->target) ||
        strlen(out->target) != proto_len + 1 + event->address_len)
        return problem;
    left = (struct cv_span){out->target, (size_t)len};
    if (cv_target_parse(&out->parsed, out->target, left.len, &problem) < 0)
        return problem;
    out->proto = cv_proto_take(&left);
    out->address = out->target + (left.at - out->target);
    return NULL;
}
