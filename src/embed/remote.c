#include "embed/remote.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "config/arena.h"
#include "embed/options.h"
#include "http/reach.h"
#include "net/log.h"

#define HEADERS_MAX 31
#define BEARER      "Bearer "

bool cv_remote_keep(const char **out, struct cv_arena *arena, const char *text)
{
    *out = text ? cv_arena_copy(arena, text, strlen(text)) : NULL;
    return !text || *out;
}

/* Reads one field as the programs read the option of that name. */
static int take(cv_option_take *how, void *at, const char *field, const char *value,
                struct cv_arena *arena, const struct cv_log *log)
{
    struct cv_taking taking = {.arena = arena, .problem = "cannot be used"};
    const char *copy;
    int rc = cv_remote_keep(&copy, arena, value) ? how(&taking, at, copy) : -ENOMEM;

    if (rc == CV_ESYNTAX)
        cv_log(log, CV_LOG_ERROR, "%s: %s", field, taking.problem);
    return rc;
}

static int take_optional(cv_option_take *how, const char **at, const char *field, const char *value,
                         struct cv_arena *arena, const struct cv_log *log)
{
    return value ? take(how, (void *)at, field, value, arena, log) : 0;
}

static int read_files(struct cv_outward *out, struct cv_arena *arena, const struct cv_log *log,
                      const struct cv_remote *remote)
{
    if (!cv_remote_keep(&out->ca, arena, remote->ca_file) ||
        !cv_remote_keep(&out->cert, arena, remote->cert_file) ||
        !cv_remote_keep(&out->key, arena, remote->key_file) ||
        !cv_remote_keep(&out->proxy_auth, arena, remote->proxy_auth))
        return -ENOMEM;
    out->insecure = remote->insecure;
    if (!out->cert == !out->key)
        return 0;
    cv_log(log, CV_LOG_ERROR, "cert_file, key_file: one needs the other");
    return CV_ESYNTAX;
}

/* What the header Authorization says. */
static int read_token(const char **out, struct cv_arena *arena, const struct cv_log *log,
                      const char *token)
{
    size_t size = strlen(BEARER) + strlen(token) + 1;
    char *value = cv_arena_take(arena, size);
    const char *valid;
    int rc = value ? take(cv_take_token, (void *)&valid, "token", token, arena, log) : -ENOMEM;

    if (rc < 0)
        return rc;
    snprintf(value, size, BEARER "%s", valid);
    *out = value;
    return 0;
}

static int read_headers(struct cv_uplink_config *out, struct cv_arena *arena,
                        const struct cv_log *log, const struct cv_remote *remote)
{
    struct cv_headers read = {.count = 0};
    struct cv_ws_header *headers;
    int rc = 0;

    for (size_t i = 0; rc == 0 && remote->headers && remote->headers[i]; i++)
        rc = i < HEADERS_MAX
                 ? take(cv_take_header, &read, "headers", remote->headers[i], arena, log)
                 : CV_EFULL;
    if (rc < 0)
        return rc;
    headers = cv_arena_take(arena, (read.count + 1) * sizeof(*headers));
    if (!headers)
        return -ENOMEM;
    for (size_t i = 0; i < read.count; i++)
        headers[i] = (struct cv_ws_header){read.at[i].name, read.at[i].value};
    out->headers = headers;
    out->header_count = read.count;
    if (!remote->token)
        return 0;
    headers[out->header_count].name = "Authorization";
    return read_token(&headers[out->header_count++].value, arena, log, remote->token);
}

int cv_remote_read(struct cv_uplink_config *out, struct cv_arena *arena, const struct cv_log *log,
                   const struct cv_remote *theirs)
{
    struct cv_outward outward = {.token = NULL};
    struct cv_urls urls = {.count = 0};
    struct cv_remote remote;
    int rc = cv_options_copy(&remote, sizeof(remote), theirs,
                             CV_OPTIONS_LEAST(struct cv_remote, headers));

    if (rc == 0)
        rc = take(cv_take_url, &urls, "url", remote.url ? remote.url : "", arena, log);
    if (rc == 0)
        rc = read_files(&outward, arena, log, &remote);
    if (rc == 0)
        rc = take_optional(cv_take_name, &outward.tls_server_name, "server_name",
                           remote.server_name, arena, log);
    if (rc == 0)
        rc = take_optional(cv_take_proxy, &outward.proxy, "proxy", remote.proxy, arena, log);
    if (rc == 0)
        rc = read_headers(out, arena, log, &remote);
    if (rc < 0 || !urls.at)
        return rc;
    out->url = urls.at->text;
    out->target = urls.at->target;
    cv_reach_outbound(&out->outbound, &outward, urls.at);
    return 0;
}
