#ifndef CV_DOOR_HTTP_CHECK_H
#define CV_DOOR_HTTP_CHECK_H

#include "door/http.h"

/* The checks around llhttp. Private to door. All return 0, or an error with head->error and
 * head->refusal set. */

/* Finds the blank line: sets *@head_len, or returns CV_EMORE. Refuses line ends, control bytes,
 * folds and lengths that must not be, also in a head that is not complete. */
int cv_http_check_lines(struct cv_http_head *head, const char *buf, size_t len,
                        size_t *head_len) CV_MUST_USE;

/* Checks what the headers of a split head say about framing and fills in the fields that follow
 * from them. */
int cv_http_check_framing(struct cv_http_head *head) CV_MUST_USE;

/* Checks Host and the target of a request against each other. */
int cv_http_check_target(struct cv_http_head *head) CV_MUST_USE;

/* Notes an error and returns @code. */
int cv_http_refuse(struct cv_http_head *head, int code, int refusal, const char *error);

/* As cv_http_has_token(). */
bool cv_http_list_holds(const struct cv_http_head *head, const char *name, struct cv_slice token);

/* Bytes of a token (RFC 9110, 5.6.2), and letters compared without their case. */
bool cv_http_is_token(struct cv_slice text);
bool cv_slice_equal(struct cv_slice a, struct cv_slice b);

#endif
