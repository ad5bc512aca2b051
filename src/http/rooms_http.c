#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "http/mime.h"
#include "http/rooms_core.h"

#define HEAD_MAX 1024
#define PIECE    ((size_t)4096) /* of a file, at once */

/* A body that is too long is read to its end up to here, so that its sender reads the answer. */
#define BODY_READ_MAX (1 << 20)

static int finish(struct cv_room_guest *guest, struct lws *wsi)
{
    cv_free(&guest->server->config.loop->alloc, guest->path);
    guest->path = NULL;
    guest->answer_len = 0;
    guest->file = NULL;
    cv_room_guest_forget(guest);
    return guest->leave || lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int add(struct lws *wsi, const char *name, const char *value, unsigned char **at,
               unsigned char *end)
{
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)value, (int)strlen(value), at, end);
}

/* The headers that let pages of other origins in. */
static int add_cors(const struct cv_rooms_server *server, struct lws *wsi, const char *methods,
                    unsigned char **at, unsigned char *end)
{
    char origin[256];
    bool allowed = cv_room_origin_allowed(server, wsi, origin, sizeof(origin));

    if (server->config.origin_count && add(wsi, "Vary:", "Origin", at, end))
        return -1;
    if (!allowed || (server->config.origin_count && !origin[0]))
        return 0;
    return add(wsi, "Access-Control-Allow-Origin:", server->config.origin_count ? origin : "*", at,
               end) ||
           add(wsi, "Access-Control-Allow-Methods:", methods, at, end);
}

/* Sends the head now and the body, which is @text cut at CV_ROOMS_ANSWER_MAX, when there is room
 * for it. */
static int answer(struct cv_room_guest *guest, struct lws *wsi, unsigned status, const char *type,
                  const char *text)
{
    unsigned char head[LWS_PRE + HEAD_MAX], *start = head + LWS_PRE, *at = start;
    unsigned char *end = head + sizeof(head) - 1;
    bool is_status = strcmp(type, "application/json") == 0;

    guest->answer_len = strnlen(text, sizeof(guest->answer));
    memcpy(guest->answer, text, guest->answer_len);
    if (lws_add_http_common_headers(wsi, status, type, guest->answer_len, &at, end) ||
        add(wsi, "X-Content-Type-Options:", "nosniff", &at, end) ||
        (guest->leave && add(wsi, "Connection:", "close", &at, end)) ||
        add_cors(guest->server, wsi, is_status ? "GET" : "POST, DELETE", &at, end) ||
        lws_finalize_write_http_header(wsi, start, &at, end))
        return -1;
    if (guest->answer_len == 0 || guest->method == CV_ROOM_HEAD)
        return finish(guest, wsi);
    lws_callback_on_writable(wsi);
    return 0;
}

/* Sends the head now, and the file piece by piece. */
static int answer_file(struct cv_room_guest *guest, struct lws *wsi, const struct cv_embedded *file)
{
    unsigned char head[LWS_PRE + HEAD_MAX], *start = head + LWS_PRE, *at = start;
    unsigned char *end = head + sizeof(head) - 1;

    if (lws_add_http_common_headers(wsi, 200, cv_mime_type(file->name), file->len, &at, end) ||
        add(wsi, "Content-Security-Policy:", CV_DEMO_POLICY, &at, end) ||
        add(wsi, "X-Content-Type-Options:", "nosniff", &at, end) ||
        add(wsi, "Referrer-Policy:", "no-referrer", &at, end) ||
        add(wsi, "Cache-Control:", "no-cache", &at, end) ||
        lws_finalize_write_http_header(wsi, start, &at, end))
        return -1;
    if (guest->method == CV_ROOM_HEAD)
        return finish(guest, wsi);
    guest->file = file;
    guest->file_sent = 0;
    lws_callback_on_writable(wsi);
    return 0;
}

static int fail(struct cv_room_guest *guest, struct lws *wsi, unsigned status, const char *what,
                const char *why)
{
    char text[CV_ROOMS_ANSWER_MAX];

    lws_snprintf(text, sizeof(text), "%s%s\n", what, why);
    cv_rooms_http_error(guest->server->rooms);
    return answer(guest, wsi, status, "text/plain; charset=utf-8", text);
}

