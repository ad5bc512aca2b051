#ifndef CV_BASE_TABLE_H
#define CV_BASE_TABLE_H

/* uthash over our allocator. A function that adds to or deletes from a table has a local or
 * parameter
 *
 *     const struct cv_alloc *table_alloc
 *
 * After HASH_ADD the element's `hh.tbl` is NULL when memory ran out (HASH_NONFATAL_OOM):
 * cv_table_added() asks. */
#include "base/alloc.h"

#define uthash_malloc(size)    cv_alloc(table_alloc, (size))
#define uthash_free(ptr, size) cv_free(table_alloc, (ptr))

#include <uthash.h>

#define cv_table_added(element) ((element)->hh.tbl != NULL)

#endif
