#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/ip.h"
#include "access/target.h"
#include "base/text.h"
#include "http/admin_core.h"
#include "http/dashboard.h"
#include "net/digest.h"

#define API "/api/v1/"

static const char *const list_names[CV_ADMIN_LIST_COUNT] = {
#define X(name, word) #word,
    CV_ADMIN_LISTS(X)
#undef X
};

/* Answers. */

static void say(struct cv_admin *admin, uint64_t id, unsigned status, const char *type,
                const char *text)
{
    cv_site_answer(admin->site, id,
                   &(struct cv_site_answer){
                       .status = status, .type = type, .body = text, .len = strlen(text)});
}

static void refuse(struct cv_admin *admin, uint64_t id, unsigned status, const char *problem)
{
    char text[200];

    snprintf(text, sizeof(text), "{\"error\":\"%s\"}\n", problem);
    say(admin, id, status, "application/json", text);
}

static void not_allowed(struct cv_admin *admin, uint64_t id, const char *allow)
{
    static const char text[] = "{\"error\":\"not by this method\"}\n";

    cv_site_answer(admin->site, id,
                   &(struct cv_site_answer){.status = 405,
                                            .type = "application/json",
                                            .allow = allow,
                                            .body = text,
                                            .len = sizeof(text) - 1});
}

void cv_admin_answer(struct cv_admin *admin, uint64_t id, enum cv_admin_list list, const char *text,
                     size_t len)
{
    const char *type =
        list == CV_ADMIN_METRICS ? "text/plain; version=0.0.4; charset=utf-8" : "application/json";

    cv_site_answer(admin->site, id,
                   &(struct cv_site_answer){.status = 200, .type = type, .body = text, .len = len});
}

void cv_admin_done(struct cv_admin *admin, uint64_t id, unsigned found)
{
    char text[64];

    if (found == 0) {
        refuse(admin, id, 404, "there is none");
        return;
    }
    snprintf(text, sizeof(text), "{\"ended\":%u}\n", found);
    say(admin, id, 200, "application/json", text);
}

/* Who may come in. */

static bool is_read(const struct cv_site_request *request)
{
    return strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
}

/* Whether `HOST[:PORT]` names this machine's loopback. */
static bool names_loopback(const char *text)
{
    struct cv_span host, port;
    const char *problem;
    struct cv_ip ip;
    bool bracketed;
    char with_port[CV_SITE_HEADER_MAX + 4];
    const char *end = text[0] == '[' ? strchr(text, ']') : text;

    snprintf(with_port, sizeof(with_port), "%s%s", text, end && strchr(end, ':') ? "" : ":1");
    if (cv_host_split(&host, &port, &bracketed, (struct cv_span){with_port, strlen(with_port)},
                      &problem) < 0)
        return false;
    if (host.len == 9 && memcmp(host.at, "localhost", 9) == 0)
        return true;
    return cv_ip_parse(&ip, host.at, host.len) && cv_ip_is_loopback(&ip);
}

bool cv_admin_is_local(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 || names_loopback(address);
}

static bool is_own_origin(const struct cv_site_request *request)
{
    const char *origin = request->origin;

    if (strncmp(origin, "http://", 7) == 0)
        origin += 7;
    else if (strncmp(origin, "https://", 8) == 0)
        origin += 8;
    else
        return false;
    return strcmp(origin, request->host) == 0;
}

bool cv_admin_knows(const struct cv_admin *admin, const uint8_t digest[CV_TOKEN_DIGEST])
{
    const struct cv_credentials *credentials = admin->config.credentials(admin->config.ctx);
    struct cv_access_answer answer;

    return !credentials || cv_access_admin(&answer, credentials, digest, cv_wall_clock()) == 0;
}

static bool has_token(const struct cv_admin *admin, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    uint8_t digest[CV_TOKEN_DIGEST];
    const char *token = authorization + sizeof(scheme) - 1;

    return strncmp(authorization, scheme, sizeof(scheme) - 1) == 0 &&
           cv_sha256(digest, token, strlen(token)) == 0 && cv_admin_knows(admin, digest);
}

const char *cv_admin_objection(const struct cv_admin *admin, const struct cv_site_request *request)
{
    if (request->origin[0] && !is_own_origin(request))
        return "a page of another site may not ask this";
    if (!admin->config.credentials(admin->config.ctx) && !request->is_unix &&
        !names_loopback(request->host))
        return "the Host is not this machine's loopback";
    return NULL;
}

static void turn_away(struct cv_admin *admin, uint64_t id, unsigned status, const char *problem)
{
    admin->config.ops->refused(admin->config.ctx);
    refuse(admin, id, status, problem);
}

