#ifndef CULVERTCTL_TABLE_H
#define CULVERTCTL_TABLE_H

#include <jansson.h>

/* Tables for people, as wide as the terminal lets them be. */

enum column_kind {
    COLUMN_TEXT,  /* cut when the terminal is too narrow */
    COLUMN_COUNT, /* a number */
    COLUMN_BYTES, /* 1.5 MiB */
    COLUMN_SPAN,  /* seconds: 3d 4h */
    COLUMN_MS,    /* milliseconds */
    COLUMN_AGO,   /* seconds since 1970: 3d 4h */
};

struct column {
    const char *title;
    const char *member; /* of each object */
    enum column_kind kind;
};

/* Prints @rows, an array of objects, under the titles; @none when it is empty. */
void table_print(const struct column *columns, size_t count, const json_t *rows, const char *none);

/* As many rows as the terminal has lines for, with @above lines above them. */
void table_print_some(const struct column *columns, size_t count, const json_t *rows,
                      const char *none, size_t above);

/* Prints a number of bytes as in a table: 1.5 MiB. */
void table_print_bytes(double bytes);

/* Prints one object, a member a line. */
void table_print_object(const json_t *object);

#endif
