/* Heads of the PROXY protocol: more bytes never change what was said, and what was read can be
 * written and read again. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "door/proxy_head.h"

static void require(int fine)
{
    if (!fine)
        abort();
}

static int read_tight(struct cv_proxy_head *out, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    const char *problem = NULL;
    int rc;

    require(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    rc = cv_proxy_head_read(out, copy, size, &problem);
    free(copy);
    require(rc == CV_EMORE || ((rc == CV_EPROTO || rc == CV_ETOOLONG) && problem) ||
            (rc >= 15 && (size_t)rc <= size && rc <= CV_PROXY_HEAD_MAX));
    require(out->from.family == out->to.family);
    require(rc > 0 || out->from.family == 0);
    return rc;
}

static void check_written(const struct cv_proxy_head *head, unsigned version)
{
    uint8_t out[CV_PROXY_WRITE_MAX];
    size_t len = cv_proxy_head_write(out, version, head);
    struct cv_proxy_head again;

    require(len <= sizeof(out));
    require(read_tight(&again, out, len) == (int)len);
    require(cv_peer_same(&again.from, &head->from) && cv_peer_same(&again.to, &head->to));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cv_proxy_head head, other;
    int rc = read_tight(&head, data, size), last = CV_EMORE;

    for (size_t cut = 0, step = size / 256 + 1; cut < size; cut += step) {
        int now = read_tight(&other, data, cut);

        require(last == CV_EMORE || now == last);
        last = now;
    }
    require(last == CV_EMORE || last == rc);
    check_written(&head, 1);
    check_written(&head, 2);
    return 0;
}
