#ifndef CV_CONFIG_YAML_H
#define CV_CONFIG_YAML_H

#include "config/options.h"

#define CV_CONFIG_FILE_MAX ((size_t)1 << 20) /* bytes of a configuration file */

/* Reads the YAML text of @file: a mapping of the program's option names to plain values or lists of
 * them. @values has one entry an option, all empty before. The values' text is not checked here.
 *
 * CV_ESYNTAX  not YAML, an unknown key, a key twice, or a value of the wrong form: @error names
 * file, line and key -ENOMEM     see @error */
int cv_yaml_load(struct cv_values *values, const struct cv_program *program, struct cv_arena *arena,
                 const char *file, const char *text, size_t len,
                 struct cv_config_error *error) CV_MUST_USE;

#endif
