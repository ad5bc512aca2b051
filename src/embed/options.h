#ifndef CV_EMBED_OPTIONS_H
#define CV_EMBED_OPTIONS_H

#include <stddef.h>

#include "base/attr.h"

/* The size of a struct up to its field @last, which its first version ended with. */
#define CV_OPTIONS_LEAST(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))

/* Copies a struct of the program, whose first field is its size, to @out of ours, which has @size
 * bytes; the program may know fewer fields, or, with zero in them, more. @least is what the first
 * version had.
 *
 * -EINVAL  it is smaller than that
 * -E2BIG   it uses fields that we do not know */
int cv_options_copy(void *out, size_t size, const void *theirs, size_t least) CV_MUST_USE;

#endif
