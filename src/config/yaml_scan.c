#include "config/yaml_scan.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"

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

static int add_place(struct walk *walk, const char *key, uint32_t item)
{
    struct cv_yaml_scan *out = walk->out;
    struct cv_yaml_place *grown =
        cv_arena_push(walk->arena, out->places, &out->count, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    out->places = grown;
    grown[out->count - 1] = (struct cv_yaml_place){
        .key = key, .item = item, .line = (unsigned)walk->event.start_mark.line + 1};
    return 0;
}

/* The last event is a value or an item of @key. */
static int walk_scalar(struct walk *walk, const char *key, uint32_t item)
{
    if (walk->event.type == YAML_ALIAS_EVENT)
        return refuse(walk, "aliases are not supported");
    if (walk->event.type != YAML_SCALAR_EVENT)
        return refuse(walk, "neither a plain value nor a list of plain values");
    if (memchr(walk->event.data.scalar.value, '\0', walk->event.data.scalar.length))
        return refuse(walk, "the value holds a NUL byte");
    return add_place(walk, key, item);
}

static int walk_list(struct walk *walk, const char *key)
{
    for (uint32_t item = 0;; item++) {
        int rc = next(walk);

        if (rc < 0 || walk->event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        rc = walk_scalar(walk, key, item);
        if (rc < 0)
            return rc;
    }
}

/* The last event is a key. */
static int walk_pair(struct walk *walk)
{
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
    rc = add_place(walk, key, CV_YAML_ITEM_KEY);
    if (rc < 0)
        return rc;
    walk->out->key = key;
    rc = next(walk);
    if (rc < 0)
        return rc;
    rc = walk->event.type == YAML_SEQUENCE_START_EVENT ? walk_list(walk, key)
                                                       : walk_scalar(walk, key, 0);
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
