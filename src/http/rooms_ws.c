#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "http/goodbye.h"
#include "http/rooms_core.h"
#include "ws/ws.h"

#define RECEIVE_ERROR "websocket.JSON.Receive error: "

static bool at_ws(struct lws *wsi)
{
    char path[8];

    return lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) > 0 && strcmp(path, "/ws") == 0;
}

static void unreadable(struct cv_room_guest *guest, const char *why)
{
    char text[200];

    lws_snprintf(text, sizeof(text), RECEIVE_ERROR "%s", why);
    cv_rooms_unreadable(guest->server->rooms, guest->end, text,
                        cv_loop_now(guest->server->config.loop));
}

/* The member that @key names, whatever its case; NULL for one that means nothing to us. */
static struct cv_rooms_text *member_of(struct cv_rooms_request *request, const char *key)
{
    if (strcasecmp(key, "cmd") == 0)
        return &request->cmd;
    if (strcasecmp(key, "roomid") == 0)
        return &request->roomid;
    if (strcasecmp(key, "clientid") == 0)
        return &request->clientid;
    return strcasecmp(key, "msg") == 0 ? &request->msg : NULL;
}

/* Reads an object into @request, which borrows from it; NULL, or why that cannot be. */
static const char *read_object(struct cv_rooms_request *request, json_t *object)
{
    const char *key;
    json_t *value;

    if (json_is_null(object))
        return NULL;
    if (!json_is_object(object))
        return "the message is no object";
    json_object_foreach(object, key, value)
    {
        struct cv_rooms_text *member = member_of(request, key);

        if (!member || json_is_null(value))
            continue;
        if (!json_is_string(value))
            return "cmd, roomid, clientid and msg are strings";
        *member = (struct cv_rooms_text){json_string_value(value), json_string_length(value)};
    }
    return NULL;
}

/* One whole message. Nothing of the one before is left: the request starts empty. */
static void take(struct cv_room_guest *guest)
{
    struct cv_rooms_request request = {.cmd = {NULL, 0}};
    json_error_t error;
    json_t *object = json_loadb(guest->in ? guest->in : "", guest->in_len,
                                JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    const char *problem = object ? read_object(&request, object) : error.text;

    if (problem)
        unreadable(guest, problem);
    else
        cv_rooms_recv(guest->server->rooms, guest->end, &request,
                      cv_loop_now(guest->server->config.loop));
    json_decref(object);
}

static void receive(struct cv_room_guest *guest, struct lws *wsi, const void *in, size_t len)
{
    if (!cv_room_guest_store(guest, in, len, CV_ROOMS_FRAME_MAX)) {
        unreadable(guest, "the message is too long");
        cv_room_guest_forget(guest);
        guest->too_long = true; /* and so is what else comes of it */
    } else if (lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) {
        take(guest);
        cv_room_guest_forget(guest);
    }
    cv_rooms_server_settle(guest->server);
}

/* `{"msg":S,"error":""}` and a line's end, behind LWS_PRE bytes; *@len without them. NULL without
 * memory. To be freed by cv_free(). */
static unsigned char *encode(const struct cv_alloc *alloc, const struct cv_rooms_out *out,
                             size_t *len)
{
    json_t *object = json_object();
    json_t *text = json_stringn(out->text.at, out->text.len);
    char *dump = NULL;
    unsigned char *frame = NULL;

    if (json_object_set_new(object, "msg", out->error ? json_string("") : json_incref(text)) == 0 &&
        json_object_set_new(object, "error", out->error ? json_incref(text) : json_string("")) == 0)
        dump = json_dumps(object, JSON_COMPACT);
    json_decref(text);
    json_decref(object);
    if (!dump)
        return NULL;
    *len = strlen(dump) + 1;
    frame = cv_alloc(alloc, LWS_PRE + *len);
    if (frame) {
        memcpy(frame + LWS_PRE, dump, *len - 1);
        frame[LWS_PRE + *len - 1] = '\n';
    }
    free(dump);
    return frame;
}

static int say_goodbye(struct cv_room_guest *guest, struct lws *wsi, unsigned code)
{
    if (guest->closing)
        return 0;
    guest->closing = true;
    return cv_goodbye(wsi, code);
}

/* One message, since more than one lws_write() in a callback spoils the stream. */
static int write_next(struct cv_room_guest *guest, struct lws *wsi)
{
    const struct cv_alloc *alloc = &guest->server->config.loop->alloc;
    struct cv_rooms *rooms = guest->server->rooms;
    struct cv_rooms_out out;
    unsigned char *frame;
    size_t len;
    int rc = cv_rooms_peek(rooms, guest->end, &out);

    if (rc < 0)
        return say_goodbye(guest, wsi, CV_WS_NORMAL);
    if (rc == 0)
        return guest->server->leaving ? say_goodbye(guest, wsi, CV_WS_RESTART) : 0;
    frame = encode(alloc, &out, &len);
    if (!frame)
        return -1;
    rc = lws_write(wsi, frame + LWS_PRE, len, LWS_WRITE_TEXT);
    cv_free(alloc, frame);
    if (rc < (int)len)
        return -1;
    cv_rooms_written(rooms, guest->end);
    if (cv_rooms_peek(rooms, guest->end, &out) != 0 || guest->server->leaving)
        lws_callback_on_writable(wsi);
    return 0;
}

int cv_room_ws(struct cv_room_guest *guest, struct lws *wsi, enum lws_callback_reasons reason,
               void *in, size_t len)
{
    struct cv_rooms_server *server = guest->server;
    char origin[256];

    switch ((int)reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return at_ws(wsi) && cv_room_origin_allowed(server, wsi, origin, sizeof(origin)) ? 0 : -1;
    case LWS_CALLBACK_ESTABLISHED:
        guest->wsi = wsi;
        cv_rooms_server_greet(server, guest);
        return cv_rooms_open(server->rooms, &guest->end, &guest->from, guest);
    case LWS_CALLBACK_RECEIVE:
        receive(guest, wsi, in, len);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return guest->closing ? -1 : 0; /* ours went before, or ours is to follow */
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return write_next(guest, wsi);
    default: /* closed */
        cv_rooms_closed(server->rooms, guest->end, cv_loop_now(server->config.loop));
        cv_rooms_server_settle(server);
        return 0;
    }
}
