#include "config/yaml.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access/quote.h"
#include "base/error.h"
#include "config/yaml_scan.h"

/* Where libcyaml puts the value of one option. */
struct slot {
    char *one;   /* of an option that is no list */
    char **list; /* of a list */
    uint32_t count;
};

static const cyaml_schema_value_t item_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED)};

/* The key that libcyaml's log complains about. */
struct complaint {
    char key[CV_YAML_KEY_MAX + 1];
};

struct loading {
    const struct cv_program *program;
    struct cv_arena *arena;
    const char *file;
    struct cv_yaml_scan scan;
    struct cv_config_error *error;
};

/* `PROGRAM: FILE:LINE: KEY: PROBLEM`, KEY and what belongs to it only where there is one. */
static int refuse(const struct loading *loading, unsigned line, const char *key,
                  const char *problem)
{
    struct cv_text text;

    cv_config_error_start(&text, loading->error, loading->program->name);
    cv_escape(&text, loading->file, strlen(loading->file));
    cv_text_str(&text, ":");
    cv_text_u64(&text, line);
    cv_text_str(&text, ": ");
    if (key) {
        cv_escape(&text, key, strlen(key));
        cv_text_str(&text, ": ");
    }
    cv_text_str(&text, problem);
    return CV_ESYNTAX;
}

/* A field of the schema: everything is text here, so that flags and file share the functions that
 * read values. */
static cyaml_schema_field_t field_of(const struct cv_option *option, size_t index)
{
    size_t at = index * sizeof(struct slot);
    cyaml_schema_field_t field = {
        .key = option->name,
        .value = {.flags = CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL},
    };

    if (option->repeat) {
        field.data_offset = (uint32_t)(at + offsetof(struct slot, list));
        field.count_offset = (uint32_t)(at + offsetof(struct slot, count));
        field.count_size = sizeof(uint32_t);
        field.value.type = CYAML_SEQUENCE;
        field.value.data_size = sizeof(char *);
        field.value.sequence.entry = &item_schema;
        field.value.sequence.max = CYAML_UNLIMITED;
    } else {
        field.data_offset = (uint32_t)(at + offsetof(struct slot, one));
        field.value.type = CYAML_STRING;
        field.value.data_size = sizeof(char);
        field.value.string.max = CYAML_UNLIMITED;
    }
    return field;
}