static int answer_status(struct cv_room_guest *guest, struct lws *wsi)
{
    const struct cv_rooms_server *server = guest->server;
    struct cv_rooms_counters counters;
    char text[300];

    cv_rooms_count(server->rooms, &counters);
    lws_snprintf(text, sizeof(text),
                 "{\"upsec\":%.3f,\"openws\":%llu,\"totalws\":%llu,\"wserrors\":%llu,"
                 "\"httperrors\":%llu}\n",
                 (double)(cv_loop_now(server->config.loop) - server->since) / (double)CV_SEC,
                 (unsigned long long)counters.open_ws, (unsigned long long)counters.total_ws,
                 (unsigned long long)counters.ws_errors, (unsigned long long)counters.http_errors);
    return answer(guest, wsi, 200, "application/json", text);
}

/* The status that HTTP has for a refusal: collider's 500 where it has the refusal too. */
static unsigned status_of(enum cv_rooms_refusal refusal)
{
    if (refusal == CV_ROOMS_LONG)
        return 413;
    if (refusal == CV_ROOMS_UNSIGNED)
        return 403;
    return refusal == CV_ROOMS_TOO_MANY || refusal == CV_ROOMS_SOURCE_FULL ? 503 : 500;
}

static int conclude(struct cv_room_guest *guest, struct lws *wsi, enum cv_rooms_refusal refusal)
{
    cv_rooms_server_settle(guest->server);
    if (refusal == CV_ROOMS_FINE)
        return answer(guest, wsi, 200, "text/plain; charset=utf-8", "OK\n");
    if (refusal == CV_ROOMS_EMPTY)
        return fail(guest, wsi, 500, "Empty request body", "");
    return fail(guest, wsi, status_of(refusal),
                "Failed to send the message: ", cv_rooms_refusal_text(refusal));
}

static bool is_utf8(const char *text, size_t len)
{
    json_t *string = json_stringn(text ? text : "", len);

    json_decref(string);
    return string != NULL;
}

/* A POST whose body is there. */
static int post(struct cv_room_guest *guest, struct lws *wsi)
{
    struct cv_rooms_text body = {guest->in, guest->in_len};

    if (!is_utf8(body.at, body.len))
        return fail(guest, wsi, 400, "Failed to send the message: it is not UTF-8", "");
    return conclude(guest, wsi,
                    cv_rooms_post(guest->server->rooms, guest->room, guest->client, &guest->from,
                                  body, cv_loop_now(guest->server->config.loop)));
}

static int too_long(struct cv_room_guest *guest, struct lws *wsi)
{
    return fail(guest, wsi, 413, "Failed to send the message: ", "it is longer than 65536 bytes");
}

static int act(struct cv_room_guest *guest, struct lws *wsi)
{
    char origin[256];

    if (guest->too_long)
        return too_long(guest, wsi);
    if (!guest->room.len)
        return fail(guest, wsi, 500, "Invalid path: ", guest->path);
    if (!is_utf8(guest->path, strlen(guest->path)))
        return fail(guest, wsi, 400, "Invalid path: it is not UTF-8", "");
    if (guest->method != CV_ROOM_POST && guest->method != CV_ROOM_DELETE)
        return answer(guest, wsi, 200, "text/plain; charset=utf-8", "");
    if (!cv_room_origin_allowed(guest->server, wsi, origin, sizeof(origin)))
        return fail(guest, wsi, 403, "Origin not allowed: ", origin);
    if (guest->method == CV_ROOM_POST)
        return post(guest, wsi);
    return conclude(guest, wsi, cv_rooms_delete(guest->server->rooms, guest->room, guest->client));
}

/* Finds the two segments of the path, if that is what it has. */
static void read_path(struct cv_room_guest *guest)
{
    char *room = guest->path + 1, *slash = strchr(room, '/');

    guest->room = guest->client = (struct cv_rooms_text){NULL, 0};
    if (guest->path[0] != '/' || !slash || slash == room || !slash[1] || strchr(slash + 1, '/'))
        return;
    guest->room = (struct cv_rooms_text){room, (size_t)(slash - room)};
    guest->client = (struct cv_rooms_text){slash + 1, strlen(slash + 1)};
}

