#include "discovery/description.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "discovery/url.h"

#define ELEMENT   "culvert:connectURL"
#define NAMESPACE "urn:culvert-tunnel:description:1"

/* Writing. */

static void put_escaped(struct cv_text *text, const char *value)
{
    for (; *value; value++) {
        if (*value == '<')
            cv_text_str(text, "&lt;");
        else if (*value == '>')
            cv_text_str(text, "&gt;");
        else if (*value == '&')
            cv_text_str(text, "&amp;");
        else if ((unsigned char)*value >= 0x20)
            cv_text_bytes(text, value, 1);
    }
}

static void put(struct cv_text *text, const char *name, const char *value)
{
    cv_text_str(text, "    <");
    cv_text_str(text, name);
    cv_text_str(text, ">");
    put_escaped(text, value);
    cv_text_str(text, "</");
    cv_text_str(text, name);
    cv_text_str(text, ">\n");
}

static void put_service(struct cv_text *text, const char *type)
{
    cv_text_str(text, "    <serviceList>\n    <service>\n");
    put(text, "serviceType", type);
    put(text, "serviceId", "urn:culvert-tunnel:serviceId:Tunnel");
    put(text, "SCPDURL", "");
    put(text, "controlURL", "");
    put(text, "eventSubURL", "");
    cv_text_str(text, "    </service>\n    </serviceList>\n");
}

static void put_device(struct cv_text *text, const struct cv_description *description)
{
    const struct cv_ssdp_identity *identity = description->identity;

    put(text, "deviceType", identity->type);
    put(text, "friendlyName", description->name);
    put(text, "manufacturer", "Culvert");
    put(text, "modelName", "Culvert");
    put(text, "modelNumber", description->version);
    cv_text_str(text, "    <UDN>uuid:");
    cv_text_str(text, identity->uuid);
    cv_text_str(text, "</UDN>\n");
    if (identity->service[0])
        put_service(text, identity->service);
}

int cv_description_write(char *out, size_t size, const struct cv_description *description)
{
    struct cv_text text;

    cv_text_init(&text, out, size);
    cv_text_str(&text, "<?xml version=\"1.0\"?>\n"
                       "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">\n"
                       "  <specVersion>\n    <major>1</major>\n    <minor>0</minor>\n"
                       "  </specVersion>\n  <device>\n");
    put_device(&text, description);
    if (description->authority) {
        cv_text_str(&text, "    <" ELEMENT " xmlns:culvert=\"" NAMESPACE "\">");
        cv_text_str(&text, description->tls ? "wss://" : "ws://");
        put_escaped(&text, description->authority);
        cv_text_str(&text, "/connect</" ELEMENT ">\n");
    }
    cv_text_str(&text, "  </device>\n</root>\n");
    return text.truncated ? CV_ETOOLONG : (int)text.len;
}

uint32_t cv_description_config(const struct cv_description *description)
{
    struct cv_description copy = *description;
    char text[CV_DESCRIPTION_OUT_MAX];
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */

    copy.authority = NULL; /* another on each interface */
    if (cv_description_write(text, sizeof(text), &copy) < 0)
        return 0;
    for (const char *at = text; *at; at++)
        hash = (hash ^ (uint8_t)*at) * UINT32_C(16777619);
    return (hash ^ hash >> 24) & UINT32_C(0x00ffffff);
}

/* Reading: no more of XML than such documents have. */

struct reader {
    struct cv_ssdp_slice left;
    struct cv_ssdp_slice open[CV_DESCRIPTION_DEPTH]; /* names of the elements around */
    size_t depth;
    bool rooted; /* the root element has begun */
    bool wanted; /* text of our element is being read */
    struct cv_text url;
};

static void skip(struct reader *reader, size_t len)
{
    reader->left.at += len;
    reader->left.len -= len;
}

/* Skips what ends in @end; false when that never comes. */
static bool skip_past(struct reader *reader, const char *end)
{
    size_t len = strlen(end);

    for (; reader->left.len >= len; skip(reader, 1)) {
        if (memcmp(reader->left.at, end, len) == 0) {
            skip(reader, len);
            return true;
        }
    }
    return false;
}

static bool starts(const struct reader *reader, const char *text)
{
    size_t len = strlen(text);

    return reader->left.len >= len && memcmp(reader->left.at, text, len) == 0;
}

