#include "config/options.h"

#include <errno.h>
#include <string.h>

#include "access/quote.h"
#include "base/error.h"
#include "config/file.h"
#include "config/yaml.h"

/* What flags and file say, before any of it is looked at. */
struct gathered {
    struct cv_values flags[CV_CONFIG_OPTIONS_MAX];
    struct cv_values file[CV_CONFIG_OPTIONS_MAX];
};

void cv_config_error_start(struct cv_text *text, struct cv_config_error *error, const char *program)
{
    cv_text_init(text, error->line, sizeof(error->line));
    cv_text_str(text, program);
    cv_text_str(text, ": ");
}

int cv_config_error_memory(struct cv_config_error *error, const char *program)
{
    struct cv_text text;

    cv_config_error_start(&text, error, program);
    cv_text_str(&text, "out of memory");
    return -ENOMEM;
}

void cv_options_init(struct cv_common_config *common, const struct cv_program *program,
                     const struct cv_alloc *alloc)
{
    cv_arena_init(&common->arena, alloc);
    common->program = program;
}

void cv_options_deinit(struct cv_common_config *common)
{
    cv_arena_deinit(&common->arena);
}

/* Starts a line with where @value of @option came from. */
static void start_at(struct cv_text *text, const struct cv_common_config *common,
                     const struct cv_option *option, const struct cv_value *value,
                     struct cv_config_error *error)
{
    cv_config_error_start(text, error, common->program->name);
    if (value && value->line) {
        cv_escape(text, common->config_file, strlen(common->config_file));
        cv_text_str(text, ":");
        cv_text_u64(text, value->line);
        cv_text_str(text, ": ");
    } else if (option->bare) {
        return;
    } else {
        cv_text_str(text, "--");
    }
    cv_text_str(text, option->name);
    cv_text_str(text, ": ");
}

static const struct cv_option *option_find(const struct cv_program *program, const char *name,
                                           size_t len)
{
    for (size_t i = 0; i < program->option_count; i++) {
        const struct cv_option *option = &program->options[i];

        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    }
    return NULL;
}

int cv_options_refuse(const struct cv_common_config *common, const char *name, const char *problem,
                      const char *value, struct cv_config_error *error)
{
    const struct cv_option *option = option_find(common->program, name, strlen(name));
    const struct cv_values *values = &common->values[option - common->program->options];
    struct cv_text text;

    start_at(&text, common, option, values->count ? &values->at[0] : NULL, error);
    cv_text_str(&text, problem);
    if (value) {
        cv_text_str(&text, ": ");
        cv_quote_str(&text, value);
    }
    return CV_ESYNTAX;
}

/* Reading flags */

struct flags {
    struct cv_common_config *common;
    struct cv_values *values; /* one an option */
    struct cv_config_error *error;
};

static int refuse_word(const struct flags *flags, const char *problem, const char *word, size_t len)
{
    struct cv_text text;

    cv_config_error_start(&text, flags->error, flags->common->program->name);
    cv_text_str(&text, problem);
    cv_text_str(&text, ": ");
    cv_quote(&text, word, len);
    cv_text_str(&text, " (--help shows what there is)");
    return CV_ESYNTAX;
}

static int add_flag(const struct flags *flags, const struct cv_option *option, const char *text)
{
    struct cv_values *values = &flags->values[option - flags->common->program->options];
    struct cv_value *at = values->at;

    /* of several the last one holds, as with every command that scripts add flags to */
    if (option->repeat || values->count == 0)
        at = cv_arena_push(&flags->common->arena, at, &values->count, sizeof(*at));
    if (!at)
        return cv_config_error_memory(flags->error, flags->common->program->name);
    values->at = at;
    at[values->count - 1].text = cv_arena_copy(&flags->common->arena, text, strlen(text));
    if (!at[values->count - 1].text)
        return cv_config_error_memory(flags->error, flags->common->program->name);
    return 0;
}

/* Reads the flag @word; returns how many words it took, 2 with @next (NULL at the end) as its
 * value. */
static int take_flag(const struct flags *flags, const char *word, const char *next)
{
    const char *name = word + 2, *sign = strchr(name, '=');
    size_t name_len = sign ? (size_t)(sign - name) : strlen(name);
    const struct cv_option *option = option_find(flags->common->program, name, name_len);
    const char *value = sign ? sign + 1 : next;
    int words = 1, rc;

    /* behind the sign may stand a secret that was meant for something else */
    if (!option || option->bare)
        return refuse_word(flags, "unknown flag", word, name_len + 2);
    if (!option->argument && !sign)
        value = "true";
    else if (!sign)
        words = 2;
    if (!value) {
        struct cv_text text;

        start_at(&text, flags->common, option, NULL, flags->error);
        cv_text_str(&text, "needs a value: ");
        cv_text_str(&text, option->argument);
        return CV_ESYNTAX;
    }
    rc = add_flag(flags, option, value);
    return rc < 0 ? rc : words;
}

/* Takes a word that belongs to no flag; returns 1, for it. */
static int take_word(const struct flags *flags, const char *word)
{
    const struct cv_program *program = flags->common->program;
    int rc;

    for (size_t i = 0; i < program->option_count; i++)
        if (program->options[i].bare) {
            rc = add_flag(flags, &program->options[i], word);
            return rc < 0 ? rc : 1;
        }
    return refuse_word(flags, "unexpected argument", word, strlen(word));
}

static int read_flags(const struct flags *flags, int argc, const char *const *argv)
{
    for (int i = 1; i < argc;) {
        int rc;

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            flags->common->action = CV_CONFIG_HELP;
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            flags->common->action = CV_CONFIG_VERSION;
            return 0;
        }
        if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0')
            rc = take_word(flags, argv[i]);
        else
            rc = take_flag(flags, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (rc < 0)
            return rc;
        i += rc;
    }
    return 0;
}

