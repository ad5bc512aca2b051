#include "config/yaml_scan.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/text.h"
#include "config/suffix.h"

struct walk {
    struct cv_yaml_scan *out;
    struct cv_arena *arena;
    const char *text;
    yaml_parser_t parser;
    yaml_event_t event; /* the last one; always one that can be deleted */
};

static int refuse(struct walk *walk, const char *problem)
{
    walk->out->line = (unsigned)walk->event.start_mark.line + 1;
    walk->out->problem = problem;
    return CV_ESYNTAX;
}

/* What the parser said. Bytes that are no text have an offset in place of a line. */
static int refuse_syntax(struct walk *walk)
{
    const yaml_parser_t *parser = &walk->parser;
    unsigned line = (unsigned)parser->problem_mark.line;

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        line = 0;
        for (size_t i = 0; i < parser->problem_offset; i++)
            line += walk->text[i] == '\n';
    }
    walk->out->line = line + 1;
    walk->out->problem =
        cv_arena_copy(walk->arena, parser->problem, parser->problem ? strlen(parser->problem) : 0);
    return walk->out->problem ? CV_ESYNTAX : -ENOMEM;
}

static int next(struct walk *walk)
{
    yaml_event_delete(&walk->event);
    if (yaml_parser_parse(&walk->parser, &walk->event))
        return 0;
    memset(&walk->event, 0, sizeof(walk->event));
    return refuse_syntax(walk);
}

