#ifndef CV_HTTP_FILE_ANSWER_H
#define CV_HTTP_FILE_ANSWER_H

#include <sys/types.h>

#include "door/http.h"

/* What the file service answers to one request: text from memory, then perhaps bytes of a file. */
struct cv_file_answer {
    char *text;    /* owned, for free(): the head and, if there is one, the page */
    size_t len;    /* of text */
    int fd;        /* owned: the file whose bytes follow, or -1 */
    off_t at;      /* in the file */
    uint64_t left; /* bytes of the file */
    bool last;     /* the connection ends with this answer */
};

/* Makes the answer to @request from the folder @root_fd. Whatever is wrong with the request or the
 * file becomes an answer too; @out needs no clearing before. Returns 0, or -ENOMEM without an
 * answer. */
int cv_file_answer(struct cv_file_answer *out, int root_fd,
                   const struct cv_http_head *request) CV_MUST_USE;

/* Makes the answer to a request that could not be read; it is the last one of its connection.
 * Returns 0 or -ENOMEM. */
int cv_file_answer_refusal(struct cv_file_answer *out, int status) CV_MUST_USE;

/* Gives back what an answer holds. */
void cv_file_answer_clear(struct cv_file_answer *answer);

#endif
