#ifndef CV_CONFIG_PRINT_H
#define CV_CONFIG_PRINT_H

#include <stdio.h>

#include "config/options.h"

/* What --help prints. */
void cv_options_help(FILE *out, const struct cv_program *program);

/* What --check prints: all that holds, as a configuration file, each value with where it came from.
 * No secrets. */
void cv_options_print(FILE *out, const struct cv_common_config *common);

#endif
