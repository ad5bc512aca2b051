#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/site_core.h"

/* libwebsockets 4.1 answers from LWS_CALLBACK_HTTP and LWS_CALLBACK_HTTP_WRITEABLE, one lws_write()
 * a call. What goes out is one block: head and body. */

/* At once, with those that are about to be closed: a listener accepts 64 between two turns. */
#define SOCKETS_MAX (CV_SITE_CALLERS_MAX + 64)
#define HEAD_MAX    1024

/* One request under way; libwebsockets keeps one for each connection. */
struct exchange {
    struct cv_list link; /* in the site's, from the request to the answer's end */
    struct lws *wsi;     /* borrowed */
    uint64_t id;         /* 0: none */
    uint8_t *body;       /* owned; of the answer, LWS_PRE bytes before it */
    size_t len, sent;
    bool head_only, last;
};

static void forget(struct exchange *exchange)
{
    if (exchange->id == 0)
        return;
    cv_list_remove(&exchange->link);
    free(exchange->body);
    *exchange = (struct exchange){.id = 0};
}

/* Callers. */

static void stop_waiting(struct cv_site *site, struct cv_site_caller *caller)
{
    if (cv_list_empty(&caller->waiting))
        return;
    cv_list_remove(&caller->waiting);
    site->waiting_count--;
}

static void wait_for_request(struct cv_site *site, struct cv_site_caller *caller)
{
    cv_list_push_back(&site->waiting, &caller->waiting);
    site->waiting_count++;
}

/* Takes who has to go for one more out of its list; NULL: nobody. */
static struct lws *choose(struct cv_site *site)
{
    struct cv_list *link = site->waiting.next;
    struct lws *wsi;

    if (site->waiting_count >= CV_SITE_WAITING_MAX) {
        struct cv_site_caller *first = cv_container_of(link, struct cv_site_caller, waiting);

        stop_waiting(site, first);
        return first->wsi;
    }
    if (site->caller_count < CV_SITE_CALLERS_MAX)
        return NULL;
    link = site->exchanges.next;
    if (link == &site->exchanges)
        return cv_site_talk_leaving(site);
    wsi = cv_container_of(link, struct exchange, link)->wsi;
    forget(cv_container_of(link, struct exchange, link));
    return wsi;
}

static void make_room(struct cv_site *site)
{
    struct lws *wsi = choose(site);

    if (wsi)
        lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
}

/* Answers. */

static const struct {
    const char *name, *value;
} always[] = {
    {"cache-control:", "no-store"},
    {"x-content-type-options:", "nosniff"},
    {"referrer-policy:", "no-referrer"},
};

#define NOTHING_AT_ALL "default-src 'none'; frame-ancestors 'none'"

/* @value NULL: nothing. */
static int add(struct lws *wsi, const char *name, const char *value, unsigned char **at,
               unsigned char *end)
{
    return value &&
           lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), at, end);
}

static int write_head(struct exchange *exchange, const struct cv_site_answer *answer)
{
    unsigned char buf[LWS_PRE + HEAD_MAX];
    unsigned char *start = buf + LWS_PRE, *at = start, *end = buf + sizeof(buf);
    struct lws *wsi = exchange->wsi;

    if (lws_add_http_common_headers(wsi, answer->status, answer->type, answer->len, &at, end))
        return -1;
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        if (add(wsi, always[i].name, always[i].value, &at, end))
            return -1;
    if (add(wsi, "content-security-policy:", answer->policy ? answer->policy : NOTHING_AT_ALL, &at,
            end) ||
        add(wsi, "allow:", answer->allow, &at, end) ||
        add(wsi, "content-encoding:", answer->encoding, &at, end) ||
        add(wsi, "vary:", answer->encoding ? "accept-encoding" : NULL, &at, end) ||
        add(wsi, "www-authenticate:", answer->status == 401 ? "Bearer" : NULL, &at, end))
        return -1;
    return lws_finalize_write_http_header(wsi, start, &at, end);
}

static struct exchange *find(struct cv_site *site, uint64_t id)
{
    cv_list_each (link, &site->exchanges) {
        struct exchange *exchange = cv_container_of(link, struct exchange, link);

        if (exchange->id == id)
            return exchange;
    }
    return NULL;
}

