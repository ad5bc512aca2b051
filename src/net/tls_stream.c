#include "net/tls_stream.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "net/link.h"
#include "net/tls_inner.h"

/* Plaintext that is encrypted for one send: what a link sends at once. Its records, with at most 29
 * bytes around each (TLS 1.2), fit into one buffer of the loop's pool. */
#define BATCH CV_LINK_SEND_MAX

_Static_assert(BATCH + (BATCH / CV_RECORD_DATA + 1) * 29 <= CV_LINK_BUFFER, "a batch fits");

static struct tls_stream *tls_of(const struct cv_stream *stream)
{
    return cv_container_of((struct cv_stream *)stream, struct tls_stream, base);
}

/* The BIO. */

static ssize_t read_early(struct tls_stream *tls, uint8_t *buf, size_t len)
{
    len = cv_min_size(len, tls->early_end - tls->early_start);
    memcpy(buf, tls->early + tls->early_start, len);
    tls->early_start += len;
    if (tls->early_start == tls->early_end) {
        cv_free(&tls->base.loop->alloc, tls->early);
        tls->early = NULL;
    }
    return (ssize_t)len;
}

/* A short read has emptied the socket: asking again would only hear so. */
ssize_t cv_tls_read_socket(struct tls_stream *tls, uint8_t *buf, size_t len)
{
    ssize_t n;

    if (tls->early)
        return read_early(tls, buf, len);
    if (tls->dry)
        return -EAGAIN;
    n = cv_socket_recv(tls->base.fd, buf, len);
    tls->dry = n < (ssize_t)len;
    return n;
}

static ssize_t read_fed(struct tls_stream *tls, uint8_t *buf, size_t len)
{
    len = cv_min_size(len, tls->fed_len);
    if (!tls->fed || len == 0)
        return -EAGAIN;
    memcpy(buf, tls->fed, len);
    tls->fed += len;
    tls->fed_len -= len;
    return (ssize_t)len;
}

/* Reads no further than the record goes that OpenSSL is in: those behind it may be ours. */
static ssize_t read_one(struct tls_stream *tls, uint8_t *buf, size_t len)
{
    bool in_head = tls->body_left == 0;
    size_t rest = in_head ? CV_RECORD_HEAD - tls->head_len : tls->body_left;
    ssize_t n = cv_tls_read_socket(tls, buf, cv_min_size(len, rest));

    if (n <= 0)
        return n;
    if (!in_head) {
        tls->body_left -= (size_t)n;
        return n;
    }
    memcpy(tls->head + tls->head_len, buf, (size_t)n);
    tls->head_len += (size_t)n;
    if (tls->head_len == CV_RECORD_HEAD) {
        tls->head_len = 0;
        tls->body_left = cv_record_size(tls->head) - CV_RECORD_HEAD;
    }
    return n;
}

static int bio_read(BIO *bio, char *buf, int len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    uint8_t *to = (uint8_t *)buf;
    ssize_t n;

    BIO_clear_retry_flags(bio);
    if (tls->rx.cipher)
        n = read_fed(tls, to, (size_t)len);
    else if (SSL_is_init_finished(tls->ssl) && SSL_version(tls->ssl) < TLS1_3_VERSION)
        n = cv_tls_read_socket(tls, to, (size_t)len);
    else
        n = read_one(tls, to, (size_t)len);
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    else if (n < 0)
        tls->socket_error = (int)n;
    tls->eof = n == 0;
    return n < 0 ? -1 : (int)n;
}

/* Collects: many records leave by one system call. */
static int bio_write(BIO *bio, const char *buf, int len)
{
    struct tls_stream *tls = BIO_get_data(bio);
    size_t queued = tls->gathered + tls->owed_end - tls->owed_start;

    BIO_clear_retry_flags(bio);
    if (tls->send_failed)
        return len; /* nobody hears it: what is owed goes nowhere, and must not hold up reading */
    if (queued + (size_t)len > CV_TLS_OWED_MAX) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (!tls->gather) {
        tls->gather = cv_alloc(&tls->base.loop->buffers.alloc, CV_LINK_BUFFER);
        if (!tls->gather) {
            tls->socket_error = -ENOMEM;
            return -1;
        }
    }
    memcpy(tls->gather + tls->gathered, buf, (size_t)len);
    tls->gathered += (size_t)len;
    return cv_tls_number_gathered(tls) < 0 ? -1 : len;
}

static long bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
    const struct tls_stream *tls = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (what == BIO_CTRL_EOF)
        return tls->eof;
    return what == BIO_CTRL_FLUSH; /* said to be done: the end of the call does it */
}

