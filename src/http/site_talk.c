#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/goodbye.h"
#include "http/site_core.h"
#include "ws/ws.h"

/* The site's WebSockets: one lws_write() a WRITEABLE callback, and a text in pieces, so that
 * libwebsockets never holds more of it than one. */

struct talk {
    struct cv_list link; /* in the site's */
    struct lws *wsi;     /* borrowed */
    uint64_t id;
    struct cv_site_text *text; /* that is going out; NULL: none */
    size_t sent;
    char in[CV_SITE_MESSAGE_MAX]; /* of a message so far */
    size_t in_len;
    unsigned code; /* to close with; 0: it goes on */
    bool spoke;    /* a message of it was heard */
    bool let_go;   /* the site's owner does not know it, or no more */
    bool closing;  /* the close frame is on its way */
    bool given_up; /* its answer to that is not waited for */
};

struct cv_site_text {
    unsigned refs;
    size_t len;
    char at[];
};

struct cv_site_text *cv_site_text_new(const char *text, size_t len)
{
    struct cv_site_text *made = malloc(sizeof(*made) + len);

    if (!made)
        return NULL;
    made->refs = 1;
    made->len = len;
    memcpy(made->at, text, len);
    return made;
}

struct cv_site_text *cv_site_text_ref(struct cv_site_text *text)
{
    text->refs++;
    return text;
}

void cv_site_text_unref(struct cv_site_text *text)
{
    if (text && --text->refs == 0)
        free(text);
}

static struct talk *find(const struct cv_site *site, uint64_t id)
{
    cv_list_each (link, &site->talking) {
        struct talk *talk = cv_container_of(link, struct talk, link);

        if (talk->id == id)
            return talk;
    }
    return NULL;
}

/* NULL for a connection that was not let so far, of which libwebsockets says all the same that it
 * closed. */
static struct talk *talk_of(const struct cv_site *site, const struct lws *wsi)
{
    cv_list_each (link, &site->talking) {
        struct talk *talk = cv_container_of(link, struct talk, link);

        if (talk->wsi == wsi)
            return talk;
    }
    return NULL;
}

/* Its place is free. */
static void let_go(struct cv_site *site, struct talk *talk)
{
    if (talk->let_go)
        return;
    talk->let_go = true;
    site->talk_count--;
    site->talks.closed(site->ctx, talk->id);
}

/* Its place is free at once: it need not answer the close frame, nor read. */
static void hang_up(struct cv_site *site, struct talk *talk, unsigned code)
{
    if (talk->code)
        return;
    talk->code = code;
    let_go(site, talk);
    lws_set_timeout(talk->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CV_SITE_TALK_STALL);
    lws_callback_on_writable(talk->wsi);
}

void cv_site_hang_up(struct cv_site *site, uint64_t id, unsigned code)
{
    struct talk *talk = find(site, id);

    if (talk)
        hang_up(site, talk, code);
}

int cv_site_tell(struct cv_site *site, uint64_t id, struct cv_site_text *text)
{
    struct talk *talk = find(site, id);

    if (!talk || talk->code)
        return -ENOENT;
    if (talk->text)
        return -EBUSY;
    talk->text = cv_site_text_ref(text);
    talk->sent = 0;
    lws_set_timeout(talk->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CV_SITE_TALK_STALL);
    lws_callback_on_writable(talk->wsi);
    return 0;
}

struct lws *cv_site_talk_leaving(struct cv_site *site)
{
    cv_list_each (link, &site->talking) {
        struct talk *talk = cv_container_of(link, struct talk, link);

        if (!talk->code || talk->given_up)
            continue;
        talk->given_up = true;
        return talk->wsi;
    }
    return NULL;
}

/* The next piece. The head of a frame is written in front of it, so it is copied: the text is
 * others' too. */
