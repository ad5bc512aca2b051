#include "discovery/message.h"

#include <string.h>

#include "base/date.h"
#include "base/error.h"
#include "base/text.h"
#include "discovery/url.h"

/* A header of the datagram that is being read. */
struct header {
    struct cv_ssdp_slice name, value;
};

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

bool cv_ssdp_same_word(struct cv_ssdp_slice a, const char *word)
{
    if (a.len != strlen(word))
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.at[i]) != lower(word[i]))
            return false;
    return true;
}

bool cv_ssdp_slice_same(struct cv_ssdp_slice a, struct cv_ssdp_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

struct cv_ssdp_slice cv_ssdp_slice_of(const char *text)
{
    return (struct cv_ssdp_slice){text, strlen(text)};
}

bool cv_ssdp_slice_is(struct cv_ssdp_slice slice, const char *text)
{
    return cv_ssdp_slice_same(slice, cv_ssdp_slice_of(text));
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

static struct cv_ssdp_slice trim(struct cv_ssdp_slice text)
{
    while (text.len && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len && is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

/* Takes the next line off @rest, without its end: CRLF, or LF alone. False at the end. */
static bool next_line(struct cv_ssdp_slice *rest, struct cv_ssdp_slice *line)
{
    const char *end;

    if (rest->len == 0)
        return false;
    end = memchr(rest->at, '\n', rest->len);
    line->at = rest->at;
    line->len = end ? (size_t)(end - rest->at) : rest->len;
    rest->len -= line->len + (end != NULL);
    rest->at += line->len + (end != NULL);
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

static bool read_start(struct cv_ssdp_message *out, struct cv_ssdp_slice line)
{
    static const struct {
        const char *line;
        enum cv_ssdp_kind kind;
    } starts[] = {
        {"NOTIFY * HTTP/1.1", CV_SSDP_OTHER},
        {"M-SEARCH * HTTP/1.1", CV_SSDP_SEARCH},
        {"HTTP/1.1 200 OK", CV_SSDP_ANSWER},
        {"HTTP/1.0 200 OK", CV_SSDP_ANSWER},
    };

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (cv_ssdp_slice_is(trim(line), starts[i].line)) {
            out->kind = starts[i].kind;
            return true;
        }
    }
    return false;
}

/* The number that is all of @text, at most @most; -1 when it is none. */
static int64_t number_of(struct cv_ssdp_slice text, int64_t most)
{
    int64_t value;

    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return -1;
    if (text.len == 0)
        return -1;
    if (!cv_text_to_i64(text.at, text.len, &value)) /* digits alone: it is only too large */
        return most;
    return value < most ? value : most;
}

/* Takes the next directive, up to a comma that stands in no quotes. */
static struct cv_ssdp_slice next_directive(struct cv_ssdp_slice *rest)
{
    struct cv_ssdp_slice found = {rest->at, 0};
    bool quoted = false;

    while (found.len < rest->len && (quoted || rest->at[found.len] != ',')) {
        if (rest->at[found.len] == '"')
            quoted = !quoted;
        found.len++;
    }
    rest->at += found.len + (found.len < rest->len);
    rest->len -= found.len + (found.len < rest->len);
    return found;
}

/* Seconds of max-age in a Cache-Control, or -1. */
static int64_t max_age(struct cv_ssdp_slice value)
{
    while (value.len) {
        struct cv_ssdp_slice directive = next_directive(&value), number;
        const char *sign = memchr(directive.at, '=', directive.len);

        if (!sign || !cv_ssdp_same_word(
                         trim((struct cv_ssdp_slice){directive.at, (size_t)(sign - directive.at)}),
                         "max-age"))
            continue;
        number.at = sign + 1;
        number.len = directive.len - (size_t)(number.at - directive.at);
        number = trim(number);
        if (number.len >= 2 && number.at[0] == '"' && number.at[number.len - 1] == '"')
            number = trim((struct cv_ssdp_slice){number.at + 1, number.len - 2});
        return number_of(number, CV_SSDP_AGE_MAX);
    }
    return -1;
}

/* Seconds from @wall until an Expires, 0 when it has passed, or -1. */
static int64_t expires_in(struct cv_ssdp_slice value, int64_t wall)
{
    int64_t when;

    if (!value.at || !cv_date_read(&when, value.at, value.len))
        return -1;
    if (when <= wall)
        return 0;
    return when - wall < CV_SSDP_AGE_MAX ? when - wall : CV_SSDP_AGE_MAX;
}

/* What headers say that only the whole datagram can be judged by. */
struct gathered {
    struct cv_ssdp_slice nts, nt, st, man, mx, cache, expires, boot, next_boot;
};

/* Of duplicates the first wins; headers that are not known are left out. */
static void take_header(struct cv_ssdp_message *out, struct gathered *all,
                        const struct header *header)
{
    const struct {
        const char *name;
        struct cv_ssdp_slice *at;
    } known[] = {
        {"NT", &all->nt},
        {"ST", &all->st},
        {"NTS", &all->nts},
        {"USN", &out->usn},
        {"LOCATION", &out->location},
        {"AL", &out->al},
        {"SERVER", &out->server},
        {"MAN", &all->man},
        {"MX", &all->mx},
        {"CACHE-CONTROL", &all->cache},
        {"EXPIRES", &all->expires},
        {"BOOTID.UPNP.ORG", &all->boot},
        {"NEXTBOOTID.UPNP.ORG", &all->next_boot},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!known[i].at->at && cv_ssdp_same_word(header->name, known[i].name))
            *known[i].at = header->value;
}

static void read_headers(struct cv_ssdp_message *out, struct gathered *all,
                         struct cv_ssdp_slice rest)
{
    struct cv_ssdp_slice line;

    while (next_line(&rest, &line) && line.len) {
        const char *colon = memchr(line.at, ':', line.len);
        struct header header;

        if (!colon || is_blank(line.at[0]))
            continue;
        header.name = trim((struct cv_ssdp_slice){line.at, (size_t)(colon - line.at)});
        header.value =
            trim((struct cv_ssdp_slice){colon + 1, line.len - (size_t)(colon + 1 - line.at)});
        take_header(out, all, &header);
    }
}

static enum cv_ssdp_kind notify_kind(struct cv_ssdp_slice nts)
{
    if (cv_ssdp_slice_is(nts, "ssdp:alive"))
        return CV_SSDP_ALIVE;
    if (cv_ssdp_slice_is(nts, "ssdp:byebye"))
        return CV_SSDP_BYEBYE;
    return cv_ssdp_slice_is(nts, "ssdp:update") ? CV_SSDP_UPDATE : CV_SSDP_OTHER;
}

static int64_t boot_of(struct cv_ssdp_slice value)
{
    int64_t boot = value.at ? number_of(value, INT64_MAX) : -1;

    return boot > INT32_MAX ? -1 : boot;
}

int cv_ssdp_parse(struct cv_ssdp_message *out, const char *data, size_t len, int64_t wall)
{
    struct cv_ssdp_slice rest = {data, len}, line, al;
    struct gathered all = {0};
    int64_t mx;

    *out = (struct cv_ssdp_message){.age = -1};
    if (len > CV_SSDP_IN_MAX || !next_line(&rest, &line) || !read_start(out, line))
        return CV_ESYNTAX;
    read_headers(out, &all, rest);
    if (out->kind == CV_SSDP_OTHER)
        out->kind = notify_kind(all.nts);
    out->target = out->kind == CV_SSDP_SEARCH || out->kind == CV_SSDP_ANSWER ? all.st : all.nt;
    out->discover = cv_ssdp_slice_is(all.man, "\"ssdp:discover\"") ||
                    cv_ssdp_slice_is(all.man, "ssdp:discover");
    mx = all.mx.at ? number_of(all.mx, CV_SSDP_MX_MAX) : 0;
    out->mx = mx > 0 ? (int)mx : 0;
    out->age = all.cache.at ? max_age(all.cache) : -1;
    if (out->age < 0)
        out->age = expires_in(all.expires, wall);
    out->boot = boot_of(all.boot);
    out->next_boot = boot_of(all.next_boot);
    al = out->al;
    if (!out->location.at && cv_ssdp_alternate(&al, &out->location))
        out->al = al;
    return 0;
}

bool cv_ssdp_alternate(struct cv_ssdp_slice *al, struct cv_ssdp_slice *uri)
{
    struct cv_ssdp_url url;

    while (al->len) {
        const char *open = memchr(al->at, '<', al->len), *close;
        size_t left;

        if (!open)
            break;
        left = al->len - (size_t)(open + 1 - al->at);
        close = left ? memchr(open + 1, '>', left) : NULL;
        if (!close)
            break;
        *uri = (struct cv_ssdp_slice){open + 1, (size_t)(close - open - 1)};
        al->len -= (size_t)(close + 1 - al->at);
        al->at = close + 1;
        if (cv_ssdp_url_parse(&url, uri->at, uri->len) == 0)
            return true;
    }
    *uri = (struct cv_ssdp_slice){NULL, 0};
    return false;
}

struct cv_ssdp_slice cv_ssdp_device(struct cv_ssdp_slice usn)
{
    for (size_t i = 0; i + 1 < usn.len; i++)
        if (usn.at[i] == ':' && usn.at[i + 1] == ':')
            return (struct cv_ssdp_slice){usn.at, i};
    return usn;
}

/* Printable ASCII, and not longer than any real one. */
static bool name_good(struct cv_ssdp_slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] < 0x20 || name.at[i] > 0x7e)
            return false;
    return name.len <= CV_SSDP_NAME_MAX;
}

enum cv_ssdp_verdict cv_ssdp_judge(const struct cv_ssdp_message *message)
{
    struct cv_ssdp_url url;

    if (message->kind == CV_SSDP_SEARCH || message->kind == CV_SSDP_OTHER ||
        message->target.len == 0 || message->usn.len == 0)
        return CV_SSDP_SKIP;
    if (!name_good(message->target) || !name_good(message->usn))
        return CV_SSDP_REJECT;
    if (message->kind == CV_SSDP_BYEBYE)
        return CV_SSDP_GONE;
    if (message->kind == CV_SSDP_UPDATE)
        return message->next_boot < 0 ? CV_SSDP_SKIP : CV_SSDP_MOVED;
    if (message->location.len == 0)
        return CV_SSDP_SKIP;
    if (cv_ssdp_url_parse(&url, message->location.at, message->location.len) < 0)
        return CV_SSDP_REJECT;
    return message->age > 0 ? CV_SSDP_KEEP : CV_SSDP_REPORT;
}