/* OpenSSL tells the secrets of a connection as it takes them into use. */
static void on_secret(const SSL *ssl, const char *line)
{
    cv_tls_take_secret(BIO_get_data(SSL_get_wbio(ssl)), line);
}

void cv_tls_take_records(SSL_CTX *ctx)
{
    SSL_CTX_set_keylog_callback(ctx, on_secret);
}

static void on_message(int sent, int version, int type, const void *message, size_t len, SSL *ssl,
                       void *arg)
{
    struct tls_stream *tls = arg;

    (void)version;
    (void)ssl;
    if (!sent && type == SSL3_RT_HANDSHAKE && len > 0 &&
        *(const uint8_t *)message == SSL3_MT_KEY_UPDATE)
        tls->updated = true;
}

static int make_bio(struct tls_stream *tls)
{
    BIO *bio;

    tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "culvert");
    if (!tls->method || !BIO_meth_set_read(tls->method, bio_read) ||
        !BIO_meth_set_write(tls->method, bio_write) || !BIO_meth_set_ctrl(tls->method, bio_ctrl))
        return -ENOMEM;
    bio = BIO_new(tls->method);
    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_msg_callback(tls->ssl, on_message);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    return 0;
}

/* Sending. */

/* What is no whole record yet stays, for its number is not given. */
static void drop_gathered(struct tls_stream *tls)
{
    size_t rest = tls->gathered - tls->whole;

    if (rest)
        memmove(tls->gather, tls->gather + tls->whole, rest);
    tls->gathered = rest;
    tls->whole = 0;
    if (rest)
        return;
    cv_free(&tls->base.loop->buffers.alloc, tls->gather);
    tls->gather = NULL;
}

/* Sends some of @len bytes, which may be none: a count or -errno. */
static ssize_t send_some(const struct tls_stream *tls, const uint8_t *data, size_t len)
{
    ssize_t n = cv_socket_send(tls->base.fd, data, len);

    return n == -EAGAIN ? 0 : n;
}

/* Keeps @len bytes behind what is owed already, in a block of just that size. */
static int owe(struct tls_stream *tls, const uint8_t *data, size_t len)
{
    size_t before = tls->owed_end - tls->owed_start;
    uint8_t *block = cv_alloc(&tls->base.loop->alloc, before + len);

    if (!block)
        return -ENOMEM;
    if (tls->owed && before)
        memcpy(block, tls->owed + tls->owed_start, before);
    memcpy(block + before, data, len);
    cv_free(&tls->base.loop->alloc, tls->owed);
    tls->owed = block;
    tls->owed_start = 0;
    tls->owed_end = before + len;
    return 0;
}

static int send_owed(struct tls_stream *tls)
{
    ssize_t n = send_some(tls, tls->owed + tls->owed_start, tls->owed_end - tls->owed_start);

    if (n < 0)
        return (int)n;
    tls->owed_start += (size_t)n;
    if (tls->owed_start < tls->owed_end)
        return 0;
    cv_free(&tls->base.loop->alloc, tls->owed);
    tls->owed = NULL;
    tls->owed_start = tls->owed_end = 0;
    return 0;
}

/* Sends what is owed, then what the call that runs has gathered; the rest is owed. Returns 0 or
 * what ends sending for good. */
static int flush(struct tls_stream *tls)
{
    ssize_t n = 0;
    int rc = 0;

    if (tls->send_failed == 0 && tls->owed)
        rc = send_owed(tls);
    if (tls->send_failed == 0 && rc == 0 && tls->whole) {
        if (!tls->owed)
            n = send_some(tls, tls->gather, tls->whole);
        if (n < 0)
            rc = (int)n;
        else if ((size_t)n < tls->whole)
            rc = owe(tls, tls->gather + n, tls->whole - (size_t)n);
    }
    drop_gathered(tls);
    if (rc < 0)
        tls->send_failed = rc;
    return tls->send_failed;
}

/* The code of a fatal error of OpenSSL, that its queue describes. */
static int fatal_code(const struct tls_stream *tls, int kind)
{
    if (kind == SSL_ERROR_SYSCALL)
        return tls->socket_error ? tls->socket_error : -ECONNRESET;
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return -ECONNRESET;
    return -EPROTO;
}

int cv_tls_outcome(struct tls_stream *tls, int result, int *direction)
{
    int kind = SSL_get_error(tls->ssl, result);

    if (tls->failed)
        return tls->failed;
    if (kind == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
        *direction = kind == SSL_ERROR_WANT_READ ? UV_READABLE : UV_WRITABLE;
        return -EAGAIN;
    }
    tls->failed = fatal_code(tls, kind);
    return tls->failed;
}