static void collect(cyaml_log_t level, void *ctx, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* libcyaml's log function: keeps the key that is named first. */
static void collect(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    static const char *const heads[] = {
        "Load: Unexpected key: ", "Load: Mapping field already seen: ", "  in mapping field '"};
    struct complaint *complaint = ctx;
    char line[CV_YAML_KEY_MAX + 64];

    (void)level;
    (void)vsnprintf(line, sizeof(line), format, args);
    for (size_t i = 0; complaint->key[0] == '\0' && i < sizeof(heads) / sizeof(heads[0]); i++) {
        size_t len = strlen(heads[i]);
        const char *end;

        if (strncmp(line, heads[i], len) != 0)
            continue;
        end = i == 2 ? strrchr(line, '\'') : strrchr(line, '\n');
        if (end && end > line + len && (size_t)(end - line) - len < sizeof(complaint->key))
            memcpy(complaint->key, line + len, (size_t)(end - line) - len);
    }
}

/* The line of the @nth (from 0) time that @key stands in the text, or else of its last. */
static unsigned line_of(const struct cv_yaml_scan *scan, const char *key, size_t nth)
{
    unsigned line = 1;

    for (size_t i = 0; i < scan->count; i++) {
        if (scan->places[i].item != CV_YAML_ITEM_KEY || strcmp(scan->places[i].key, key) != 0)
            continue;
        line = scan->places[i].line;
        if (nth-- == 0)
            break;
    }
    return line;
}

static size_t option_index(const struct cv_program *program, const char *name)
{
    for (size_t i = 0; i < program->option_count; i++)
        if (!program->options[i].flag_only && strcmp(program->options[i].name, name) == 0)
            return i;
    return program->option_count;
}

/* Says what libcyaml found. */
static int refuse_schema(const struct loading *loading, cyaml_err_t code,
                         const struct complaint *complaint)
{
    const char *key = complaint->key;
    size_t index = option_index(loading->program, key);
    bool known = index < loading->program->option_count;

    if (code == CYAML_ERR_OOM)
        return cv_config_error_memory(loading->error, loading->program->name);
    if (code == CYAML_ERR_UNEXPECTED_EVENT)
        return refuse(loading, line_of(&loading->scan, key, 1), key, "stands there twice");
    if (code == CYAML_ERR_INVALID_VALUE && known)
        return refuse(loading, line_of(&loading->scan, key, 0), key,
                      loading->program->options[index].repeat
                          ? "must be a list, such as [VALUE, VALUE]"
                          : "must be one plain value");
    if (code == CYAML_ERR_INVALID_KEY)
        return refuse(loading, line_of(&loading->scan, key, 0), key, "unknown key");
    return refuse(loading, line_of(&loading->scan, key, 0), key, cyaml_strerror(code));
}

static int add_value(const struct loading *loading, struct cv_values *values, const char *text)
{
    struct cv_value *grown =
        cv_arena_push(loading->arena, values->at, &values->count, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    values->at = grown;
    grown[values->count - 1].text = cv_arena_copy(loading->arena, text, strlen(text));
    return grown[values->count - 1].text ? 0 : -ENOMEM;
}

static int copy_slot(const struct loading *loading, struct cv_values *values,
                     const struct slot *slot)
{
    if (slot->one)
        return add_value(loading, values, slot->one);
    for (uint32_t i = 0; i < slot->count; i++) {
        int rc = add_value(loading, values, slot->list[i]);

        if (rc < 0)
            return rc;
    }
    return 0;
}

static int copy_slots(const struct loading *loading, struct cv_values *values,
                      const struct slot *slots)
{
    for (size_t i = 0; i < loading->program->option_count; i++)
        if (copy_slot(loading, &values[i], &slots[i]) < 0)
            return cv_config_error_memory(loading->error, loading->program->name);
    for (size_t i = 0; i < loading->scan.count; i++) {
        const struct cv_yaml_place *place = &loading->scan.places[i];
        struct cv_values *at = &values[option_index(loading->program, place->key)];

        if (place->item < at->count)
            at->at[place->item].line = place->line;
    }
    return 0;
}

/* Reads @text, which is known to be a mapping, by the schema of the program's options. */
static int load_schema(const struct loading *loading, struct cv_values *values, const char *text,
                       size_t len)
{
    cyaml_schema_field_t fields[CV_CONFIG_OPTIONS_MAX + 1] = {0};
    size_t count = 0;
    const cyaml_schema_value_t schema = {
        .type = CYAML_MAPPING,
        .flags = CYAML_FLAG_POINTER,
        .data_size = (uint32_t)(loading->program->option_count * sizeof(struct slot)),
        .mapping = {.fields = fields},
    };
    struct complaint complaint = {0};
    const cyaml_config_t config = {.log_fn = collect,
                                   .log_ctx = &complaint,
                                   .log_level = CYAML_LOG_ERROR,
                                   .mem_fn = cyaml_mem,
                                   .flags = CYAML_CFG_NO_ALIAS};
    struct slot *slots = NULL;
    cyaml_err_t code;
    int rc;

    for (size_t i = 0; i < loading->program->option_count; i++)
        if (!loading->program->options[i].flag_only)
            fields[count++] = field_of(&loading->program->options[i], i);
    code = cyaml_load_data((const uint8_t *)text, len, &config, &schema, (void **)&slots, NULL);
    if (code != CYAML_OK)
        return refuse_schema(loading, code, &complaint);
    rc = slots ? copy_slots(loading, values, slots) : 0;
    (void)cyaml_free(&config, &schema, slots, 0);
    return rc;
}

/* Reads a file in which items are mappings: only of lists that know what these hold. */
static int load_mapped(const struct loading *loading, struct cv_values *values)
{
    const char *flat;

    for (size_t i = 0; i < loading->scan.count; i++) {
        const struct cv_yaml_place *place = &loading->scan.places[i];
        size_t index = option_index(loading->program, place->key);

        if (place->mapped && index < loading->program->option_count &&
            !loading->program->options[index].suffixes)
            return refuse(loading, place->line, place->key,
                          "neither a plain value nor a list of plain values");
    }
    flat = cv_yaml_flatten(&loading->scan, loading->arena);
    if (!flat)
        return cv_config_error_memory(loading->error, loading->program->name);
    return load_schema(loading, values, flat, strlen(flat));
}

int cv_yaml_load(struct cv_values *values, const struct cv_program *program, struct cv_arena *arena,
                 const char *file, const char *text, size_t len, struct cv_config_error *error)
{
    struct loading loading = {.program = program, .arena = arena, .file = file, .error = error};
    int rc = cv_yaml_scan(&loading.scan, arena, text, len);

    if (rc == -ENOMEM)
        return cv_config_error_memory(error, program->name);
    if (rc < 0)
        return refuse(&loading, loading.scan.line, loading.scan.key, loading.scan.problem);
    if (loading.scan.count == 0)
        return 0;
    if (loading.scan.mapped)
        return load_mapped(&loading, values);
    return load_schema(&loading, values, text, len);
}
