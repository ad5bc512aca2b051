#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

struct ssl_ctx_st *cv_load_tls_new(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (context == NULL)
        return NULL;
    /* Thousands of idle links must not keep buffers. Certificates are not checked, and no session
     * is resumed: what a full handshake costs the server is what counts. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

int cv_load_link_open(struct cv_load_link *link, uint16_t port, struct ssl_ctx_st *context)
{
    link->tls = NULL;
    link->fd = cv_load_connect(port);
    if (link->fd < 0 || cv_load_set_nonblocking(link->fd) != 0)
        return -1;
    if (context == NULL)
        return 0;
    link->tls = SSL_new(context);
    if (link->tls == NULL || SSL_set_fd(link->tls, link->fd) != 1)
        return -1;
    SSL_set_connect_state(link->tls);
    return 0;
}

/* What OpenSSL says of a step that did not succeed, as a socket would: -1 with errno, or 0 for the
 * end of the stream. */
static int as_socket(struct cv_load_link *link, int result)
{
    int reason = SSL_get_error(link->tls, result);

    if (reason == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE)
        errno = EAGAIN;
    else if (reason != SSL_ERROR_SYSCALL || errno == 0)
        errno = EPROTO;
    return -1;
}

/* What an earlier call left behind must not explain the next. */
static void forget_errors(void)
{
    ERR_clear_error();
    errno = 0;
}

int cv_load_link_shake(struct cv_load_link *link)
{
    int result;

    if (link->tls == NULL)
        return 0;
    forget_errors();
    result = SSL_do_handshake(link->tls);
    if (result == 1)
        return 0;
    if (as_socket(link, result) == 0)
        errno = ECONNRESET;
    return -1;
}

ssize_t cv_load_link_recv(struct cv_load_link *link, void *bytes, size_t len)
{
    int got;

    if (link->tls == NULL)
        return recv(link->fd, bytes, len, 0);
    forget_errors();
    got = SSL_read(link->tls, bytes, (int)len);
    return got > 0 ? got : as_socket(link, got);
}

int cv_load_link_send(struct cv_load_link *link, const void *bytes, size_t len)
{
    if (link->tls == NULL)
        return send(link->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
    forget_errors();
    return SSL_write(link->tls, bytes, (int)len) == (int)len ? 0 : -1;
}

void cv_load_link_close(struct cv_load_link *link)
{
    SSL_free(link->tls);
    close(link->fd);
    *link = (struct cv_load_link){.fd = -1};
}
