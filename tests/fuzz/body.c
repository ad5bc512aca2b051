/* Chunked bodies: however they are cut, the same payload comes out, the same bytes are taken, and
 * the same is refused; and what is written from the payload reads as that payload. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "door/http_body.h"

struct outcome {
    int error;
    size_t used, payload_len;
    uint8_t *payload;
    bool done;
};

static void require(bool fine)
{
    if (!fine)
        abort();
}

static void feed(struct cv_http_body *body, struct outcome *out, const uint8_t *data, size_t len)
{
    while (len && !body->done && out->error == 0) {
        struct cv_slice payload;
        int n = cv_http_body_read(body, (const char *)data, len, &payload);

        if (n < 0) {
            require(body->error && (n == CV_ESYNTAX || n == CV_ETOOLONG));
            out->error = n;
            return;
        }
        require(n > 0 && (size_t)n <= len);
        require(payload.len <= (size_t)n && payload.at >= (const char *)data);
        require(payload.at + payload.len <= (const char *)data + n);
        memcpy(out->payload + out->payload_len, payload.at, payload.len);
        out->payload_len += payload.len;
        out->used += (size_t)n;
        data += n;
        len -= (size_t)n;
    }
}

static struct outcome read_in(const uint8_t *data, size_t size, size_t step)
{
    struct cv_http_head head = {.content_length = -1, .chunked = true};
    struct outcome out = {.payload = malloc(size + 1)};
    struct cv_http_body body;

    require(out.payload != NULL);
    cv_http_body_of_request(&body, &head);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        uint8_t *tight = malloc(n);

        require(tight != NULL);
        memcpy(tight, data + at, n);
        feed(&body, &out, tight, n);
        free(tight);
    }
    out.done = body.done;
    return out;
}

static void check_again(const struct outcome *first)
{
    uint8_t *text = malloc(first->payload_len + 64);
    struct outcome again;
    size_t len = 0;

    require(text != NULL);
    if (first->payload_len) {
        len = cv_http_chunk_head((char *)text, first->payload_len);
        memcpy(text + len, first->payload, first->payload_len);
        len += first->payload_len;
        memcpy(text + len, CV_HTTP_CHUNK_END, 2);
        len += 2;
    }
    memcpy(text + len, CV_HTTP_LAST_CHUNK, 5);
    len += 5;
    again = read_in(text, len, len);
    require(again.done && again.used == len && again.payload_len == first->payload_len);
    require(memcmp(again.payload, first->payload, first->payload_len) == 0);
    free(again.payload);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole = read_in(data, size, size + 1);

    for (size_t step = 1; step < 8; step++) {
        struct outcome cut = read_in(data, size, step);

        require(cut.error == whole.error && cut.done == whole.done);
        require(cut.error || cut.used == whole.used);
        require(cut.error || cut.payload_len == whole.payload_len);
        require(memcmp(cut.payload, whole.payload, cut.payload_len) == 0);
        free(cut.payload);
    }
    if (whole.done && whole.error == 0)
        check_again(&whole);
    free(whole.payload);
    return 0;
}