/* Before each call to OpenSSL whose failure matters. */
static void prepare(struct tls_stream *tls)
{
    ERR_clear_error();
    tls->socket_error = 0;
    tls->dry = false;
}

/* After it, what each direction waits for. What OpenSSL says by itself is owed by whoever reads
 * next, since nobody else may come to write. */
static void wait_for(struct tls_stream *tls, int recv_waits, int send_waits)
{
    if (tls->owed && !tls->promised)
        recv_waits |= UV_WRITABLE;
    if (tls->owed)
        send_waits |= UV_WRITABLE;
    cv_stream_waits(&tls->base, recv_waits, send_waits);
}

/* Fills @buf as far as records have come: a record is 16 KiB at most, and each call to OpenSSL
 * brings one. */
static ssize_t decrypt(struct tls_stream *tls, uint8_t *buf, size_t len, int *direction)
{
    size_t got = 0;
    int rc = 1;

    while (rc == 1 && got < len) {
        size_t n = 0;

        rc = SSL_read_ex(tls->ssl, buf + got, len - got, &n);
        got += n;
    }
    tls->more = rc == 1;
    if (rc != 1)
        rc = cv_tls_outcome(tls, rc, direction);
    return got ? (ssize_t)got : rc;
}

/* Whether OpenSSL, which waits for @direction of the socket, only waits for a record from us. It
 * may be in the middle of a message then, which is no reason for application data to wait. */
static bool waits_for_us(const struct tls_stream *tls, int direction)
{
    return tls->rx.cipher && direction == UV_READABLE;
}

static ssize_t take(struct tls_stream *tls, uint8_t *buf, size_t len, int *direction)
{
    ssize_t n = -EAGAIN;

    if (!tls->rx.cipher)
        return decrypt(tls, buf, len, direction);
    if (!SSL_is_init_finished(tls->ssl))
        n = decrypt(tls, buf, len, direction);
    if (n == -EAGAIN && waits_for_us(tls, *direction))
        n = cv_tls_open_records(tls, buf, len);
    return n;
}

static ssize_t tls_recv(struct cv_stream *stream, void *buf, size_t len)
{
    struct tls_stream *tls = tls_of(stream);
    int direction = UV_READABLE;
    ssize_t n;

    if (tls->failed)
        return tls->failed;
    prepare(tls);
    n = take(tls, buf, len, &direction);
    if (flush(tls) < 0 && !tls->failed && !SSL_is_init_finished(tls->ssl))
        n = tls->failed = tls->send_failed;
    /* Reading may have moved on the handshake that a write waits for: that one may try again. */
    wait_for(tls, direction, UV_WRITABLE);
    ERR_clear_error();
    return n;
}

/* Has OpenSSL go on with what it is in: 0 it is done, -EAGAIN with *@direction set, or the error
 * that ended the stream. */
static int shake(struct tls_stream *tls, int *direction)
{
    int rc = SSL_do_handshake(tls->ssl);

    if (rc == 1) {
        tls->more = true; /* what came behind it may be read already */
        return tls->failed;
    }
    rc = cv_tls_outcome(tls, rc, direction);
    return rc ? rc : (tls->failed = -ECONNRESET);
}

/* By OpenSSL's own records: how many bytes of @buf are in them, or what cv_tls_outcome() says. */
static ssize_t encrypt(struct tls_stream *tls, const uint8_t *buf, size_t len, int *direction)
{
    size_t done = 0;
    int rc = 1;

    while (rc == 1 && done < len) {
        size_t n = 0;

        rc = SSL_write_ex(tls->ssl, buf + done, len - done, &n);
        done += n;
    }
    if (rc != 1)
        rc = cv_tls_outcome(tls, rc, direction);
    if (done)
        return (ssize_t)done;
    return rc == 0 ? -EPIPE : rc;
}

/* Puts up to a batch of @buf into records. OpenSSL is not given any of it where we have keys, not
 * even behind the handshake: what it could not write it would keep, and send again. */
static ssize_t put(struct tls_stream *tls, const uint8_t *buf, size_t len, int *direction)
{
    ssize_t n = 0;

    prepare(tls);
    len = cv_min_size(len, BATCH);
    if (!SSL_is_init_finished(tls->ssl))
        n = shake(tls, direction);
    if (n == -EAGAIN && waits_for_us(tls, *direction)) {
        *direction = UV_WRITABLE;
        n = 0;
    }
    if (n == 0 && tls->tx.cipher)
        n = cv_tls_seal_records(tls, buf, len);
    else if (n == 0)
        n = encrypt(tls, buf, len, direction);
    ERR_clear_error();
    return n;
}