void cv_site_answer(struct cv_site *site, uint64_t id, const struct cv_site_answer *answer)
{
    struct exchange *exchange = find(site, id);

    if (!exchange || exchange->body)
        return;
    exchange->body = malloc(LWS_PRE + answer->len + 1);
    exchange->len = answer->len;
    if (exchange->body && answer->len)
        memcpy(exchange->body + LWS_PRE, answer->body, answer->len);
    if (!exchange->body || write_head(exchange, answer) < 0) {
        lws_set_timeout(exchange->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
        return;
    }
    if (exchange->head_only)
        exchange->sent = exchange->len;
    lws_callback_on_writable(exchange->wsi);
}

/* One piece of the body, or the end. Nonzero closes the connection. */
static int write_some(struct exchange *exchange)
{
    struct lws *wsi = exchange->wsi;
    size_t left = exchange->len - exchange->sent;
    size_t piece = left < CV_SITE_PIECE ? left : CV_SITE_PIECE;
    bool last = exchange->last, is_end = piece == left;

    if (!exchange->body)
        return 0;
    if (piece > 0 && lws_write(wsi, exchange->body + LWS_PRE + exchange->sent, piece,
                               is_end ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < (int)piece)
        return -1;
    exchange->sent += piece;
    if (!is_end) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    forget(exchange);
    if (last || lws_http_transaction_completed(wsi))
        return -1;
    wait_for_request(cv_site_of(wsi), lws_get_opaque_user_data(wsi));
    return 0;
}

/* Requests. */

static const char *method_of(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } methods[] = {
        {WSI_TOKEN_GET_URI, "GET"},         {WSI_TOKEN_HEAD_URI, "HEAD"},
        {WSI_TOKEN_POST_URI, "POST"},       {WSI_TOKEN_DELETE_URI, "DELETE"},
        {WSI_TOKEN_PUT_URI, "PUT"},         {WSI_TOKEN_PATCH_URI, "PATCH"},
        {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}, {WSI_TOKEN_CONNECT, "CONNECT"},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0)
            return methods[i].name;
    return "?";
}

/* Copies a header; false when it is too long. One that was not sent is "". */
static bool header(struct lws *wsi, enum lws_token_indexes token, char out[CV_SITE_HEADER_MAX])
{
    out[0] = '\0';
    return lws_hdr_total_length(wsi, token) == 0 ||
           lws_hdr_copy(wsi, out, CV_SITE_HEADER_MAX, token) >= 0;
}

static void refuse(struct cv_site *site, uint64_t id, unsigned status, const char *text)
{
    cv_site_answer(site, id,
                   &(struct cv_site_answer){
                       .status = status, .type = "text/plain", .body = text, .len = strlen(text)});
}

static void begin(struct exchange *exchange, struct lws *wsi, struct cv_site *site)
{
    forget(exchange);
    exchange->wsi = wsi;
    exchange->id = site->next_id++;
    cv_list_push_back(&site->exchanges, &exchange->link);
}

bool cv_site_look(struct cv_site_look *look, struct lws *wsi, const char *path)
{
    const struct cv_site_caller *caller = lws_get_opaque_user_data(wsi);

    look->request = (struct cv_site_request){.method = method_of(wsi),
                                             .path = path,
                                             .host = look->host,
                                             .origin = look->origin,
                                             .authorization = look->authorization,
                                             .encodings = look->encodings,
                                             .is_unix = caller->door->is_unix};
    return header(wsi, WSI_TOKEN_HOST, look->host) && header(wsi, WSI_TOKEN_ORIGIN, look->origin) &&
           header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, look->authorization) &&
           header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING, look->encodings);
}

static void on_request(struct lws *wsi, struct exchange *exchange, const char *path)
{
    struct cv_site *site = cv_site_of(wsi);
    char length[CV_SITE_HEADER_MAX];
    struct cv_site_look look;

    stop_waiting(site, lws_get_opaque_user_data(wsi));
    begin(exchange, wsi, site);
    exchange->last = exchange->head_only = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
    if (strlen(path) > CV_SITE_PATH_MAX) {
        refuse(site, exchange->id, 414, "the path is too long\n");
        return;
    }
    if (!cv_site_look(&look, wsi, path) || !header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, length)) {
        refuse(site, exchange->id, 431, "a header is too long\n");
        return;
    }
    look.request.has_body = (length[0] && strcmp(length, "0") != 0) ||
                            lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
    exchange->last = look.request.has_body || strcmp(look.request.method, "GET") != 0;
    site->handle(site->ctx, exchange->id, &look.request);
}

