#ifndef CV_BASE_TEXT_H
#define CV_BASE_TEXT_H

#include <stdbool.h>

#include "base/attr.h"

/* Text built into a buffer of fixed size, without stdio. What does not fit is left out and
 * remembered. */
struct cv_text {
    char *buf;      /* borrowed; always ends in NUL */
    size_t len;     /* bytes before the NUL */
    size_t size;    /* of buf, the NUL's place included; > 0 */
    bool truncated; /* something did not fit */
};

void cv_text_init(struct cv_text *text, char *buf, size_t size);
void cv_text_bytes(struct cv_text *text, const char *bytes, size_t len);
void cv_text_str(struct cv_text *text, const char *str);
void cv_text_u64(struct cv_text *text, uint64_t value);
void cv_text_i64(struct cv_text *text, int64_t value);

/* Whether @part stands somewhere in @text. */
bool cv_text_holds(const char *text, const char *part);

/* The value of a hexadecimal digit of either case, 0 to 15; -1 for anything else. */
int cv_text_hex_digit(char c);

/* Reads a decimal of up to 19 digits, nothing around it; false for anything else or a value over
 * INT64_MAX. */
bool cv_text_to_i64(const char *text, size_t len, int64_t *value) CV_MUST_USE;

#endif