/* Sends @len bytes behind a last byte that was promised, if there is one: how many of both. */
static ssize_t send_more(struct tls_stream *tls, const uint8_t *buf, size_t len)
{
    size_t before = tls->promised;
    int direction = UV_WRITABLE;
    ssize_t n = 0;

    tls->promised = false;
    if (len > before)
        n = put(tls, buf + before, len - before, &direction);
    if (flush(tls) < 0)
        n = tls->send_failed;
    tls->promised = n > 0 && tls->owed;
    wait_for(tls, UV_READABLE, direction);
    if (n < 0 && n != -EAGAIN)
        return n;
    return (ssize_t)before + (n > 0 ? n - tls->promised : 0);
}

/* The last byte counts as taken only when the socket has all of them, so that the owner comes back
 * for it, and what is owed is sent then. */
static ssize_t tls_send(struct cv_stream *stream, const void *buf, size_t len)
{
    struct tls_stream *tls = tls_of(stream);
    ssize_t n;

    if (tls->failed || flush(tls) < 0)
        return tls->failed ? tls->failed : tls->send_failed;
    if (len == 0)
        return 0;
    if (tls->owed) {
        wait_for(tls, UV_READABLE, UV_WRITABLE);
        return -EAGAIN;
    }
    n = send_more(tls, buf, len);
    return n ? n : -EAGAIN;
}

static int tls_goodbye(struct cv_stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    if (tls->failed || !SSL_is_init_finished(tls->ssl))
        return 0;
    prepare(tls);
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
    if (flush(tls) < 0)
        return 0;
    return tls->owed ? -EAGAIN : 0;
}

static void tls_close(struct cv_stream *stream)
{
    struct tls_stream *tls = tls_of(stream);

    if (!stream->reset)
        tls_goodbye(stream);
    SSL_free(tls->ssl);
    BIO_meth_free(tls->method);
    cv_tls_records_free(tls);
    cv_free(&stream->loop->buffers.alloc, tls->gather);
    cv_free(&stream->loop->alloc, tls->owed);
    cv_free(&stream->loop->alloc, tls->early);
    close(stream->fd);
}

static bool tls_buffered(const struct cv_stream *stream)
{
    const struct tls_stream *tls = tls_of(stream);

    return tls->early || tls->plain || (tls->more && SSL_has_pending(tls->ssl));
}

static const struct cv_stream_kind tls_kind = {
    .tls = true,
    .recv = tls_recv,
    .send = tls_send,
    .goodbye = tls_goodbye,
    .close = tls_close,
    .buffered = tls_buffered,
};

int cv_tls_stream_shake(struct cv_stream *stream)
{
    struct tls_stream *tls = tls_of(stream);
    int direction = UV_READABLE;
    int rc;

    prepare(tls);
    rc = shake(tls, &direction);
    if (flush(tls) < 0 && !tls->failed)
        rc = tls->failed = tls->send_failed;
    wait_for(tls, direction, UV_WRITABLE);
    return rc;
}

SSL *cv_tls_stream_ssl(const struct cv_stream *stream)
{
    return tls_of(stream)->ssl;
}

static int keep_early(struct tls_stream *tls, struct cv_loop *loop, const void *early, size_t len)
{
    if (len == 0)
        return 0;
    tls->early = cv_alloc(&loop->alloc, len);
    if (!tls->early)
        return -ENOMEM;
    memcpy(tls->early, early, len);
    tls->early_end = len;
    return 0;
}

int cv_tls_stream_new(struct cv_stream **out, struct cv_loop *loop, int fd, SSL *ssl,
                      const void *early, size_t len)
{
    struct tls_stream *tls = cv_alloc_zero(&loop->alloc, sizeof(*tls));
    int rc;

    if (!tls)
        return -ENOMEM;
    tls->ssl = ssl;
    rc = keep_early(tls, loop, early, len);
    if (rc == 0)
        rc = make_bio(tls);
    if (rc < 0) {
        SSL_set_bio(ssl, NULL, NULL);
        BIO_meth_free(tls->method);
        cv_free(&loop->alloc, tls->early);
        cv_free(&loop->alloc, tls);
        return rc;
    }
    cv_stream_start(&tls->base, &tls_kind, loop, fd);
    *out = &tls->base;
    return 0;
}
