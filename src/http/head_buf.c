#include "http/head_buf.h"

#include <errno.h>
#include <string.h>

#include "net/digest.h"

#define STEP 2048 /* bytes of room at first: most heads are smaller */

const char *cv_head_buf_bytes(const struct cv_head_buf *buf, size_t *len)
{
    *len = buf->len;
    return buf->data ? buf->data + buf->start : "";
}

void cv_head_buf_clear(struct cv_head_buf *buf, const struct cv_alloc *alloc)
{
    if (buf->data)
        cv_secret_clear(buf->data, buf->size); /* a head may hold a token */
    cv_free(alloc, buf->data);
    *buf = (struct cv_head_buf){.data = NULL};
}

/* Room for @len bytes behind those that are there. */
static int reserve(struct cv_head_buf *buf, const struct cv_alloc *alloc, size_t len)
{
    struct cv_head_buf grown = {.len = buf->len, .size = buf->len + len};

    if (buf->data && buf->start + buf->len + len <= buf->size)
        return 0;
    if (grown.size < 2 * buf->len)
        grown.size = 2 * buf->len;
    grown.data = cv_alloc(alloc, grown.size);
    if (!grown.data)
        return -ENOMEM;
    if (buf->data)
        memcpy(grown.data, buf->data + buf->start, buf->len);
    cv_head_buf_clear(buf, alloc);
    *buf = grown;
    return 0;
}

int cv_head_buf_add(struct cv_head_buf *buf, const struct cv_alloc *alloc, const void *data,
                    size_t len)
{
    int rc = len ? reserve(buf, alloc, len) : 0;

    if (rc < 0 || len == 0)
        return rc;
    memcpy(buf->data + buf->start + buf->len, data, len);
    buf->len += len;
    return 0;
}

ssize_t cv_head_buf_fill(struct cv_head_buf *buf, const struct cv_alloc *alloc,
                         struct cv_stream *stream)
{
    int rc = reserve(buf, alloc, STEP);
    ssize_t n;

    if (rc < 0)
        return rc;
    n = cv_stream_recv(stream, buf->data + buf->start + buf->len,
                       buf->size - buf->start - buf->len);
    if (n > 0)
        buf->len += (size_t)n;
    else if (buf->len == 0)
        cv_head_buf_clear(buf, alloc);
    return n;
}

void cv_head_buf_consume(struct cv_head_buf *buf, const struct cv_alloc *alloc, size_t len)
{
    buf->start += len;
    buf->len -= len;
    if (buf->len == 0)
        cv_head_buf_clear(buf, alloc);
}