/* Making values of them */

static int refuse_value(const struct cv_common_config *common, const struct cv_taking *taking,
                        const struct cv_value *value, struct cv_config_error *error)
{
    struct cv_text text;

    start_at(&text, common, taking->option, value, error);
    cv_text_str(&text, taking->problem);
    if (!taking->option->secret && !taking->hide) {
        cv_text_str(&text, ": ");
        cv_quote_str(&text, value->text);
    }
    return CV_ESYNTAX;
}

static int take_value(struct cv_common_config *common, const struct cv_option *option,
                      const struct cv_value *value, struct cv_config_error *error)
{
    struct cv_taking taking = {.arena = &common->arena, .option = option};
    int rc = CV_ESYNTAX;

    if (strlen(value->text) > CV_CONFIG_VALUE_MAX)
        taking.problem = "longer than 4096 bytes";
    else
        rc = option->take(&taking, (char *)common + option->at, value->text);
    if (rc == -ENOMEM)
        return cv_config_error_memory(error, common->program->name);
    return rc < 0 ? refuse_value(common, &taking, value, error) : 0;
}

static int take_values(struct cv_common_config *common, const struct cv_option *option,
                       const struct cv_values *values, struct cv_config_error *error)
{
    int rc = 0;

    if (values->count > CV_CONFIG_VALUES_MAX) {
        struct cv_text text;

        start_at(&text, common, option, &values->at[0], error);
        cv_text_str(&text, "given more than 10000 times");
        return CV_ESYNTAX;
    }
    for (size_t i = 0; rc == 0 && i < values->count; i++)
        rc = take_value(common, option, &values->at[i], error);
    return rc;
}

/* The values of @option that hold: the flags', else the file's, else the default. */
static int choose(struct cv_values *out, struct cv_common_config *common,
                  const struct gathered *gathered, size_t option)
{
    const char *fallback = common->program->options[option].fallback;

    *out = gathered->flags[option].count ? gathered->flags[option] : gathered->file[option];
    if (out->count || !fallback)
        return 0;
    out->at = cv_arena_push(&common->arena, NULL, &out->count, sizeof(*out->at));
    if (!out->at)
        return -ENOMEM;
    out->at[0].text = fallback;
    return 0;
}

static int take_all(struct cv_common_config *common, const struct gathered *gathered,
                    struct cv_config_error *error)
{
    const struct cv_program *program = common->program;

    common->values =
        cv_arena_take(&common->arena, program->option_count * sizeof(struct cv_values));
    if (!common->values)
        return cv_config_error_memory(error, program->name);
    for (size_t i = 0; i < program->option_count; i++) {
        int rc;

        if (!program->options[i].take)
            continue;
        if (choose(&common->values[i], common, gathered, i) < 0)
            return cv_config_error_memory(error, program->name);
        rc = take_values(common, &program->options[i], &common->values[i], error);
        if (rc < 0)
            return rc;
    }
    if (common->check)
        common->action = CV_CONFIG_CHECK;
    return 0;
}

/* Reads the file that --config names, if any. */
static int read_config_file(struct cv_common_config *common, struct gathered *gathered,
                            struct cv_config_error *error)
{
    const struct cv_program *program = common->program;
    const struct cv_option *option = option_find(program, "config", 6);
    const struct cv_values *given = option ? &gathered->flags[option - program->options] : NULL;
    struct cv_file file;
    int rc;

    if (!given || given->count == 0)
        return 0;
    common->config_file = given->at[0].text;
    rc = cv_file_read(&file, &common->arena, program->name, common->config_file, CV_CONFIG_FILE_MAX,
                      false, error);
    if (rc < 0)
        return rc == -ENOMEM ? rc : CV_ESYNTAX;
    return cv_yaml_load(gathered->file, program, &common->arena, common->config_file, file.text,
                        file.len, error);
}

static bool is_same(const struct cv_values *a, const struct cv_values *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->at[i].text, b->at[i].text) != 0)
            return false;
    return true;
}

void cv_options_differ(const struct cv_common_config *a, const struct cv_common_config *b,
                       void (*each)(void *ctx, const struct cv_option *option), void *ctx)
{
    for (size_t i = 0; i < a->program->option_count; i++) {
        const struct cv_option *option = &a->program->options[i];

        if (!option->reloads && !is_same(&a->values[i], &b->values[i]))
            each(ctx, option);
    }
}

int cv_options_load(void *config, int argc, const char *const *argv, struct cv_config_error *error)
{
    struct cv_common_config *common = config;
    struct gathered gathered = {0};
    struct flags flags = {.common = common, .values = gathered.flags, .error = error};
    int rc = read_flags(&flags, argc, argv);

    common->argc = argc;
    common->argv = argv;
    if (rc < 0 || common->action == CV_CONFIG_HELP || common->action == CV_CONFIG_VERSION)
        return rc;
    rc = read_config_file(common, &gathered, error);
    if (rc < 0)
        return rc;
    return take_all(common, &gathered, error);
}

int cv_options_load_text(void *config, const char *file, const char *text, size_t len,
                         struct cv_config_error *error)
{
    struct cv_common_config *common = config;
    struct gathered gathered = {0};
    int rc;

    common->config_file = cv_arena_copy(&common->arena, file, strlen(file));
    if (!common->config_file)
        return cv_config_error_memory(error, common->program->name);
    rc = cv_yaml_load(gathered.file, common->program, &common->arena, common->config_file, text,
                      len, error);
    if (rc < 0)
        return rc;
    return take_all(common, &gathered, error);
}