/* Takes an entity off: the five that XML has by itself, and no other. */
static bool take_entity(struct reader *reader)
{
    static const char *const entities[][2] = {
        {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"},
    };

    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (!starts(reader, entities[i][0]))
            continue;
        if (reader->wanted)
            cv_text_str(&reader->url, entities[i][1]);
        skip(reader, strlen(entities[i][0]));
        return true;
    }
    return false;
}

static bool take_text(struct reader *reader)
{
    char byte = reader->left.at[0];
    bool blank = byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';

    if (byte == '&')
        return take_entity(reader);
    if (!blank && ((unsigned char)byte < 0x20 || reader->depth == 0))
        return false;
    if (reader->wanted && !blank)
        cv_text_bytes(&reader->url, &byte, 1);
    skip(reader, 1);
    return true;
}

/* The name at the start of a tag's inside. */
static struct cv_ssdp_slice name_of(struct cv_ssdp_slice tag)
{
    size_t len = 0;

    while (len < tag.len && !strchr(" \t\r\n/", tag.at[len]))
        len++;
    return (struct cv_ssdp_slice){tag.at, len};
}

/* What stands between `<` and `>`, quotes minded; false when it does not end. */
static bool take_tag(struct reader *reader, struct cv_ssdp_slice *tag)
{
    char quote = 0;
    size_t len = 1;

    for (; len < reader->left.len && (quote || reader->left.at[len] != '>'); len++) {
        char byte = reader->left.at[len];

        if (byte == '<' || byte == '&')
            return false; /* entities in attributes: ours have none */
        if (quote)
            quote = byte == quote ? 0 : quote;
        else if (byte == '"' || byte == '\'')
            quote = byte;
    }
    if (len >= reader->left.len)
        return false;
    *tag = (struct cv_ssdp_slice){reader->left.at + 1, len - 1};
    skip(reader, len + 1);
    return true;
}

static int close_element(struct reader *reader, struct cv_ssdp_slice name)
{
    if (reader->depth == 0 || !cv_ssdp_slice_same(name, reader->open[reader->depth - 1]))
        return CV_ESYNTAX;
    reader->depth--;
    reader->wanted = false;
    return 0;
}

static int open_element(struct reader *reader, struct cv_ssdp_slice tag)
{
    struct cv_ssdp_slice name = name_of(tag);
    bool empty = tag.len && tag.at[tag.len - 1] == '/';

    if (name.len == 0 || memchr(tag.at, '\0', tag.len) || (reader->depth == 0 && reader->rooted))
        return CV_ESYNTAX;
    reader->rooted = true;
    if (empty)
        return 0;
    if (reader->depth == CV_DESCRIPTION_DEPTH)
        return CV_ETOOLONG;
    reader->open[reader->depth++] = name;
    reader->wanted = cv_ssdp_slice_is(name, ELEMENT) && reader->url.len == 0;
    return 0;
}

static int take_markup(struct reader *reader)
{
    struct cv_ssdp_slice tag;

    if (starts(reader, "<!--"))
        return skip_past(reader, "-->") ? 0 : CV_ESYNTAX;
    if (starts(reader, "<?"))
        return skip_past(reader, "?>") ? 0 : CV_ESYNTAX;
    if (starts(reader, "<!") || !take_tag(reader, &tag))
        return CV_ESYNTAX; /* DOCTYPE, and CDATA, which such a document has no use for */
    if (tag.len && tag.at[0] == '/')
        return close_element(reader, name_of((struct cv_ssdp_slice){tag.at + 1, tag.len - 1}));
    return open_element(reader, tag);
}

int cv_description_read(char url[CV_SSDP_URL_MAX + 1], const char *text, size_t len)
{
    struct reader reader = {.left = {text, len}};
    struct cv_ssdp_url parsed;
    int rc = 0;

    cv_text_init(&reader.url, url, CV_SSDP_URL_MAX + 1);
    if (len > CV_DESCRIPTION_MAX)
        return CV_ETOOLONG;
    if (starts(&reader, "\xef\xbb\xbf")) /* a byte order mark */
        skip(&reader, 3);
    while (rc == 0 && reader.left.len) {
        if (reader.left.at[0] == '<')
            rc = take_markup(&reader);
        else
            rc = take_text(&reader) ? 0 : CV_ESYNTAX;
    }
    if (rc == 0 && (!reader.rooted || reader.depth || reader.url.truncated ||
                    (reader.url.len && cv_ssdp_ws_parse(&parsed, url, reader.url.len) < 0)))
        rc = CV_ESYNTAX;
    if (rc < 0)
        url[0] = '\0';
    return rc;
}