/* Adds @place, which starts where the last event does unless it says otherwise. */
static int add_place(struct walk *walk, const struct cv_yaml_place *place)
{
    struct cv_yaml_scan *out = walk->out;
    struct cv_yaml_place *grown =
        cv_arena_push(walk->arena, out->places, &out->count, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    out->places = grown;
    grown[out->count - 1] = *place;
    return 0;
}

static unsigned line_now(const struct walk *walk)
{
    return (unsigned)walk->event.start_mark.line + 1;
}

/* The text of the last event, which is a plain value. */
static int take_scalar(struct walk *walk, const char **text)
{
    if (walk->event.type == YAML_ALIAS_EVENT)
        return refuse(walk, "aliases are not supported");
    if (walk->event.type != YAML_SCALAR_EVENT)
        return refuse(walk, "neither a plain value nor a list of plain values");
    if (memchr(walk->event.data.scalar.value, '\0', walk->event.data.scalar.length))
        return refuse(walk, "the value holds a NUL byte");
    *text = cv_arena_copy(walk->arena, (const char *)walk->event.data.scalar.value,
                          walk->event.data.scalar.length);
    return *text ? 0 : -ENOMEM;
}

/* The last event is a value or an item of @key. */
static int walk_scalar(struct walk *walk, const char *key, uint32_t item, bool listed)
{
    struct cv_yaml_place place = {
        .key = key, .item = item, .line = line_now(walk), .listed = listed};
    int rc = take_scalar(walk, &place.text);

    return rc < 0 ? rc : add_place(walk, &place);
}

/* Puts four parts behind *@text. */
static int join(struct walk *walk, const char **text, const char *const parts[4])
{
    size_t size = strlen(*text) + 1;
    struct cv_text out;
    char *longer;

    for (int i = 0; i < 4; i++)
        size += strlen(parts[i]);
    longer = cv_arena_take(walk->arena, size);
    if (!longer)
        return -ENOMEM;
    cv_text_init(&out, longer, size);
    cv_text_str(&out, *text);
    for (int i = 0; i < 4; i++)
        cv_text_str(&out, parts[i]);
    *text = longer;
    return 0;
}

/* The last event is a key of a mapping in the list @key: takes the pair into the item's value
 * *@own, or behind the suffixes *@rest. */
static int walk_item_pair(struct walk *walk, const char *key, const char **own, const char **rest)
{
    const char *name, *value;
    int rc = take_scalar(walk, &name);

    if (rc < 0)
        return rc;
    if (strcmp(name, key) != 0 && !cv_suffix_known(name))
        return refuse(walk, "a mapping in a list holds the list's own key, proxy-protocol and "
                            "send-proxy");
    rc = next(walk);
    if (rc < 0)
        return rc;
    rc = take_scalar(walk, &value);
    if (rc < 0)
        return rc;
    if (strcmp(name, key) != 0)
        return join(walk, rest, (const char *const[]){",", name, "=", value});
    if (*own)
        return refuse(walk, "the list's own key stands there twice");
    *own = value;
    return 0;
}

/* The last event began a mapping in the list @key. */
static int walk_item(struct walk *walk, const char *key, uint32_t item)
{
    struct cv_yaml_place place = {
        .key = key, .item = item, .line = line_now(walk), .mapped = true, .listed = true};
    const char *rest = "";
    int rc;

    for (;;) {
        rc = next(walk);
        if (rc < 0)
            return rc;
        if (walk->event.type == YAML_MAPPING_END_EVENT)
            break;
        rc = walk_item_pair(walk, key, &place.text, &rest);
        if (rc < 0)
            return rc;
    }
    if (!place.text)
        return refuse(walk, "a mapping in a list needs the list's own key");
    walk->out->mapped = true;
    rc = join(walk, &place.text, (const char *const[]){rest, "", "", ""});
    return rc < 0 ? rc : add_place(walk, &place);
}

static int walk_list(struct walk *walk, const char *key)
{
    for (uint32_t item = 0;; item++) {
        int rc = next(walk);

        if (rc < 0 || walk->event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        rc = walk->event.type == YAML_MAPPING_START_EVENT ? walk_item(walk, key, item)
                                                          : walk_scalar(walk, key, item, true);
        if (rc < 0)
            return rc;
    }
}

/* The last event is a key. */
static int walk_pair(struct walk *walk)
{
    struct cv_yaml_place place = {.item = CV_YAML_ITEM_KEY};
    const char *key;
    int rc;

    if (walk->event.type != YAML_SCALAR_EVENT || walk->event.data.scalar.length == 0 ||
        walk->event.data.scalar.length > CV_YAML_KEY_MAX ||
        memchr(walk->event.data.scalar.value, '\0', walk->event.data.scalar.length))
        return refuse(walk, "not the name of an option");
    key = cv_arena_copy(walk->arena, (const char *)walk->event.data.scalar.value,
                        walk->event.data.scalar.length);
    if (!key)
        return -ENOMEM;
    place.key = walk->out->key = key;
    place.line = line_now(walk);
    rc = next(walk);
    if (rc < 0)
        return rc;
    place.listed = walk->event.type == YAML_SEQUENCE_START_EVENT;
    rc = add_place(walk, &place);
    if (rc < 0)
        return rc;
    rc = place.listed ? walk_list(walk, key) : walk_scalar(walk, key, 0, false);
    if (rc == 0)
        walk->out->key = NULL;
    return rc;
}

static int walk_mapping(struct walk *walk)
{
    for (;;) {
        int rc = next(walk);

        if (rc < 0 || walk->event.type == YAML_MAPPING_END_EVENT)
            return rc;
        rc = walk_pair(walk);
        if (rc < 0)
            return rc;
    }
}

/* The last event is a document's first. */
static int walk_document(struct walk *walk)
{
    int rc;

    if (walk->event.type == YAML_MAPPING_START_EVENT)
        rc = walk_mapping(walk);
    else if (walk->event.type == YAML_SCALAR_EVENT && walk->event.data.scalar.length == 0)
        rc = 0;
    else
        return refuse(walk, "not a mapping of options to values, `listen: [...]`");
    if (rc < 0)
        return rc;
    rc = next(walk); /* end of document */
    if (rc < 0)
        return rc;
    rc = next(walk);
    if (rc == 0 && walk->event.type != YAML_STREAM_END_EVENT)
        return refuse(walk, "a second document");
    return rc;
}

static int walk_stream(struct walk *walk)
{
    int rc = next(walk); /* start of stream */

    if (rc == 0)
        rc = next(walk);
    if (rc < 0 || walk->event.type == YAML_STREAM_END_EVENT)
        return rc;
    rc = next(walk);
    return rc < 0 ? rc : walk_document(walk);
}

int cv_yaml_scan(struct cv_yaml_scan *out, struct cv_arena *arena, const char *text, size_t len)
{
    struct walk walk = {.out = out, .arena = arena, .text = text};
    int rc;

    *out = (struct cv_yaml_scan){0};
    if (!yaml_parser_initialize(&walk.parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&walk.parser, (const unsigned char *)text, len);
    rc = walk_stream(&walk);
    yaml_event_delete(&walk.event);
    yaml_parser_delete(&walk.parser);
    return rc;
}

/* Appends @text, valid UTF-8, in double quotes. */
static void quote(struct cv_text *out, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)text;

    cv_text_str(out, "\"");
    while (*at) {
        uint32_t point = *at++;

        if (point >= 0x20 && point < 0x7f && point != '"' && point != '\\') {
            cv_text_bytes(out, (const char *)at - 1, 1);
            continue;
        }
        if (point >= 0xc0)
            point &= point < 0xe0 ? 0x1f : point < 0xf0 ? 0x0f : 0x07;
        while ((*at & 0xc0) == 0x80)
            point = point << 6 | (*at++ & 0x3f);
        cv_text_str(out, "\\U");
        for (int shift = 28; shift >= 0; shift -= 4)
            cv_text_bytes(out, &digits[point >> shift & 15], 1);
    }
    cv_text_str(out, "\"");
}

const char *cv_yaml_flatten(const struct cv_yaml_scan *scan, struct cv_arena *arena)
{
    struct cv_text out;
    size_t size = 1;
    char *buf;

    for (size_t i = 0; i < scan->count; i++) /* a byte is ten at most, as \UXXXXXXXX */
        size += 10 * strlen(scan->places[i].text ? scan->places[i].text : scan->places[i].key) + 8;
    buf = cv_arena_take(arena, size);
    if (!buf)
        return NULL;
    cv_text_init(&out, buf, size);
    for (size_t i = 0; i < scan->count; i++) {
        const struct cv_yaml_place *place = &scan->places[i];
        bool last = i + 1 == scan->count || scan->places[i + 1].item == CV_YAML_ITEM_KEY;

        quote(&out, place->text ? place->text : place->key);
        if (place->item == CV_YAML_ITEM_KEY)
            cv_text_str(&out, place->listed ? ": [" : ": ");
        else
            cv_text_str(&out, last ? "" : ", ");
        if (last)
            cv_text_str(&out, place->listed ? "]\n" : "\n");
    }
    return buf;
}
