#include "config/print.h"

#include <string.h>

/* Columns before the help text. */
#define HELP_INDENT 38

void cv_options_help(FILE *out, const struct cv_program *program)
{
    fprintf(out, "Usage: %s\n", program->synopsis);
    for (size_t i = 0; i < program->option_count; i++) {
        const struct cv_option *option = &program->options[i];
        int width = fprintf(
            out, "  %s%s%s%s", option->bare ? "" : "--", option->bare ? "" : option->name,
            option->argument && !option->bare ? " " : "", option->argument ? option->argument : "");

        if (width >= HELP_INDENT)
            width = fprintf(out, "\n") - 1;
        fprintf(out, "%*s%s", HELP_INDENT - width, "", option->help);
        if (option->repeat && !option->bare)
            fprintf(out, "; repeatable");
        if (option->fallback && option->argument)
            fprintf(out, " (default %s)", option->fallback);
        fprintf(out, "\n");
    }
}

static bool is_plain(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._/:@=+-";
    size_t len = strlen(text);

    return len > 0 && strspn(text, plain) == len && text[0] != '-' && text[0] != ':' &&
           text[0] != '@' && text[len - 1] != ':';
}

/* Reads one code point of UTF-8; returns its length, or 0 when none stands there. Overlong forms
 * may pass: they are only printed. */
static size_t code_point(uint32_t *out, const char *text)
{
    unsigned char head = (unsigned char)text[0];
    size_t len = head < 0x80   ? 1
                 : head < 0xc0 ? 0
                 : head < 0xe0 ? 2
                 : head < 0xf0 ? 3
                 : head < 0xf8 ? 4
                               : 0;

    uint32_t c = len > 1 ? head & (0x7fU >> len) : head;

    *out = head;
    for (size_t i = 1; i < len; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((unsigned char)text[i] & 0x3f);
    }
    if (c > 0x10ffff)
        return 0;
    *out = c;
    return len;
}

/* Whether YAML takes @c as it is between double quotes, and a terminal too. */
static bool is_printable(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
        return false;
    return c < 0xd800 || (c >= 0xe000 && c != 0xfeff && c != 0xfffe && c != 0xffff);
}

/* @text as a scalar of YAML. Bytes that are no UTF-8, which only a flag can hold, show as the code
 * points of their numbers. */
static void print_scalar(FILE *out, const char *text)
{
    if (is_plain(text)) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    while (*text) {
        uint32_t c;
        size_t len = code_point(&c, text);

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", (char)c);
        else if (len && is_printable(c))
            fwrite(text, 1, len, out);
        else
            fprintf(out, "\\u%04x", (unsigned)c);
        text += len ? len : 1;
    }
    fputc('"', out);
}

static void print_value(FILE *out, const struct cv_option *option, const struct cv_value *value)
{
    if (option->secret)
        fputs("\"(not shown)\"", out);
    else
        print_scalar(out, value->text);
    if (value->line)
        fprintf(out, "  # line %u\n", value->line);
    else if (value->text == option->fallback)
        fputs("  # default\n", out);
    else
        fputs("  # flag\n", out);
}

void cv_options_print(FILE *out, const struct cv_common_config *common)
{
    const struct cv_program *program = common->program;

    fprintf(out, "# %s would run with this configuration\n", program->name);
    if (common->config_file) {
        fputs("# lines are those of ", out);
        print_scalar(out, common->config_file);
        fputc('\n', out);
    }
    for (size_t i = 0; i < program->option_count; i++) {
        const struct cv_option *option = &program->options[i];
        const struct cv_values *values = &common->values[i];

        if (option->flag_only || values->count == 0)
            continue;
        fprintf(out, "%s:%s", option->name, option->repeat ? "\n" : " ");
        for (size_t n = 0; n < values->count; n++) {
            if (option->repeat && !option->bare)
                fputs("  - ", out);
            print_value(out, option, &values->at[n]);
        }
    }
}
