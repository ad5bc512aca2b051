#include <string.h>

#include "base/date.h"
#include "base/error.h"
#include "base/text.h"
#include "discovery/message.h"

/* The datagrams that go out: each header that the architecture asks for, in its order, CRLF
 * everywhere. */

static const char *host_of(enum cv_ssdp_group group)
{
    switch (group) {
    case CV_SSDP_V4:
        return "239.255.255.250:1900";
    case CV_SSDP_V6_LINK:
        return "[FF02::C]:1900";
    case CV_SSDP_V6_SITE:
        return "[FF05::C]:1900";
    }
    return "";
}

static void put(struct cv_text *text, const char *name, const char *value)
{
    cv_text_str(text, name);
    cv_text_str(text, ": ");
    cv_text_str(text, value);
    cv_text_str(text, "\r\n");
}

static void put_number(struct cv_text *text, const char *name, uint64_t value)
{
    cv_text_str(text, name);
    cv_text_str(text, ": ");
    cv_text_u64(text, value);
    cv_text_str(text, "\r\n");
}

static void put_target(struct cv_text *text, const char *name, const struct cv_ssdp_notice *notice)
{
    cv_text_str(text, name);
    cv_text_str(text, ": ");
    cv_text_bytes(text, notice->target, notice->target_len);
    cv_text_str(text, "\r\n");
}

static void put_age(struct cv_text *text, const struct cv_ssdp_notice *notice)
{
    cv_text_str(text, "CACHE-CONTROL: max-age=");
    cv_text_u64(text, notice->age);
    cv_text_str(text, "\r\n");
}

static int end(struct cv_text *text)
{
    cv_text_str(text, "\r\n");
    return text->truncated ? CV_ETOOLONG : (int)text->len;
}

int cv_ssdp_write_search(char out[CV_SSDP_OUT_MAX + 1], const struct cv_ssdp_notice *notice)
{
    struct cv_text text;

    cv_text_init(&text, out, CV_SSDP_OUT_MAX + 1);
    cv_text_str(&text, "M-SEARCH * HTTP/1.1\r\n");
    put(&text, "HOST", host_of(notice->group));
    put(&text, "MAN", "\"ssdp:discover\"");
    put_number(&text, "MX", (uint64_t)notice->mx);
    put_target(&text, "ST", notice);
    put(&text, "USER-AGENT", notice->server);
    return end(&text);
}

int cv_ssdp_write_answer(char out[CV_SSDP_OUT_MAX + 1], const struct cv_ssdp_notice *notice)
{
    char date[CV_DATE_SIZE];
    struct cv_text text;

    cv_date_write(date, notice->wall);
    cv_text_init(&text, out, CV_SSDP_OUT_MAX + 1);
    cv_text_str(&text, "HTTP/1.1 200 OK\r\n");
    put_age(&text, notice);
    put(&text, "DATE", date);
    cv_text_str(&text, "EXT:\r\n");
    put(&text, "LOCATION", notice->location);
    put(&text, "SERVER", notice->server);
    put_target(&text, "ST", notice);
    put(&text, "USN", notice->usn);
    put_number(&text, "BOOTID.UPNP.ORG", notice->boot);
    put_number(&text, "CONFIGID.UPNP.ORG", notice->config);
    return end(&text);
}

int cv_ssdp_write_notify(char out[CV_SSDP_OUT_MAX + 1], enum cv_ssdp_kind kind,
                         const struct cv_ssdp_notice *notice)
{
    bool alive = kind == CV_SSDP_ALIVE, update = kind == CV_SSDP_UPDATE;
    struct cv_text text;

    cv_text_init(&text, out, CV_SSDP_OUT_MAX + 1);
    cv_text_str(&text, "NOTIFY * HTTP/1.1\r\n");
    put(&text, "HOST", host_of(notice->group));
    if (alive)
        put_age(&text, notice);
    if (alive || update)
        put(&text, "LOCATION", notice->location);
    put_target(&text, "NT", notice);
    put(&text, "NTS", alive ? "ssdp:alive" : update ? "ssdp:update" : "ssdp:byebye");
    if (alive)
        put(&text, "SERVER", notice->server);
    put(&text, "USN", notice->usn);
    put_number(&text, "BOOTID.UPNP.ORG", notice->boot);
    put_number(&text, "CONFIGID.UPNP.ORG", notice->config);
    if (update)
        put_number(&text, "NEXTBOOTID.UPNP.ORG", notice->next_boot);
    return end(&text);
}
