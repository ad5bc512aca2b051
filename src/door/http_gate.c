#include "door/http_gate.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

static const char prefix[] = "/client/";

bool cv_http_gate_is(struct cv_slice path)
{
    return path.len >= sizeof(prefix) - 1 && memcmp(path.at, prefix, sizeof(prefix) - 1) == 0;
}

static int refuse(struct cv_http_gate *out, const char *error)
{
    out->error = error;
    return CV_ESYNTAX;
}

/* Whether `name:port` or `[address]:port` has its port. */
static bool has_port(const char *host)
{
    const char *close = strchr(host, ']');

    return strchr(close ? close : host, ':') != NULL;
}

static int read_host(struct cv_http_gate *out, struct cv_slice segment)
{
    int len = cv_http_unescape(out->host, sizeof(out->host), segment);
    struct cv_text text;

    if (len <= 0)
        return refuse(out, "the host cannot be read: /client/ID/SCHEME/HOST[:PORT]/PATH");
    for (const char *at = out->host; *at; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("/?#@\\", *at))
            return refuse(out, "odd byte in the host");
    cv_text_init(&text, out->address, sizeof(out->address));
    cv_text_str(&text, out->host);
    if (!has_port(out->host))
        cv_text_str(&text, out->https ? ":443" : ":80");
    return 0;
}

int cv_http_gate_parse(struct cv_http_gate *out, struct cv_slice path)
{
    struct cv_slice segment;
    int len;

    *out = (struct cv_http_gate){.path = {"/", 1}};
    if (!cv_http_path_next(&path, &segment) || !cv_http_path_next(&path, &segment))
        return refuse(out, "no client");
    len = cv_http_unescape(out->client, sizeof(out->client), segment);
    if (len < 0 || !cv_key_valid(out->client, (size_t)len))
        return refuse(out, "not a client key");
    if (!cv_http_path_next(&path, &segment))
        return refuse(out, "no scheme: /client/ID/SCHEME/HOST[:PORT]/PATH");
    out->https = cv_slice_is(segment, "https");
    if (!out->https && !cv_slice_is(segment, "http"))
        return refuse(out, "the scheme is neither http nor https");
    if (!cv_http_path_next(&path, &segment))
        return refuse(out, "no host: /client/ID/SCHEME/HOST[:PORT]/PATH");
    if (path.len)
        out->path = path;
    return read_host(out, segment);
}

unsigned cv_http_gate_wait(struct cv_slice query)
{
    static const char name[] = "timeout=";
    const size_t name_len = sizeof(name) - 1;

    while (query.at && query.len) {
        const char *end = memchr(query.at, '&', query.len);
        size_t len = end ? (size_t)(end - query.at) : query.len;
        int64_t value;

        if (len > name_len && memcmp(query.at, name, name_len) == 0) {
            if (!cv_text_to_i64(query.at + name_len, len - name_len, &value) || value < 1)
                return CV_HTTP_GATE_WAIT;
            return value > CV_HTTP_GATE_WAIT_MAX ? CV_HTTP_GATE_WAIT_MAX : (unsigned)value;
        }
        query.at += len + (end != NULL);
        query.len -= len + (end != NULL);
    }
    return CV_HTTP_GATE_WAIT;
}
