#include "admin.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/quote.h"
#include "base/text.h"
#include "command.h"

#define TOKEN_MAX 256
#define BODY_MAX  ((size_t)64 * 1024 * 1024)
#define WAIT_S    10L
#define WATCH_S   2
#define WATCH_MAX 3600

/* Options. */

static int bad(const char *problem, const char *word)
{
    char line[512];
    struct cv_text text;

    cv_text_init(&text, line, sizeof(line));
    cv_quote_str(&text, word);
    return command_fail(EXIT_USAGE, "%s: %s", problem, line);
}

static bool read_watch(struct admin_options *out, const char *value)
{
    int64_t seconds = WATCH_S;

    if (value &&
        (!cv_text_to_i64(value, strlen(value), &seconds) || seconds < 1 || seconds > WATCH_MAX))
        return false;
    out->watch = (unsigned)seconds;
    return true;
}

/* A flag with a value: at `--flag VALUE` or `--flag=VALUE`; NULL when it is another flag. */
static const char *value_of(const char *flag, int argc, char **argv, int *at)
{
    size_t len = strlen(flag);
    const char *word = argv[*at];

    if (!word || strncmp(word, flag, len) != 0)
        return NULL;
    if (word[len] == '=')
        return word + len + 1;
    if (word[len] != '\0')
        return NULL;
    if (*at + 1 == argc)
        return "";
    return argv[++*at];
}

static int read_word(struct admin_options *out, int argc, char **argv, int *at, const char *object)
{
    const char *word = argv[*at], *value;

    if ((value = value_of("--admin", argc, argv, at))) {
        out->url = value;
        return *value ? EXIT_OK : bad("a URL is needed after", word);
    }
    if ((value = value_of("--admin-token-file", argc, argv, at))) {
        out->token_file = value;
        return *value ? EXIT_OK : bad("a file is needed after", word);
    }
    if (strcmp(word, "--json") == 0)
        out->json = true;
    else if (strcmp(word, "--watch") == 0)
        read_watch(out, NULL);
    else if (strncmp(word, "--watch=", 8) == 0)
        return read_watch(out, word + 8) ? EXIT_OK : bad("no number of seconds up to 3600", word);
    else if (word[0] == '-')
        return bad("no such flag", word);
    else if (!object || out->object)
        return bad("too many words", word);
    else
        out->object = word;
    return EXIT_OK;
}

int admin_read_options(struct admin_options *out, int argc, char **argv, const char *object)
{
    const char *url = getenv("CULVERT_ADMIN");

    *out = (struct admin_options){.url = url && *url ? url : ADMIN_URL_DEFAULT};
    for (int i = 0; i < argc; i++) {
        int code = read_word(out, argc, argv, &i, object);

        if (code != EXIT_OK)
            return code;
    }
    if (object && !out->object)
        return command_fail(EXIT_USAGE, "which %s?", object);
    return EXIT_OK;
}

/* The request. */

struct body {
    char *text; /* owned */
    size_t len;
};

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct body *body = ctx;
    size_t len = size * count;
    char *grown = body->len + len <= BODY_MAX ? realloc(body->text, body->len + len + 1) : NULL;

    if (!grown)
        return 0;
    memcpy(grown + body->len, data, len);
    body->text = grown;
    body->len += len;
    body->text[body->len] = '\0';
    return len;
}

/* The token into @out: "" when there is none. Returns EXIT_OK, or complains. */
static int read_token(char out[TOKEN_MAX], const struct admin_options *options)
{
    const char *given = getenv("CULVERT_ADMIN_TOKEN");
    FILE *file;
    bool read;

    snprintf(out, TOKEN_MAX, "%s", given ? given : "");
    if (!options->token_file)
        return EXIT_OK;
    file = fopen(options->token_file, "re");
    read = file && fgets(out, TOKEN_MAX, file);
    if (file)
        fclose(file);
    out[strcspn(out, "\r\n")] = '\0';
    return read ? EXIT_OK : bad("no token can be read from", options->token_file);
}

