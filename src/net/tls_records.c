#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <string.h>

#include "base/error.h"
#include "net/link.h"
#include "net/tls_inner.h"

/* One read of the socket: what is opened is then still near. */
#define READ_MOST (2 * CV_LINK_SEGMENT)

/* Reads of one call, and records in a row that bring their reader nothing: who sends these as fast
 * as it can must not keep the loop busy with them. */
#define READS_MOST  4
#define BARREN_MOST 64

/* Keys. */

/* Whether records can be ours: not where the other end has asked for short ones (RFC 6066, 4). Both
 * directions are, or none. */
static bool may_take(const struct tls_stream *tls)
{
    const SSL_SESSION *session = SSL_get0_session(tls->ssl);

    return !session || SSL_SESSION_get_max_fragment_length(session) == 0;
}

void cv_tls_take_secret(struct tls_stream *tls, const char *line)
{
    static const char server[] = "SERVER_TRAFFIC_SECRET_0 ", client[] = "CLIENT_TRAFFIC_SECRET_0 ";
    bool of_server = strncmp(line, server, sizeof(server) - 1) == 0;
    bool seals = of_server == (SSL_is_server(tls->ssl) == 1);
    const char *hex = strrchr(line, ' ');
    uint8_t secret[EVP_MAX_MD_SIZE];
    size_t len;

    if ((!of_server && strncmp(line, client, sizeof(client) - 1) != 0) || !may_take(tls))
        return;
    ERR_set_mark();
    if (OPENSSL_hexstr2buf_ex(secret, sizeof(secret), &len, hex + 1, '\0') != 1 ||
        cv_record_init(seals ? &tls->tx : &tls->rx, SSL_get_current_cipher(tls->ssl), secret, len,
                       seals) < 0)
        tls->failed = -ENOMEM;
    ERR_pop_to_mark();
    OPENSSL_cleanse(secret, sizeof(secret));
}

/* Sending. */

/* Has OpenSSL say that our keys change, which changes them. It does not in the middle of a message
 * of the other end's: a later call tries again. */
