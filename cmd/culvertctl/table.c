#include "table.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "access/quote.h"
#include "net/loop.h"

#define CELL        128
#define COLUMNS_MAX 12
#define GAP         2
#define NARROWEST   8 /* that a column of text is cut to */

static void write_bytes(char out[CELL], double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    while (bytes >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, CELL, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

static void write_span(char out[CELL], double seconds)
{
    long s = (long)seconds;

    if (s < 60)
        snprintf(out, CELL, "%lds", s);
    else if (s < 3600)
        snprintf(out, CELL, "%ldm %lds", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, CELL, "%ldh %ldm", s / 3600, s / 60 % 60);
    else
        snprintf(out, CELL, "%ldd %ldh", s / 86400, s / 3600 % 24);
}

/* Strangers name their rooms and ends: nothing of that may drive the terminal. */
static void write_string(struct cv_text *out, const json_t *string)
{
    cv_escape(out, json_string_value(string), json_string_length(string));
}

/* A string, or several with commas between; as much as there is room for. */
static void write_text(char out[CELL], const json_t *value)
{
    struct cv_text text;
    size_t index;
    const json_t *string;

    cv_text_init(&text, out, CELL);
    if (json_is_string(value))
        write_string(&text, value);
    json_array_foreach(value, index, string)
    {
        cv_text_str(&text, index ? ", " : "");
        write_string(&text, string);
    }
}

static void write_cell(char out[CELL], const json_t *value, enum column_kind kind)
{
    if (json_is_string(value) || json_is_array(value))
        write_text(out, value);
    else if (json_is_boolean(value))
        snprintf(out, CELL, "%s", json_is_true(value) ? "yes" : "no");
    else if (!json_is_number(value))
        snprintf(out, CELL, "-");
    else if (kind == COLUMN_BYTES)
        write_bytes(out, json_number_value(value));
    else if (kind == COLUMN_SPAN)
        write_span(out, json_number_value(value));
    else if (kind == COLUMN_AGO)
        write_span(out, (double)cv_wall_clock() - json_number_value(value));
    else if (kind == COLUMN_MS)
        snprintf(out, CELL, "%.1f ms", json_number_value(value));
    else
        snprintf(out, CELL, "%.10g", json_number_value(value));
}

/* Columns of the terminal; no bound when it is none. */
static size_t terminal_width(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : SIZE_MAX;
}

/* Lines of it; no bound when it is none. */
static size_t terminal_height(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : SIZE_MAX;
}

/* Takes from the widest columns of text until all fit. */
static void fit(const struct column *columns, size_t count, size_t *widths)
{
    size_t limit = terminal_width(), total = (count - 1) * GAP;

    for (size_t i = 0; i < count; i++)
        total += widths[i];
    while (total > limit) {
        size_t widest = count;

        for (size_t i = 0; i < count; i++)
            if (columns[i].kind == COLUMN_TEXT && widths[i] > NARROWEST &&
                (widest == count || widths[i] > widths[widest]))
                widest = i;
        if (widest == count)
            return;
        widths[widest]--;
        total--;
    }
}

static void print_cell(const char *text, size_t width, bool right, bool last)
{
    size_t len = strlen(text);

    if (len > width)
        printf("%.*s~", (int)width - 1, text);
    else if (right)
        printf("%*s", (int)width, text);
    else
        printf("%-*s", last ? 0 : (int)width, text);
    printf("%*s", last ? 0 : GAP, "");
}

static void print_row(const struct column *columns, size_t count, const size_t *widths,
                      const json_t *row)
{
    char cell[CELL];

    for (size_t i = 0; i < count; i++) {
        write_cell(cell, json_object_get(row, columns[i].member), columns[i].kind);
        print_cell(cell, widths[i], columns[i].kind != COLUMN_TEXT, i + 1 == count);
    }
    putchar('\n');
}

/* The first @most rows. */
static void print_rows(const struct column *columns, size_t count, const json_t *rows, size_t most)
{
    size_t widths[COLUMNS_MAX], index;
    char cell[CELL];
    const json_t *row;

    for (size_t i = 0; i < count; i++) {
        widths[i] = strlen(columns[i].title);
        json_array_foreach(rows, index, row)
        {
            write_cell(cell, json_object_get(row, columns[i].member), columns[i].kind);
            if (strlen(cell) > widths[i])
                widths[i] = strlen(cell);
        }
    }
    fit(columns, count, widths);
    for (size_t i = 0; i < count; i++)
        print_cell(columns[i].title, widths[i], columns[i].kind != COLUMN_TEXT, i + 1 == count);
    putchar('\n');
    for (index = 0; index < json_array_size(rows) && index < most; index++)
        print_row(columns, count, widths, json_array_get(rows, index));
    if (most < json_array_size(rows))
        printf("... and %zu more\n", json_array_size(rows) - most);
}

void table_print(const struct column *columns, size_t count, const json_t *rows, const char *none)
{
    if (json_array_size(rows) == 0)
        puts(none);
    else
        print_rows(columns, count, rows, SIZE_MAX);
}

void table_print_some(const struct column *columns, size_t count, const json_t *rows,
                      const char *none, size_t above)
{
    size_t height = terminal_height(), taken = above + 3; /* titles, how many more, the cursor */

    if (json_array_size(rows) == 0)
        puts(none);
    else
        print_rows(columns, count, rows, height > taken ? height - taken : 1);
}

void table_print_bytes(double bytes)
{
    char cell[CELL];

    write_bytes(cell, bytes);
    fputs(cell, stdout);
}

static enum column_kind kind_of(const char *member)
{
    if (strstr(member, "bytes"))
        return COLUMN_BYTES;
    return strstr(member, "seconds") ? COLUMN_SPAN : COLUMN_COUNT;
}

void table_print_object(const json_t *object)
{
    const char *member;
    const json_t *value;
    char cell[CELL];

    json_object_foreach((json_t *)object, member, value)
    {
        write_cell(cell, value, kind_of(member));
        printf("%-16s  %s\n", member, cell);
    }
}
