#include "config/suffix.h"

#include <string.h>

#include "base/error.h"

static const char proxy_protocol[] = "proxy-protocol", send_proxy[] = "send-proxy";

bool cv_suffix_known(const char *name)
{
    return strcmp(name, proxy_protocol) == 0 || strcmp(name, send_proxy) == 0;
}

static const char *read_switch(bool *out, const char *value)
{
    *out = !value || strcmp(value, "true") == 0;
    return *out || strcmp(value, "false") == 0 ? NULL : "proxy-protocol is true or false";
}

static const char *read_version(unsigned *out, const char *value)
{
    *out = value && strcmp(value, "v1") == 0 ? 1 : value && strcmp(value, "v2") == 0 ? 2 : 0;
    return *out ? NULL : "send-proxy is v1 or v2";
}

int cv_suffixes_take(struct cv_suffixes *out, struct cv_taking *taking, char *value)
{
    bool met_protocol = false, met_version = false;
    char *comma;

    *out = (struct cv_suffixes){.send_proxy = 0};
    while (!taking->problem && (comma = strrchr(value, ','))) {
        char *sign = strchr(comma, '=');
        size_t len = sign ? (size_t)(sign - comma - 1) : strlen(comma + 1);
        bool *met;

        if (sign && strchr(sign, '/'))
            return 0; /* `LISTEN,proxy-protocol=CLIENT/TARGET`: the sign is the value's own */
        if (len == sizeof(proxy_protocol) - 1 && memcmp(comma + 1, proxy_protocol, len) == 0)
            met = &met_protocol;
        else if (len == sizeof(send_proxy) - 1 && memcmp(comma + 1, send_proxy, len) == 0)
            met = &met_version;
        else
            return 0; /* the comma is the value's own: a unix socket's path may hold some */
        if (*met)
            taking->problem = "the same stands behind it twice";
        else if (met == &met_protocol)
            taking->problem = read_switch(&out->proxy_protocol, sign ? sign + 1 : NULL);
        else
            taking->problem = read_version(&out->send_proxy, sign ? sign + 1 : NULL);
        *met = true;
        *comma = '\0';
    }
    return taking->problem ? CV_ESYNTAX : 0;
}
