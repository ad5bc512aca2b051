#ifndef CV_HTTP_HEAD_BUF_H
#define CV_HTTP_HEAD_BUF_H

#include "net/stream.h"

/* Bytes of a connection that were read but not dealt with: a head that is coming, and what came
 * behind one. */
struct cv_head_buf {
    char *data; /* owned; NULL when there are none */
    size_t start, len, size;
};

/* The bytes, and how many. */
const char *cv_head_buf_bytes(const struct cv_head_buf *buf, size_t *len);

/* Adds bytes. -ENOMEM */
int cv_head_buf_add(struct cv_head_buf *buf, const struct cv_alloc *alloc, const void *data,
                    size_t len) CV_MUST_USE;

/* Reads more from @stream: as cv_stream_recv(), or -ENOMEM. What it reads at once is small: of a
 * head that does not end the reader has had enough before that is much. */
ssize_t cv_head_buf_fill(struct cv_head_buf *buf, const struct cv_alloc *alloc,
                         struct cv_stream *stream) CV_MUST_USE;

/* The first @len bytes are dealt with. */
void cv_head_buf_consume(struct cv_head_buf *buf, const struct cv_alloc *alloc, size_t len);
void cv_head_buf_clear(struct cv_head_buf *buf, const struct cv_alloc *alloc);

#endif
