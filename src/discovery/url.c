#include "discovery/url.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const struct scheme {
    const char *prefix;
    bool websocket, tls;
    uint16_t port;
} schemes[] = {
    {"http://", false, false, 80},
    {"https://", false, true, 443},
    {"ws://", true, false, 80},
    {"wss://", true, true, 443},
};

static bool starts_with(struct cv_ssdp_slice text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && cv_ssdp_same_word((struct cv_ssdp_slice){text.at, len}, prefix);
}

static struct cv_ssdp_slice cut_front(struct cv_ssdp_slice text, size_t len)
{
    return (struct cv_ssdp_slice){text.at + len, text.len - len};
}

/* How many bytes at the start of @text are in @set. */
static size_t span_of(struct cv_ssdp_slice text, const char *set)
{
    size_t len = 0;

    while (len < text.len && strchr(set, text.at[len]))
        len++;
    return len;
}

static bool take_host(struct cv_ssdp_url *out, struct cv_ssdp_slice *rest)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char v6[] = "0123456789abcdefABCDEF:.";

    out->bracketed = rest->len && rest->at[0] == '[';
    *rest = cut_front(*rest, out->bracketed);
    out->host = (struct cv_ssdp_slice){rest->at, span_of(*rest, out->bracketed ? v6 : name)};
    *rest = cut_front(*rest, out->host.len);
    if (out->bracketed) {
        if (rest->len == 0 || rest->at[0] != ']')
            return false;
        *rest = cut_front(*rest, 1);
    }
    return out->host.len > 0 && out->host.len <= 253;
}

static bool take_port(struct cv_ssdp_url *out, struct cv_ssdp_slice *rest)
{
    int64_t port;
    size_t digits;

    if (rest->len == 0 || rest->at[0] != ':')
        return true;
    *rest = cut_front(*rest, 1);
    digits = span_of(*rest, "0123456789");
    if (!cv_text_to_i64(rest->at, digits, &port) || port < 1 || port > UINT16_MAX)
        return false;
    out->port = (uint16_t)port;
    *rest = cut_front(*rest, digits);
    return true;
}

static bool path_good(struct cv_ssdp_slice path)
{
    if (path.len && path.at[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (path.at[i] < 0x21 || path.at[i] > 0x7e || strchr("\"<>#\\^`{|}", path.at[i]))
            return false;
    return true;
}

static int parse(struct cv_ssdp_url *out, const char *text, size_t len, bool websocket)
{
    struct cv_ssdp_slice rest = {text, len};

    *out = (struct cv_ssdp_url){.websocket = websocket};
    if (len > CV_SSDP_URL_MAX || (len && memchr(text, '\0', len)))
        return CV_ESYNTAX;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const struct scheme *scheme = &schemes[i];

        if (scheme->websocket != websocket || !starts_with(rest, scheme->prefix))
            continue;
        out->tls = scheme->tls;
        out->port = scheme->port;
        rest = cut_front(rest, strlen(scheme->prefix));
        if (!take_host(out, &rest) || !take_port(out, &rest) || !path_good(rest))
            return CV_ESYNTAX;
        out->path = rest;
        return 0;
    }
    return CV_ESYNTAX;
}

int cv_ssdp_url_parse(struct cv_ssdp_url *out, const char *text, size_t len)
{
    return parse(out, text, len, false);
}

int cv_ssdp_ws_parse(struct cv_ssdp_url *out, const char *text, size_t len)
{
    return parse(out, text, len, true);
}
