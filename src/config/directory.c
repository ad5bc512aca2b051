#include "config/directory.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "config/file.h"

static int refuse(struct cv_taking *taking, const char *problem)
{
    taking->problem = problem;
    return CV_ESYNTAX;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* `/DB` behind the host, or nothing. */
static bool read_database(uint64_t *out, const char *text)
{
    int64_t number = 0;

    if (text[0] == '\0' || strcmp(text, "/") == 0)
        return true;
    if (text[0] != '/' || !cv_text_to_i64(text + 1, strlen(text + 1), &number) ||
        number > CV_REDIS_DATABASE_MAX)
        return false;
    *out = (uint64_t)number;
    return true;
}

/* `HOST`, `HOST:PORT` or `[v6]:PORT`. */
static int read_authority(struct cv_taking *taking, struct cv_redis_url *out, struct cv_span text)
{
    static const char problem[] = "the URL has no valid HOST or HOST:PORT";
    struct cv_span host = text, port = {NULL, 0};
    bool bracketed = text.len >= 2 && text.at[0] == '[' && text.at[text.len - 1] == ']';
    struct cv_ip address;

    out->port = CV_REDIS_PORT;
    if (bracketed) {
        host = (struct cv_span){text.at + 1, text.len - 2};
    } else if (cv_span_last(text, ':')) {
        if (cv_host_split(&host, &port, &bracketed, text, &taking->problem) < 0 ||
            !cv_port_parse(&out->port, port, 1))
            return refuse(taking, problem);
    }
    if (bracketed ? !cv_ip_parse(&address, host.at, host.len) : !cv_name_valid(host))
        return refuse(taking, problem);
    out->host = cv_arena_copy(taking->arena, host.at, host.len);
    return out->host ? 0 : -ENOMEM;
}

int cv_take_redis_url(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_redis_url *out = at;
    const char *rest;
    size_t len;

    taking->hide = strchr(value, '@') != NULL;
    *out = (struct cv_redis_url){.text = value};
    if (starts_with(value, "unix:")) {
        out->path = value + strlen("unix:");
        len = strlen(out->path);
        return len > 0 && len <= CV_UNIX_PATH_MAX
                   ? 0
                   : refuse(taking, "the path of a socket has 1 to 107 bytes");
    }
    if (taking->hide)
        return refuse(taking, "no user or password in a URL: see --directory-credentials-file");
    out->tls = starts_with(value, "rediss://");
    if (!out->tls && !starts_with(value, "redis://"))
        return refuse(taking, "not a URL such as redis://HOST:PORT, rediss://HOST or unix:PATH");
    rest = strstr(value, "://") + 3;
    len = strcspn(rest, "/");
    if (!read_database(&out->database, rest + len))
        return refuse(taking, "behind the host there may only be a database, /0 to /15");
    return read_authority(taking, out, (struct cv_span){rest, len});
}

int cv_directory_options_check(const struct cv_directory_options *options,
                               const struct cv_common_config *common, const char *id,
                               struct cv_config_error *error)
{
    const struct {
        const char *name;
        bool given;
    } others[] = {{"directory-url", options->url.count > 0},
                  {"directory-credentials-file", options->credentials_file != NULL},
                  {"directory-ca", options->ca != NULL},
                  {"directory-peer-token-file", options->peer_token_file != NULL}};

    for (size_t i = 0; !options->redis.text && i < sizeof(others) / sizeof(others[0]); i++)
        if (others[i].given)
            return cv_options_refuse(common, others[i].name, "needs --directory besides", NULL,
                                     error);
    if (!options->redis.text)
        return 0;
    if (!id)
        return cv_options_refuse(common, "directory", "needs --peer-id besides", NULL, error);
    if (options->url.count != 1)
        return cv_options_refuse(common, "directory", "needs one --directory-url besides", NULL,
                                 error);
    if (!options->peer_token_file)
        return cv_options_refuse(common, "directory", "needs --directory-peer-token-file besides",
                                 NULL, error);
    if (options->ca && !options->redis.tls)
        return cv_options_refuse(common, "directory-ca", "is for rediss://", NULL, error);
    return 0;
}

int cv_directory_options_load(struct cv_directory_options *options, struct cv_common_config *common,
                              struct cv_config_error *error)
{
    const char *program = common->program->name, *line = NULL, *colon;
    int rc;

    if (!options->redis.text)
        return 0;
    rc = cv_token_load(&options->peer_token, &common->arena, program, options->peer_token_file,
                       error);
    if (rc < 0 || !options->credentials_file)
        return rc;
    rc = cv_proxy_auth_load(&line, &common->arena, program, options->credentials_file, error);
    if (rc < 0)
        return rc;
    colon = strchr(line, ':');
    options->user = cv_arena_copy(&common->arena, line, (size_t)(colon - line));
    options->password = colon + 1;
    return options->user ? 0 : cv_config_error_memory(error, program);
}
