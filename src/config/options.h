#ifndef CV_CONFIG_OPTIONS_H
#define CV_CONFIG_OPTIONS_H

#include <stdbool.h>

#include "base/log.h"
#include "base/text.h"
#include "config/arena.h"

/* One table a program says all about its options: flags, keys of the file, --help and --check are
 * made from it, and every value passes through the same function wherever it came from. To add an
 * option, add a field to the configuration and a row to the table. */

#define CV_CONFIG_ERROR_MAX   800   /* bytes of an error's line, its NUL included */
#define CV_CONFIG_VALUE_MAX   4096  /* bytes of one value */
#define CV_CONFIG_VALUES_MAX  10000 /* values of one repeatable option */
#define CV_CONFIG_OPTIONS_MAX 80    /* options of one program */

/* One line, without its end, for standard error: `culvert-server: FILE:LINE: KEY: what is wrong:
 * 'value'` or `culvert-server: --FLAG: what is wrong: 'value'`. Holds no secret and no control
 * bytes. */
struct cv_config_error {
    char line[CV_CONFIG_ERROR_MAX];
};

struct cv_option;

/* What a function that takes a value may use. */
struct cv_taking {
    struct cv_arena *arena; /* the configuration's */
    const struct cv_option *option;
    const char *problem; /* out: why the value is refused; static */
    bool hide;           /* out: it must not be shown, there may be a secret in it */
};

/* Reads @value (borrowed from the arena) into @at, or adds it there.
 *
 * CV_ESYNTAX  refused: see taking->problem
 * -ENOMEM */
typedef int cv_option_take(struct cv_taking *taking, void *at, const char *value);

struct cv_option {
    const char *name;     /* of the flag, behind `--`, and of the key */
    const char *argument; /* what --help calls its value; NULL: a switch */
    const char *help;     /* what it does, for --help */
    cv_option_take *take; /* NULL of --help and --version */
    size_t at;            /* offset of the field in the configuration */
    const char *fallback; /* taken when neither flag nor file gives one; NULL: nothing */
    uint64_t min, max;    /* of a number, both included */
    bool repeat;          /* a list: every flag and every item adds one */
    bool flag_only;       /* no key of the file */
    bool secret;          /* values may be secret: never shown */
    bool reloads;         /* SIGHUP reads it anew; of all others it is said that they wait */
    bool suffixes;        /* an item of the file may be a mapping of these (config/suffix.h) */
    bool bare; /* its values are the words that belong to no flag; it has none, and no key.
                  One of a table at most */
};

struct cv_program {
    const char *name;
    const char *synopsis;            /* for --help: lines under `Usage:` */
    const struct cv_option *options; /* without a row `config` there is no file */
    size_t option_count;             /* at most CV_CONFIG_OPTIONS_MAX */
};

/* Where a value came from. */
struct cv_value {
    const char *text; /* owned by the arena */
    unsigned line;    /* of the file; 0: a flag, or the default */
    unsigned index;   /* of the file: place in the list, from 0 */
};

/* The values of one option, from one source. */
struct cv_values {
    struct cv_value *at;
    size_t count;
};

enum cv_config_action { CV_CONFIG_RUN, CV_CONFIG_CHECK, CV_CONFIG_HELP, CV_CONFIG_VERSION };
enum cv_log_format { CV_LOG_TEXT, CV_LOG_JSON };

/* What the configurations of all programs start with. */
struct cv_common_config {
    enum cv_config_action action;
    struct cv_arena arena;
    const char *config_file; /* NULL: none */
    enum cv_log_level log_level;
    enum cv_log_format log_format;
    const char *user; /* NULL: stays who it is */
    bool unconfined;  /* without a filter of system calls */
    bool check;
    int argc; /* as cv_options_load() had them, borrowed: to read it all anew */
    const char *const *argv;
    const struct cv_program *program;
    struct cv_values *values; /* one an option: what holds, the defaults included; for --check */
};

/* Fills @config, which starts with a struct cv_common_config that cv_options_init() made, from
 * @argv, the file that
 * --config names, and the defaults. A flag wins over the file: a list of flags replaces the file's
 * list. After --help or --version nothing else is looked at.
 *
 * CV_ESYNTAX  a flag, the file or a value is wrong: see @error
 * -ENOMEM     see @error */
int cv_options_load(void *config, int argc, const char *const *argv,
                    struct cv_config_error *error) CV_MUST_USE;

/* The same with a file's text in place of --config; @file is its name for messages. For tests. */
int cv_options_load_text(void *config, const char *file, const char *text, size_t len,
                         struct cv_config_error *error) CV_MUST_USE;

void cv_options_init(struct cv_common_config *common, const struct cv_program *program,
                     const struct cv_alloc *alloc);
void cv_options_deinit(struct cv_common_config *common);

/* Calls @each for every option of which @a and @b hold different values, but those that are
 * reloaded. Both are of one program. */
void cv_options_differ(const struct cv_common_config *a, const struct cv_common_config *b,
                       void (*each)(void *ctx, const struct cv_option *option), void *ctx);

/* Fails with `PROGRAM: ORIGIN: PROBLEM: 'VALUE'`, where ORIGIN is the flag or the file's line that
 * set the first value of the option @name. @value may be NULL. Always CV_ESYNTAX. For checks across
 * options. */
int cv_options_refuse(const struct cv_common_config *common, const char *name, const char *problem,
                      const char *value, struct cv_config_error *error) CV_MUST_USE;

/* Starts a line with `PROGRAM: `. */
void cv_config_error_start(struct cv_text *text, struct cv_config_error *error,
                           const char *program);

/* Says that there is no memory; always -ENOMEM. */
int cv_config_error_memory(struct cv_config_error *error, const char *program) CV_MUST_USE;

#endif