static struct curl_slist *headers(const struct admin_options *options, int *code)
{
    char token[TOKEN_MAX], line[TOKEN_MAX + 32];
    struct curl_slist *list = NULL;

    *code = read_token(token, options);
    if (*code != EXIT_OK || !token[0])
        return NULL;
    snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
    list = curl_slist_append(NULL, line);
    if (!list)
        *code = command_fail(EXIT_RUN, "out of memory");
    return list;
}

static void set_up(CURL *curl, const struct admin_options *options, const char *method,
                   const char *path, struct body *body)
{
    bool is_unix = strncmp(options->url, "unix:", 5) == 0;
    char url[1024];

    snprintf(url, sizeof(url), "%s%s", is_unix ? "http://localhost" : options->url, path);
    if (is_unix)
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, options->url + 5);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, WAIT_S);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
}

/* What to do about a server that is not reached. */
static const char *advice(const struct admin_options *options, CURLcode rc)
{
    bool is_unix = strncmp(options->url, "unix:", 5) == 0;

    if (is_unix && access(options->url + 5, W_OK) < 0)
        return errno == EACCES ? "you may not open it: try sudo -u culvert"
                               : "there is no such socket: does the server run with --admin?";
    switch ((int)rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "--admin takes http://HOST:PORT or unix:PATH";
    case CURLE_OPERATION_TIMEDOUT:
        return "is it the address of --admin, and not a firewall's?";
    case CURLE_COULDNT_CONNECT:
        return "does the server run with --admin?";
    default:
        return "is that the address of the server's --admin?";
    }
}

/* What an answer that is no success says. */
static int complain(const struct admin_options *options, long status, const json_t *json,
                    bool has_token)
{
    const char *error = json_string_value(json_object_get(json, "error"));

    if (!error)
        return command_fail(EXIT_RUN,
                            "%s answers %ld, and not as an admin listener does (is that "
                            "the address of the server's --admin?)",
                            options->url, status);
    if (status == 401 && has_token)
        return command_fail(EXIT_RUN,
                            "%s does not take the token (is it that of a line `admin` "
                            "in the server's --admin-token-file?)",
                            options->url);
    return command_fail(EXIT_RUN, "%s answers %ld: %s%s", options->url, status, error,
                        status == 401 ? " (--admin-token-file FILE, or CULVERT_ADMIN_TOKEN)" : "");
}

/* What was asked, and how. */
struct call {
    struct body body; /* of the answer */
    bool has_token;
    bool may_miss; /* 404 is no complaint */
};

static int judge(struct admin_options *options, CURL *curl, const struct call *call, json_t **out)
{
    CURLcode rc = curl_easy_perform(curl);
    long status = 0;
    int code = EXIT_OK;
    json_t *json;

    if (rc != CURLE_OK)
        return command_fail(EXIT_RUN, "%s: %s (%s)", options->url, curl_easy_strerror(rc),
                            advice(options, rc));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    json =
        json_loads(call->body.text ? call->body.text : "", JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    options->missing = call->may_miss && json && status == 404;
    if (!json || status / 100 != 2) {
        code = options->missing ? EXIT_RUN : complain(options, status, json, call->has_token);
        json_decref(json);
        return code;
    }
    *out = json;
    return EXIT_OK;
}

int admin_ask(struct admin_options *options, const char *method, const char *path, json_t **out)
{
    struct call call = {.may_miss = options->missing};
    int code;
    struct curl_slist *list = headers(options, &code);
    CURL *curl = code == EXIT_OK ? curl_easy_init() : NULL;

    options->missing = false;
    call.has_token = list != NULL;
    if (curl) {
        set_up(curl, options, method, path, &call.body);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
        code = judge(options, curl, &call, out);
    } else if (code == EXIT_OK) {
        code = command_fail(EXIT_RUN, "out of memory");
    }
    curl_easy_cleanup(curl);
    curl_slist_free_all(list);
    free(call.body.text);
    return code;
}
