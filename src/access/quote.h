#ifndef CV_ACCESS_QUOTE_H
#define CV_ACCESS_QUOTE_H

#include "base/text.h"

/* Bytes of a quoted word that a message shows. */
#define CV_QUOTE_MAX 120

/* Appends @len bytes of somebody's input for a message of one line: control bytes, quotes and
 * backslashes as \xNN, so that it can neither start a line nor drive a terminal. */
void cv_escape(struct cv_text *text, const char *bytes, size_t len);

/* The same in single quotes, cut after CV_QUOTE_MAX with `...`. What may hold a token is not shown.
 */
void cv_quote(struct cv_text *text, const char *bytes, size_t len);

/* The same for a string. */
void cv_quote_str(struct cv_text *text, const char *str);

#endif
