#ifndef CV_ACCESS_CREDENTIAL_LINE_H
#define CV_ACCESS_CREDENTIAL_LINE_H

#include "access/credential.h"
#include "base/text.h"

/* Inside the layer: one line of a credential file. */

/* Reads @line, which is neither blank nor a comment, into one block from @alloc that holds all that
 * it points to; free it with cv_free(). @line is copied. On CV_ESYNTAX @problem says what is wrong;
 * -ENOMEM leaves it empty. */
int cv_credential_line_parse(struct cv_credential **out, const struct cv_alloc *alloc,
                             struct cv_span line, struct cv_text *problem) CV_MUST_USE;

/* Takes the next word off @line; empty when there is none. Words are parted by spaces and tabs. */
struct cv_span cv_credential_word(struct cv_span *line);

#endif