static enum cv_room_method read_method(struct lws *wsi)
{
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI))
        return CV_ROOM_POST;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_DELETE_URI))
        return CV_ROOM_DELETE;
    return lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) ? CV_ROOM_HEAD : CV_ROOM_OTHER;
}

/* Bytes of body that are announced; -1: none that we can count. */
static long long announced(struct lws *wsi)
{
    char text[24];

    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING))
        return -1;
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH))
        return lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) ||
                       lws_hdr_total_length(wsi, WSI_TOKEN_PUT_URI) ||
                       lws_hdr_total_length(wsi, WSI_TOKEN_PATCH_URI)
                   ? -1
                   : 0;
    if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return -1;
    return strtoll(text, NULL, 10);
}

/* The file of the demonstration that is asked for; NULL: none. */
static const struct cv_embedded *demo_file(const struct cv_room_guest *guest, struct lws *wsi)
{
    bool reads = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) || guest->method == CV_ROOM_HEAD;

    return guest->server->config.demo && reads ? cv_demo_find(guest->path) : NULL;
}

static int start(struct cv_room_guest *guest, struct lws *wsi, const char *path, size_t len)
{
    const struct cv_alloc *alloc = &guest->server->config.loop->alloc;
    const struct cv_embedded *file;
    long long body = announced(wsi);

    cv_free(alloc, guest->path);
    guest->path = cv_alloc(alloc, len + 1);
    if (!guest->path)
        return -1;
    memcpy(guest->path, path, len);
    guest->path[len] = '\0';
    guest->method = read_method(wsi);
    cv_room_guest_forget(guest);
    if (body < 0 || body > BODY_READ_MAX) {
        guest->leave = true;
        return body < 0 ? fail(guest, wsi, 411, "A body needs a Content-Length", "")
                        : too_long(guest, wsi);
    }
    read_path(guest);
    if (body > 0)
        return 0;
    if (strcmp(guest->path, "/status") == 0)
        return answer_status(guest, wsi);
    if (strcmp(guest->path, "/ws") == 0)
        return fail(guest, wsi, 400, "This is a WebSocket", "");
    file = demo_file(guest, wsi);
    return file ? answer_file(guest, wsi, file) : act(guest, wsi);
}

static int write_piece(struct cv_room_guest *guest, struct lws *wsi)
{
    unsigned char buf[LWS_PRE + PIECE];
    size_t left = guest->file->len - guest->file_sent, len = left < PIECE ? left : PIECE;

    memcpy(buf + LWS_PRE, guest->file->bytes + guest->file_sent, len);
    if (lws_write(wsi, buf + LWS_PRE, len, len == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) <
        (int)len)
        return -1;
    guest->file_sent += len;
    if (len == left)
        return finish(guest, wsi);
    lws_callback_on_writable(wsi);
    return 0;
}

static int write_body(struct cv_room_guest *guest, struct lws *wsi)
{
    unsigned char body[LWS_PRE + CV_ROOMS_ANSWER_MAX];

    if (guest->file)
        return write_piece(guest, wsi);
    if (!guest->answer_len)
        return 0;
    memcpy(body + LWS_PRE, guest->answer, guest->answer_len);
    if (lws_write(wsi, body + LWS_PRE, guest->answer_len, LWS_WRITE_HTTP_FINAL) <
        (int)guest->answer_len)
        return -1;
    return finish(guest, wsi);
}

int cv_room_http(struct cv_room_guest *guest, struct lws *wsi, enum lws_callback_reasons reason,
                 void *in, size_t len)
{
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return start(guest, wsi, in, len);
    case LWS_CALLBACK_HTTP_BODY: /* no more comes than was announced */
        (void)!cv_room_guest_store(guest, in, len, CV_ROOMS_BODY_MAX);
        return 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return guest->path && !guest->answer_len ? act(guest, wsi) : 0;
    default: /* there is room to write */
        return write_body(guest, wsi);
    }
}