static void renew_keys(struct tls_stream *tls)
{
    size_t n;

    if (SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
        SSL_write_ex(tls->ssl, "", 0, &n);
}

ssize_t cv_tls_seal_records(struct tls_stream *tls, const uint8_t *buf, size_t len)
{
    size_t done = 0;

    if (!tls->gather)
        tls->gather = cv_alloc(&tls->base.loop->buffers.alloc, CV_LINK_BUFFER);
    if (!tls->gather)
        return -ENOMEM;
    if (tls->tx.number >= tls->tx.limit)
        renew_keys(tls);
    if (tls->failed)
        return tls->failed;
    while (done < len && tls->gathered + CV_RECORD_EXTRA < CV_LINK_BUFFER) {
        size_t room = CV_LINK_BUFFER - CV_RECORD_EXTRA - tls->gathered;
        size_t n = cv_min_size(cv_min_size(len - done, room), CV_RECORD_DATA);

        if (cv_record_seal(&tls->tx, tls->gather + tls->gathered, buf + done, n) < 0)
            return tls->failed = -EPROTO; /* its number is gone */
        done += n;
        tls->gathered += n + CV_RECORD_EXTRA;
    }
    tls->whole = tls->gathered;
    return (ssize_t)done;
}

int cv_tls_number_gathered(struct tls_stream *tls)
{
    while (tls->gathered - tls->whole >= CV_RECORD_HEAD) {
        uint8_t *record = tls->gather + tls->whole;
        size_t size = cv_record_size(record);
        int rc = 0;

        if (tls->gathered - tls->whole < size)
            break;
        if (tls->tx.cipher)
            rc = cv_record_outward(&tls->tx, record, size);
        if (rc < 0)
            return tls->failed = rc;
        tls->whole += size;
    }
    return 0;
}

/* Receiving. */

/* Has OpenSSL read a record. It is never one of application data, so all that may come of it is an
 * end, an error, or an answer that it gathers. */
static int feed(struct tls_stream *tls, const uint8_t *record, size_t size)
{
    int direction, rc;
    uint8_t byte;
    size_t n;

    tls->fed = record;
    tls->fed_len = size;
    rc = SSL_read_ex(tls->ssl, &byte, 1, &n);
    tls->fed = NULL;
    /* what it did not take, since it waits to write before, cannot be told it again */
    if (tls->fed_len > 0 && !tls->failed)
        tls->failed = -EPROTO;
    rc = rc == 1 ? -EPROTO : cv_tls_outcome(tls, rc, &direction);
    if (rc == -EPROTO)
        tls->failed = rc;
    tls->ended = rc == 0;
    if (rc != -EAGAIN)
        return rc;
    if (tls->updated && cv_record_update(&tls->rx) < 0)
        return tls->failed = -ENOMEM;
    tls->updated = false;
    return 0;
}

/* OpenSSL refuses a record in the same way as this one, and tells the other end; it must not see
 * what was not opened here, since its own number may be that of an old one. */
static int refuse(struct tls_stream *tls)
{
    static const uint8_t bad[CV_RECORD_HEAD + 2 * CV_RECORD_TAG] = {
        SSL3_RT_APPLICATION_DATA, TLS1_2_VERSION_MAJOR, TLS1_2_VERSION_MINOR, 0, 2 * CV_RECORD_TAG};

    ERR_clear_error();
    feed(tls, bad, sizeof(bad));
    return tls->failed = tls->failed ? tls->failed : -EPROTO;
}

static int keep(struct tls_stream *tls, uint8_t **block, const uint8_t *data, size_t len)
{
    *block = cv_alloc(&tls->base.loop->alloc, len);
    if (!*block)
        return tls->failed = -ENOMEM;
    memcpy(*block, data, len);
    return 0;
}

static size_t take_plain(struct tls_stream *tls, uint8_t *buf, size_t len)
{
    size_t n = cv_min_size(len, tls->plain_end - tls->plain_start);

    if (n)
        memcpy(buf, tls->plain + tls->plain_start, n);
    tls->plain_start += n;
    if (tls->plain && tls->plain_start == tls->plain_end) {
        cv_free(&tls->base.loop->alloc, tls->plain);
        tls->plain = NULL;
        tls->plain_start = tls->plain_end = 0;
    }
    return n;
}

/* Where what is read goes: @buf has room for @len bytes, of which @got are there. */
struct sink {
    uint8_t *buf;
    size_t len, got;
};

/* What was opened of a record, in @data, is the reader's; what has no room waits for its next
 * call. */
static int take_data(struct tls_stream *tls, struct sink *sink, const uint8_t *data, size_t len)
{
    uint8_t *to = sink->buf + sink->got;
    size_t n = cv_min_size(len, sink->len - sink->got);

    if (to != data)
        memcpy(to, data, n);
    sink->got += n;
    if (n == len)
        return 0;
    tls->plain_end = len - n;
    return keep(tls, &tls->plain, data + n, len - n);
}

static int open_record(struct tls_stream *tls, struct sink *sink, uint8_t *record, size_t size)
{
    size_t room = sink->len - sink->got;
    uint8_t *out = room >= size ? sink->buf + sink->got : record + CV_RECORD_HEAD;
    uint8_t type;
    size_t len;

    if (record[0] != SSL3_RT_APPLICATION_DATA)
        return feed(tls, record, size);
    if (cv_record_open(&tls->rx, record, size, out, &type, &len) < 0)
        return refuse(tls);
    tls->barren = type == SSL3_RT_APPLICATION_DATA && len > 0 ? 0 : tls->barren + 1;
    if (tls->barren > BARREN_MOST)
        return refuse(tls);
    if (type == SSL3_RT_APPLICATION_DATA)
        return take_data(tls, sink, out, len);
    size = cv_record_inward(&tls->rx, record, type, out, len);
    return size ? feed(tls, record, size) : (tls->failed = -ENOMEM);
}

/* Opens the whole records of @len bytes, and keeps the beginning of one more. */
static int open_all(struct tls_stream *tls, struct sink *sink, uint8_t *raw, size_t len)
{
    int rc = 0;

    while (rc == 0 && !tls->ended && len >= CV_RECORD_HEAD) {
        size_t size = cv_record_size(raw);

        if (size > CV_RECORD_MAX)
            return refuse(tls);
        if (size > len)
            break;
        rc = open_record(tls, sink, raw, size);
        raw += size;
        len -= size;
    }
    if (rc < 0 || tls->ended || len == 0)
        return rc;
    tls->part_len = len;
    return keep(tls, &tls->part, raw, len);
}

/* How much to read: as much as there is room for once it is opened, or the rest of a record. */
static size_t wanted(const struct tls_stream *tls, size_t room)
{
    size_t most = cv_min_size(room, READ_MOST);
    size_t record = CV_RECORD_HEAD;

    if (tls->part_len >= CV_RECORD_HEAD)
        record = cv_record_size(tls->part);
    return (most > record ? most : record) - tls->part_len;
}

/* One read of the socket: 0, -EAGAIN when nothing has come, or what ended the stream. */
static int read_records(struct tls_stream *tls, struct sink *sink, uint8_t *raw)
{
    size_t before = tls->part_len;
    ssize_t n = cv_tls_read_socket(tls, raw + before, wanted(tls, sink->len - sink->got));

    if (n == -EAGAIN)
        return -EAGAIN;
    if (n <= 0)
        return tls->failed = n < 0 ? (int)n : -ECONNRESET;
    if (tls->part) {
        memcpy(raw, tls->part, before);
        cv_free(&tls->base.loop->alloc, tls->part);
        tls->part = NULL;
        tls->part_len = 0;
    }
    return open_all(tls, sink, raw, before + (size_t)n);
}

ssize_t cv_tls_open_records(struct tls_stream *tls, uint8_t *buf, size_t len)
{
    const struct cv_alloc *buffers = &tls->base.loop->buffers.alloc;
    struct sink sink = {.buf = buf, .len = len, .got = take_plain(tls, buf, len)};
    uint8_t *raw;
    int rc = 0;

    if (sink.got == len || tls->ended)
        return (ssize_t)sink.got;
    raw = cv_alloc(buffers, CV_LINK_BUFFER);
    if (!raw)
        return sink.got ? (ssize_t)sink.got : -ENOMEM;
    for (int i = 0; i < READS_MOST && rc == 0 && sink.got < len && !tls->ended; i++)
        rc = read_records(tls, &sink, raw);
    cv_free(buffers, raw);
    if (sink.got || tls->ended)
        return (ssize_t)sink.got;
    return rc ? rc : -EAGAIN;
}

void cv_tls_records_free(struct tls_stream *tls)
{
    cv_record_deinit(&tls->tx);
    cv_record_deinit(&tls->rx);
    cv_free(&tls->base.loop->alloc, tls->part);
    cv_free(&tls->base.loop->alloc, tls->plain);
}