static int write_piece(struct talk *talk)
{
    unsigned char buf[LWS_PRE + CV_SITE_PIECE];
    struct cv_site *site = cv_site_of(talk->wsi);
    size_t left = talk->text->len - talk->sent;
    size_t len = left < CV_SITE_PIECE ? left : CV_SITE_PIECE;
    int how = talk->sent ? LWS_WRITE_CONTINUATION : LWS_WRITE_TEXT;

    memcpy(buf + LWS_PRE, talk->text->at + talk->sent, len);
    if (lws_write(talk->wsi, buf + LWS_PRE, len,
                  (enum lws_write_protocol)(len < left ? how | LWS_WRITE_NO_FIN : how)) < (int)len)
        return -1;
    talk->sent += len;
    if (len < left) {
        lws_set_timeout(talk->wsi, PENDING_TIMEOUT_USER_REASON_BASE, CV_SITE_TALK_STALL);
        lws_callback_on_writable(talk->wsi);
        return 0;
    }
    lws_set_timeout(talk->wsi, NO_PENDING_TIMEOUT, 0);
    cv_site_text_unref(talk->text);
    talk->text = NULL;
    site->talks.told(site->ctx, talk->id);
    return 0;
}

/* A close frame may stand between the pieces of a text. */
static int write_next(struct talk *talk)
{
    if (talk->closing)
        return 0;
    if (!talk->code)
        return talk->text ? write_piece(talk) : 0;
    talk->closing = true;
    return cv_goodbye(talk->wsi, talk->code);
}

/* Who has said nothing yet, no token either, makes room: the first that came. */
static void make_room(struct cv_site *site)
{
    cv_list_each (link, &site->talking) {
        struct talk *talk = cv_container_of(link, struct talk, link);

        if (talk->spoke || talk->let_go)
            continue;
        hang_up(site, talk, CV_WS_TRY_LATER);
        return;
    }
}

static int open_talk(struct cv_site *site, struct lws *wsi)
{
    struct talk *talk = calloc(1, sizeof(*talk));

    if (!talk)
        return -1;
    talk->wsi = wsi;
    talk->id = site->next_id++;
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, CV_SITE_TALK_WAIT);
    if (site->talk_count == CV_SITE_TALKS_MAX)
        make_room(site);
    cv_list_push_back(&site->talking, &talk->link);
    talk->let_go = site->talk_count == CV_SITE_TALKS_MAX;
    if (talk->let_go) {
        hang_up(site, talk, CV_WS_TRY_LATER);
        return 0;
    }
    site->talk_count++;
    site->talks.opened(site->ctx, talk->id);
    return 0;
}

static void close_talk(struct cv_site *site, struct talk *talk)
{
    cv_list_remove(&talk->link);
    let_go(site, talk);
    cv_site_text_unref(talk->text);
    free(talk);
}

static void hear(struct cv_site *site, struct talk *talk, const void *in, size_t len)
{
    if (talk->code)
        return;
    if (len > sizeof(talk->in) - talk->in_len) {
        hang_up(site, talk, CV_WS_TOO_BIG);
        return;
    }
    memcpy(talk->in + talk->in_len, in, len);
    talk->in_len += len;
    if (!lws_is_final_fragment(talk->wsi) || lws_remaining_packet_payload(talk->wsi) > 0)
        return;
    len = talk->in_len;
    talk->in_len = 0;
    talk->spoke = true;
    site->talks.heard(site->ctx, talk->id, talk->in, len);
}

/* The path of an upgrade, before and after libwebsockets has looked at it. */
static bool at_path(const struct cv_site *site, struct lws *wsi)
{
    char path[CV_SITE_PATH_MAX];

    return site->talks.path && lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI) > 0 &&
           strcmp(path, site->talks.path) == 0;
}

static int admit(struct cv_site *site, struct lws *wsi)
{
    struct cv_site_look look;

    return at_path(site, wsi) && cv_site_look(&look, wsi, site->talks.path) &&
                   site->talks.may(site->ctx, &look.request)
               ? 0
               : -1;
}

int cv_site_talk(struct lws *wsi, enum lws_callback_reasons reason, const void *in, size_t len)
{
    struct cv_site *site = cv_site_of(wsi);
    struct talk *talk;

    if (reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE)
        return strcmp(in, "websocket") == 0 && at_path(site, wsi) ? 0 : -1;
    if (reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION)
        return admit(site, wsi);
    if (reason == LWS_CALLBACK_ESTABLISHED)
        return open_talk(site, wsi);
    talk = talk_of(site, wsi);
    if (!talk)
        return 0;
    if (reason == LWS_CALLBACK_RECEIVE)
        hear(site, talk, in, len);
    else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        return write_next(talk);
    else if (reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE)
        return talk->closing ? -1 : 0;
    else
        close_talk(site, talk);
    return 0;
}