static void leave(struct lws *wsi)
{
    struct cv_site_caller *caller = lws_get_opaque_user_data(wsi);

    if (!caller)
        return;
    lws_set_opaque_user_data(wsi, NULL);
    stop_waiting(caller->door->site, caller);
    caller->door->site->caller_count--;
    free(caller);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct exchange *exchange = user;

    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        on_request(wsi, exchange, in);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return exchange->id ? write_some(exchange) : 0;
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        stop_waiting(cv_site_of(wsi), lws_get_opaque_user_data(wsi));
        return cv_site_talk(wsi, reason, in, len);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
    case LWS_CALLBACK_CLOSED:
        return cv_site_talk(wsi, reason, in, len);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (exchange)
            forget(exchange);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        leave(wsi);
        return 0;
    default:
        return 0;
    }
}

/* Starting and ending. */

static void silent(int level, const char *line)
{
    (void)level, (void)line;
}

int cv_site_new(struct cv_site **out, struct cv_loop *loop, cv_site_handle *handle,
                const struct cv_site_talks *talks, void *ctx)
{
    struct cv_site *site = calloc(1, sizeof(*site));
    struct lws_context_creation_info info = {.port = CONTEXT_PORT_NO_LISTEN_SERVER};

    if (!site)
        return -ENOMEM;
    site->loop = loop;
    site->handle = handle;
    site->talks = *talks;
    site->ctx = ctx;
    site->next_id = 1;
    site->loops[0] = loop->uv;
    site->protocols[0] = (struct lws_protocols){.name = CV_SITE_PROTOCOL,
                                                .callback = on_event,
                                                .per_session_data_size = sizeof(struct exchange)};
    cv_list_init(&site->waiting);
    cv_list_init(&site->exchanges);
    cv_list_init(&site->talking);
    lws_set_log_level(0, silent);
    info.user = site;
    info.protocols = site->protocols;
    info.foreign_loops = site->loops;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME;
    info.gid = info.uid = -1; /* who we are stays */
    info.fd_limit_per_thread = SOCKETS_MAX;
    info.pt_serv_buf_size = CV_SITE_PIECE;
    info.max_http_header_data = 4096;
    info.max_http_header_pool = SOCKETS_MAX; /* room is made as it is needed */
    site->context = lws_create_context(&info);
    if (site->context)
        site->vhost = lws_create_vhost(site->context, &info);
    if (!site->vhost) {
        cv_site_close(site);
        free(site);
        return -EIO;
    }
    *out = site;
    return 0;
}

static void on_accepted(void *ctx, int fd, const char *peer)
{
    struct cv_site_door *door = ctx;
    struct cv_site *site = door->site;
    struct cv_site_caller *caller = calloc(1, sizeof(*caller));

    (void)peer;
    make_room(site);
    if (!caller) {
        close(fd);
        return;
    }
    caller->door = door;
    caller->wsi = lws_adopt_socket_vhost(site->vhost, fd);
    if (!caller->wsi) { /* it is closed */
        free(caller);
        return;
    }
    lws_set_opaque_user_data(caller->wsi, caller);
    cv_list_init(&caller->waiting);
    site->caller_count++;
    wait_for_request(site, caller);
}

int cv_site_listen(struct cv_site *site, const char *address)
{
    struct cv_site_door *door = &site->doors[site->door_count];
    int rc;

    if (site->door_count == CV_SITE_LISTENERS_MAX)
        return -ENOBUFS;
    door->site = site;
    door->is_unix = strncmp(address, "unix:", 5) == 0;
    rc = cv_listener_new(&door->listener, site->loop, address, on_accepted, door);
    if (rc == 0)
        site->door_count++;
    return rc;
}

const char *cv_site_address(const struct cv_site *site, size_t index)
{
    return index < site->door_count ? cv_listener_address(site->doors[index].listener) : NULL;
}

void cv_site_close(struct cv_site *site)
{
    if (!site)
        return;
    for (size_t i = 0; i < site->door_count; i++)
        cv_listener_close(site->doors[i].listener);
    site->door_count = 0;
    if (site->context)
        lws_context_destroy(site->context);
}

void cv_site_free(struct cv_site *site)
{
    if (!site)
        return;
    if (site->context)
        lws_context_destroy(site->context); /* a second time, as it asks on a foreign loop */
    free(site);
}