/* Whether the request may go on; else it is answered. */
static bool may_enter(struct cv_admin *admin, uint64_t id, const struct cv_site_request *request)
{
    const char *objection = cv_admin_objection(admin, request);
    struct cv_site_answer page;

    if (objection) {
        turn_away(admin, id, 403, objection);
        return false;
    }
    if (is_read(request) && cv_dashboard_answer(&page, request->path, request->encodings)) {
        cv_site_answer(admin->site, id, &page);
        return false;
    }
    if (!admin->config.credentials(admin->config.ctx) || has_token(admin, request->authorization))
        return true;
    turn_away(admin, id, 401, "an admin token is needed: Authorization: Bearer TOKEN");
    return false;
}

/* What is asked for. */

static void read_only(struct cv_admin *admin, uint64_t id, const struct cv_site_request *request,
                      enum cv_admin_list list)
{
    if (is_read(request))
        admin->config.ops->list(admin->config.ctx, id, list);
    else
        not_allowed(admin, id, "GET, HEAD");
}

static void end_conn(struct cv_admin *admin, uint64_t id, const char *number)
{
    int64_t conn;

    if (cv_text_to_i64(number, strlen(number), &conn) && conn > 0)
        admin->config.ops->cut(admin->config.ctx, id, (uint64_t)conn);
    else
        refuse(admin, id, 404, "no such connection");
}

static void drain(struct cv_admin *admin, uint64_t id, const struct cv_site_request *request)
{
    if (strcmp(request->method, "POST") != 0) {
        not_allowed(admin, id, "POST");
        return;
    }
    say(admin, id, 202, "application/json", "{\"draining\":true}\n");
    admin->config.ops->drain(admin->config.ctx);
}

/* `clients/KEY` and `conns/ID`. */
static bool delete_one(struct cv_admin *admin, uint64_t id, const struct cv_site_request *request,
                       const char *rest)
{
    bool client = strncmp(rest, "clients/", 8) == 0 && rest[8];
    bool conn = strncmp(rest, "conns/", 6) == 0 && rest[6];

    if (!client && !conn)
        return false;
    if (strcmp(request->method, "DELETE") != 0)
        not_allowed(admin, id, "DELETE");
    else if (client)
        admin->config.ops->kick(admin->config.ctx, id, rest + 8);
    else
        end_conn(admin, id, rest + 6);
    return true;
}

static void call(struct cv_admin *admin, uint64_t id, const struct cv_site_request *request,
                 const char *rest)
{
    for (int i = 0; i < CV_ADMIN_LIST_COUNT; i++) {
        if (strcmp(rest, list_names[i]) == 0) {
            read_only(admin, id, request, (enum cv_admin_list)i);
            return;
        }
    }
    if (strcmp(rest, "drain") == 0)
        drain(admin, id, request);
    else if (strcmp(rest, "live") == 0)
        refuse(admin, id, 426, "this is a WebSocket");
    else if (!delete_one(admin, id, request, rest))
        refuse(admin, id, 404, "no such path");
}

/* Probes of supervisors ask without a token: they learn one word. */
static bool probe(struct cv_admin *admin, uint64_t id, const struct cv_site_request *request)
{
    const char *why = "";
    unsigned status;

    if (strcmp(request->path, "/healthz") == 0) {
        say(admin, id, 200, "text/plain", "ok\n");
        return true;
    }
    if (strcmp(request->path, "/readyz") != 0)
        return false;
    status = admin->config.ops->ready(admin->config.ctx, &why) ? 200 : 503;
    say(admin, id, status, "text/plain", why);
    return true;
}

static void on_request(void *ctx, uint64_t id, const struct cv_site_request *request)
{
    struct cv_admin *admin = ctx;

    if (request->has_body) {
        refuse(admin, id, 413, "no request here has a body");
        return;
    }
    if (is_read(request) && probe(admin, id, request))
        return;
    if (!may_enter(admin, id, request))
        return;
    if (strcmp(request->path, "/metrics") == 0)
        read_only(admin, id, request, CV_ADMIN_METRICS);
    else if (strncmp(request->path, API, sizeof(API) - 1) == 0)
        call(admin, id, request, request->path + sizeof(API) - 1);
    else
        refuse(admin, id, 404, "no such path");
}

int cv_admin_new(struct cv_admin **out, const struct cv_admin_config *config)
{
    struct cv_admin *admin = calloc(1, sizeof(*admin));
    int rc;

    if (!admin)
        return -ENOMEM;
    admin->config = *config;
    rc = cv_site_new(&admin->site, config->loop, on_request, &cv_admin_talks, admin);
    if (rc < 0) {
        free(admin);
        return rc;
    }
    *out = admin;
    return 0;
}

struct cv_site *cv_admin_site(struct cv_admin *admin)
{
    return admin->site;
}

void cv_admin_free(struct cv_admin *admin)
{
    if (!admin)
        return;
    cv_site_free(admin->site);
    free(admin);
}
