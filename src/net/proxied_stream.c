#include "net/proxied_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "net/stream_kind.h"

struct curl_stream {
    struct cv_stream base;
    struct cv_curl curl;
    char error[CURL_ERROR_SIZE]; /* libcurl's words for the last failure */
    int failed;                  /* the error that ended it; 0: none */
    bool more;                   /* the last read did not run dry */
    bool has_own_bio;            /* see goodbye() */
};

static struct curl_stream *curl_of(struct cv_stream *stream)
{
    return cv_container_of(stream, struct curl_stream, base);
}

void cv_curl_close(struct cv_curl *curl)
{
    if (!curl->lib)
        return; /* handed on */
    if (curl->multi && curl->easy)
        curl->lib->multi_remove_handle(curl->multi, curl->easy);
    curl->lib->easy_cleanup(curl->easy);
    curl->lib->multi_cleanup(curl->multi);
    *curl = (struct cv_curl){0};
}

/* The server's TLS. libcurl tells only once something was sent or received; NULL before. */
static SSL *ssl_of(const struct curl_stream *stream)
{
    struct curl_tlssessioninfo *info = NULL;

    if (stream->curl.lib->easy_getinfo(stream->curl.easy, CURLINFO_TLS_SSL_PTR, &info) !=
            CURLE_OK ||
        !info)
        return NULL;
    return info->internals;
}

/* The direction that a call which would block waits for. */
static int wanted_direction(const struct curl_stream *stream, int usual)
{
    const SSL *ssl = ssl_of(stream);

    if (!ssl)
        return usual;
    if (SSL_want_write(ssl))
        return UV_WRITABLE;
    return SSL_want_read(ssl) ? UV_READABLE : usual;
}

/* libcurl tells a reset, a cut and bytes that are no TLS apart in words only. */
static int fatal_code(struct curl_stream *stream, int saved_errno, int unknown)
{
    if (saved_errno && saved_errno != EAGAIN)
        stream->failed = -saved_errno;
    else if (strstr(stream->error, "unexpected eof"))
        stream->failed = -ECONNRESET;
    else
        stream->failed = strstr(stream->error, "error:") ? -EPROTO : unknown;
    return stream->failed;
}

/* An end without close_notify comes as an orderly one when there is nothing to complain about in
 * OpenSSL's queue. */
static int end_code(struct curl_stream *stream)
{
    const SSL *ssl = ssl_of(stream);

    if (!stream->base.kind->tls || (ssl && (SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN)))
        return 0;
    stream->failed = -ECONNRESET;
    return -ECONNRESET;
}

static ssize_t curl_recv(struct cv_stream *base, void *buf, size_t len)
{
    struct curl_stream *stream = curl_of(base);
    int direction = UV_READABLE;
    CURLcode code = CURLE_OK;
    ssize_t rc = 0;
    size_t got = 0;

    if (stream->failed)
        return stream->failed;
    stream->more = false;
    while (got < len) {
        size_t n = 0;

        errno = 0;
        code = stream->curl.lib->easy_recv(stream->curl.easy, (uint8_t *)buf + got, len - got, &n);
        stream->more = code == CURLE_OK && n > 0;
        if (!stream->more)
            break;
        got += n;
    }
    if (code == CURLE_AGAIN) {
        direction = wanted_direction(stream, UV_READABLE);
        rc = -EAGAIN;
    } else if (code != CURLE_OK) {
        rc = fatal_code(stream, errno, -ECONNRESET);
    } else if (!stream->more) {
        rc = end_code(stream);
    }
    cv_stream_waits(base, direction, UV_WRITABLE);
    return got ? (ssize_t)got : rc;
}

static ssize_t curl_send(struct cv_stream *base, const void *buf, size_t len)
{
    struct curl_stream *stream = curl_of(base);
    int direction = UV_WRITABLE;
    size_t n = 0;
    CURLcode code;

    if (stream->failed)
        return stream->failed;
    if (len == 0)
        return 0;
    errno = 0;
    code = stream->curl.lib->easy_send(stream->curl.easy, buf, len, &n);
    if (code != CURLE_OK && code != CURLE_AGAIN)
        return fatal_code(stream, errno, -EPIPE);
    if (code == CURLE_AGAIN)
        direction = wanted_direction(stream, UV_WRITABLE);
    cv_stream_waits(base, UV_READABLE, direction);
    return code == CURLE_AGAIN ? -EAGAIN : (ssize_t)n;
}

/* libcurl cannot end one direction, and OpenSSL cannot write through libcurl's BIO outside a call
 * of libcurl: give the writing side one of its own. With a second TLS below (to a proxy) that way
 * is barred; closing says goodbye then. */
static int curl_goodbye(struct cv_stream *base)
{
    struct curl_stream *stream = curl_of(base);
    SSL *ssl = ssl_of(stream);
    int rc;

    if (stream->failed)
        return 0;
    if (!ssl || stream->curl.tls_layers != 1 || !base->kind->tls)
        return -EOPNOTSUPP;
    if (!stream->has_own_bio) {
        BIO *bio = BIO_new_socket(base->fd, BIO_NOCLOSE);

        if (!bio)
            return -ENOMEM;
        SSL_set0_wbio(ssl, bio);
        stream->has_own_bio = true;
    }
    ERR_clear_error();
    rc = SSL_shutdown(ssl);
    if (rc < 0 && SSL_get_error(ssl, rc) == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    ERR_clear_error();
    return 0;
}

static void curl_close(struct cv_stream *base)
{
    struct curl_stream *stream = curl_of(base);
    SSL *ssl = ssl_of(stream);

    /* libcurl says goodbye by itself, even before a reset. */
    if (ssl && base->reset)
        SSL_set_quiet_shutdown(ssl, 1);
    cv_curl_close(&stream->curl);
}

static bool curl_buffered(const struct cv_stream *base)
{
    const struct curl_stream *stream = curl_of((struct cv_stream *)base);
    const SSL *ssl = stream->more ? ssl_of(stream) : NULL;

    return ssl && SSL_has_pending(ssl);
}

static const struct cv_stream_kind tls_kind = {
    .tls = true,
    .recv = curl_recv,
    .send = curl_send,
    .goodbye = curl_goodbye,
    .close = curl_close,
    .buffered = curl_buffered,
};

/* Plain to the server, by TLS to the proxy. */
static const struct cv_stream_kind hidden_kind = {
    .tls = false,
    .recv = curl_recv,
    .send = curl_send,
    .goodbye = curl_goodbye,
    .close = curl_close,
    .buffered = curl_buffered,
};

static curl_socket_t socket_of(const struct cv_curl *curl)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (curl->lib->easy_getinfo(curl->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd < 0)
        return -ENOTCONN;
    return fd;
}

int cv_curl_take_socket(const struct cv_curl *curl)
{
    int fd = socket_of(curl);
    int own = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return own < 0 && fd >= 0 ? -errno : own;
}

int cv_stream_new_curl(struct cv_stream **out, struct cv_loop *loop, struct cv_curl *curl, bool tls)
{
    int fd = socket_of(curl);
    struct curl_stream *stream;

    if (fd < 0)
        return fd;
    stream = cv_alloc_zero(&loop->alloc, sizeof(*stream));
    if (!stream)
        return -ENOMEM;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    cv_stream_start(&stream->base, tls ? &tls_kind : &hidden_kind, loop, fd);
    stream->curl = *curl;
    *curl = (struct cv_curl){0};
    stream->curl.lib->easy_setopt(stream->curl.easy, CURLOPT_ERRORBUFFER, stream->error);
    *out = &stream->base;
    return 0;
}
