#include "http/bye.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/list.h"
#include "base/text.h"
#include "http/fetch.h"
#include "net/log.h"

/* Path of the URL, `/bye/`, and two ids of which each byte may become three. */
#define TARGET_SIZE (CV_HTTP_URL_MAX + 6 + 2 * 3 * CV_ROOMS_ID_MAX + 1)
#define HOST_SIZE   (256 + sizeof("[]:65535"))

struct cv_bye {
    struct cv_loop *loop;         /* borrowed */
    const struct cv_url *url;     /* borrowed */
    struct cv_outbound *outbound; /* for HTTPS */
    char host_header[HOST_SIZE];
    struct cv_list calls;
    unsigned count; /* of calls */
    uint64_t lost;  /* that were not told, ever */
    bool closed;
};

struct call {
    struct cv_list link;
    struct cv_bye *bye; /* borrowed */
    struct cv_fetch *fetch;
};

int cv_bye_new(struct cv_bye **out, struct cv_loop *loop, const struct cv_url *url)
{
    struct cv_bye *bye = cv_alloc_zero(&loop->alloc, sizeof(*bye));
    bool v6 = strchr(url->host, ':') != NULL;
    int rc;

    if (!bye)
        return -ENOMEM;
    bye->loop = loop;
    bye->url = url;
    snprintf(bye->host_header, sizeof(bye->host_header), "%s%s%s:%u", v6 ? "[" : "", url->host,
             v6 ? "]" : "", (unsigned)url->port);
    cv_list_init(&bye->calls);
    rc = cv_outbound_new(&bye->outbound, loop);
    if (rc < 0) {
        cv_free(&loop->alloc, bye);
        return rc;
    }
    *out = bye;
    return 0;
}

static void complain(struct cv_bye *bye, const char *why)
{
    bye->lost++;
    cv_log_cause(bye->loop, CV_CAUSE_BYE, NULL,
                 "rooms: %s was not told that a client is gone: %s (%llu times so far)",
                 bye->url->text, why, (unsigned long long)bye->lost);
}

static void call_free(struct call *call)
{
    cv_list_remove(&call->link);
    call->bye->count--;
    cv_free(&call->bye->loop->alloc, call);
}

static void on_answer(void *ctx, const struct cv_fetch_end *end)
{
    struct call *call = ctx;

    if (end->error < 0)
        complain(call->bye,
                 end->error == CV_ESYNTAX ? "no answer of HTTP that says 2xx" : end->text);
    call_free(call);
}

static void put_id(struct cv_text *out, struct cv_rooms_text id)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < id.len; i++) {
        unsigned char c = (unsigned char)id.at[i];

        if (memchr(plain, c, sizeof(plain) - 1))
            cv_text_bytes(out, &id.at[i], 1);
        else
            cv_text_bytes(out, (char[]){'%', digits[c >> 4], digits[c & 15]}, 3);
    }
}

static void write_target(char target[TARGET_SIZE], const struct cv_url *url,
                         struct cv_rooms_text room, struct cv_rooms_text client)
{
    size_t len = strlen(url->target);
    struct cv_text text;

    while (len && url->target[len - 1] == '/')
        len--;
    cv_text_init(&text, target, TARGET_SIZE);
    cv_text_bytes(&text, url->target, len);
    cv_text_str(&text, "/bye/");
    put_id(&text, room);
    cv_text_str(&text, "/");
    put_id(&text, client);
}

static int start(struct call *call, const char *target)
{
    const struct cv_url *url = call->bye->url;
    const struct cv_outbound_options tls = {
        .host = url->host, .port = url->port, .tls = true, .timeout = CV_FETCH_WAIT};
    const struct cv_fetch_options options = {.post = true,
                                             .host = url->host,
                                             .port = url->port,
                                             .host_header = call->bye->host_header,
                                             .target = target,
                                             .tls = url->tls ? &tls : NULL};

    return cv_fetch_start(&call->fetch, call->bye->loop, call->bye->outbound, &options, on_answer,
                          call);
}

void cv_bye_tell(struct cv_bye *bye, struct cv_rooms_text room, struct cv_rooms_text client)
{
    char target[TARGET_SIZE];
    struct call *call;
    int rc;

    if (bye->closed)
        return;
    if (bye->count == CV_BYE_MAX) {
        complain(bye, "as many requests under way as may be");
        return;
    }
    call = cv_alloc_zero(&bye->loop->alloc, sizeof(*call));
    if (!call) {
        complain(bye, cv_strerror(-ENOMEM));
        return;
    }
    call->bye = bye;
    cv_list_push_back(&bye->calls, &call->link);
    bye->count++;
    write_target(target, bye->url, room, client);
    rc = start(call, target);
    if (rc < 0) {
        complain(bye, cv_strerror(rc));
        call_free(call);
    }
}

void cv_bye_close(struct cv_bye *bye)
{
    if (!bye || bye->closed)
        return;
    bye->closed = true;
    cv_list_each_safe (link, &bye->calls) {
        struct call *call = cv_container_of(link, struct call, link);

        cv_fetch_cancel(call->fetch);
        call_free(call);
    }
}

void cv_bye_free(struct cv_bye *bye)
{
    if (!bye)
        return;
    cv_bye_close(bye);
    cv_outbound_free(bye->outbound);
    cv_free(&bye->loop->alloc, bye);
}
