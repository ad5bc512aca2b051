#include "net/proxied.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/list.h"
#include "base/text.h"
#include "net/address.h"
#include "net/log.h"
#include "net/proxied_stream.h"
#include "net/tls_stream.h"

/* Addresses of one name that libcurl is told of. */
#define ADDRESSES_MAX 16

#define HOST_SIZE CV_OUTBOUND_HOST_SIZE
#define URL_SIZE  (HOST_SIZE + 32)
#define TEXT_SIZE (HOST_SIZE + CURL_ERROR_SIZE + 64)

/* A name to look up before libcurl starts: the server's, the proxy's. */
struct lookup {
    char host[HOST_SIZE];
    uint16_t port;
};

struct cv_proxied {
    struct cv_loop *loop;          /* borrowed */
    const struct cv_curl_lib *lib; /* borrowed */
    cv_proxied_done *done;
    void *ctx;
    struct cv_curl curl;
    struct curl_slist *addresses, *connect_to;
    struct lookup lookups[2];
    size_t lookup_count, looked_up;
    uv_getaddrinfo_t request;
    uv_timer_t tick;        /* libcurl's, and the first step's */
    struct cv_list watches; /* of watch.link: the sockets that libcurl waits for */
    uint64_t timeout;
    int pins;         /* handles to close and a lookup to end before the memory may go */
    CURLcode refused; /* the first option that libcurl did not take */
    bool tls;         /* libcurl speaks it to the server, and to the proxy */
    bool hidden;      /* the proxy is spoken to by TLS */
    bool resolving;
    bool finished;
    char error[CURL_ERROR_SIZE];
};

struct watch {
    struct cv_list link;
    struct cv_proxied *dialling;
    uv_poll_t poll;
    int fd;
    int events;
    bool closed;
};

static void unpin(struct cv_proxied *d)
{
    struct cv_loop *loop = d->loop;

    if (--d->pins > 0)
        return;
    d->lib->slist_free_all(d->addresses);
    d->lib->slist_free_all(d->connect_to);
    cv_free(&loop->alloc, d);
    cv_loop_let_go(loop);
}

static void on_timer_closed(uv_handle_t *handle)
{
    unpin(handle->data);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct cv_proxied *d = watch->dialling;

    cv_free(&d->loop->alloc, watch);
    unpin(d);
}

static void watch_close(struct watch *watch)
{
    watch->closed = true;
    cv_list_remove(&watch->link);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* Ends whatever is under way but for the connection itself: the loop forgets its socket. */
static void stop(struct cv_proxied *d)
{
    d->finished = true;
    d->lib->multi_setopt(d->curl.multi, CURLMOPT_SOCKETFUNCTION, NULL);
    d->lib->multi_setopt(d->curl.multi, CURLMOPT_TIMERFUNCTION, NULL);
    cv_list_each_safe (entry, &d->watches)
        watch_close(cv_container_of(entry, struct watch, link));
    if (d->resolving)
        uv_cancel((uv_req_t *)&d->request);
    uv_close((uv_handle_t *)&d->tick, on_timer_closed);
}

static void fail(struct cv_proxied *d, int error, const char *why)
{
    char text[TEXT_SIZE];

    snprintf(text, sizeof(text), "%s", why); /* it may be libcurl's */
    stop(d);
    cv_curl_close(&d->curl);
    d->done(d->ctx, NULL, -1, error, text);
}

static void succeed(struct cv_proxied *d)
{
    struct cv_stream *stream = NULL;
    int rc;

    stop(d);
    rc = d->hidden ? cv_stream_new_curl(&stream, d->loop, &d->curl, d->tls)
                   : cv_curl_take_socket(&d->curl);
    cv_curl_close(&d->curl);
    if (rc < 0)
        d->done(d->ctx, NULL, -1, rc, cv_strerror(rc));
    else
        d->done(d->ctx, stream, stream ? -1 : rc, 0, "");
}

static int refused_code(const struct cv_proxied *d)
{
    long code = 0;

    d->lib->easy_getinfo(d->curl.easy, CURLINFO_OS_ERRNO, &code);
    return code > 0 && code != EINPROGRESS ? -(int)code : -ECONNREFUSED;
}

/* What libcurl's result is among our codes. A proxy that says no shows as a CONNECT status. */
static int error_code(const struct cv_proxied *d, CURLcode result)
{
    long status = 0;

    d->lib->easy_getinfo(d->curl.easy, CURLINFO_HTTP_CONNECTCODE, &status);
    switch ((int)result) {
    case CURLE_COULDNT_CONNECT:
        return refused_code(d);
    case CURLE_PROXY:
        return -ECONNREFUSED;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
        return CV_EDENIED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return UV_EAI_NONAME;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
        return CV_ESYNTAX;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
        return status >= 300 ? -ECONNREFUSED : -ECONNRESET;
    default:
        return -EPROTO;
    }
}

static void conclude(struct cv_proxied *d, CURLcode result)
{
    if (result == CURLE_OK)
        succeed(d);
    else
        fail(d, error_code(d, result), d->error[0] ? d->error : d->lib->easy_strerror(result));
}

static void drive(struct cv_proxied *d, curl_socket_t fd, int flags)
{
    int running, left;
    CURLMcode rc = d->lib->multi_socket_action(d->curl.multi, fd, flags, &running);
    CURLMsg *message;

    if (rc != CURLM_OK) {
        fail(d, -ENOMEM, d->lib->multi_strerror(rc)); /* a callback could not watch a socket */
        return;
    }
    message = d->lib->multi_info_read(d->curl.multi, &left);
    if (message && message->msg == CURLMSG_DONE)
        conclude(d, message->data.result);
}

static void on_watch(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    int flags = 0;

    if (status < 0)
        flags = CURL_CSELECT_ERR | CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    drive(watch->dialling, watch->fd, flags);
    /* libuv has stopped it for the error, and libcurl may still count on it. */
    if (status < 0 && !watch->closed)
        uv_poll_start(poll, watch->events, on_watch);
}

static struct watch *watch_new(struct cv_proxied *d, int fd)
{
    struct watch *watch = cv_alloc_zero(&d->loop->alloc, sizeof(*watch));

    if (!watch)
        return NULL;
    if (uv_poll_init(d->loop->uv, &watch->poll, fd) < 0) {
        cv_free(&d->loop->alloc, watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->dialling = d;
    watch->fd = fd;
    cv_list_push_back(&d->watches, &watch->link);
    d->pins++;
    d->lib->multi_assign(d->curl.multi, fd, watch);
    return watch;
}

/* CURLMOPT_SOCKETFUNCTION: libcurl waits for other events of a socket. -1 makes the whole multi
 * fail. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct cv_proxied *d = ctx;
    struct watch *watch = socket_ctx;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        d->lib->multi_assign(d->curl.multi, fd, NULL);
        if (watch)
            watch_close(watch);
        return 0;
    }
    if (!watch)
        watch = watch_new(d, fd);
    if (!watch)
        return -1;
    watch->events =
        (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, watch->events, on_watch) < 0 ? -1 : 0;
}

static void on_tick(uv_timer_t *timer)
{
    drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION: libcurl wants to be called in @ms milliseconds, or not at all. */
static int on_curl_timer(CURLM *multi, long ms, void *ctx)
{
    struct cv_proxied *d = ctx;

    (void)multi;
    if (ms < 0)
        uv_timer_stop(&d->tick);
    else
        uv_timer_start(&d->tick, on_tick, (uint64_t)ms, 0);
    return 0;
}

/* CURLOPT_SSL_CTX_FUNCTION */
static CURLcode on_curl_ssl(CURL *easy, void *ssl_ctx, void *ctx)
{
    struct cv_proxied *d = ctx;

    (void)easy;
    cv_tls_tune(ssl_ctx);
    d->curl.tls_layers++;
    return CURLE_OK;
}

/* An option that takes a pointer: a text, a list, a callback's context; NULL leaves it as it is. */
static void set(struct cv_proxied *d, CURLoption option, const void *value)
{
    if (d->refused == CURLE_OK && value)
        d->refused = d->lib->easy_setopt(d->curl.easy, option, value);
}

static void set_long(struct cv_proxied *d, CURLoption option, long value)
{
    if (d->refused == CURLE_OK)
        d->refused = d->lib->easy_setopt(d->curl.easy, option, value);
}

/* Lets libcurl go, now that every name is known. */
static void connect_now(struct cv_proxied *d)
{
    /* The owner's deadline ends it; libcurl needs one to share among the addresses. */
    set_long(d, CURLOPT_CONNECTTIMEOUT_MS, (long)cv_loop_delay(0, d->timeout) + 1000);
    set(d, CURLOPT_RESOLVE, d->addresses);
    if (d->refused != CURLE_OK)
        fail(d, error_code(d, d->refused), d->lib->easy_strerror(d->refused));
    else if (d->lib->multi_add_handle(d->curl.multi, d->curl.easy) != CURLM_OK)
        fail(d, -ENOMEM, cv_strerror(-ENOMEM));
}

/* Adds "HOST:PORT:ADDRESS,ADDRESS" to what libcurl is told. */
static int add_addresses(struct cv_proxied *d, const struct lookup *lookup,
                         const struct addrinfo *list)
{
    char line[HOST_SIZE + 16 + ADDRESSES_MAX * (CV_ADDRESS_SIZE + 3)];
    struct curl_slist *longer;
    struct cv_text text;
    int count = 0;

    cv_text_init(&text, line, sizeof(line));
    cv_text_str(&text, lookup->host);
    cv_text_str(&text, ":");
    cv_text_u64(&text, lookup->port);
    for (const struct addrinfo *info = list; info && count < ADDRESSES_MAX; info = info->ai_next) {
        char address[CV_ADDRESS_SIZE];

        cv_address_host(address, info->ai_addr);
        cv_text_str(&text, count++ ? ",[" : ":[");
        cv_text_str(&text, address);
        cv_text_str(&text, "]");
    }
    longer = d->lib->slist_append(d->addresses, line);
    if (!longer)
        return -ENOMEM;
    d->addresses = longer;
    return count ? 0 : UV_EAI_NONAME;
}

static int look_up_next(struct cv_proxied *d);

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct cv_proxied *d = cv_container_of(request, struct cv_proxied, request);
    const struct lookup *lookup = &d->lookups[d->looked_up];
    int rc = status;

    d->resolving = false;
    if (!d->finished && rc == 0)
        rc = add_addresses(d, lookup, list);
    uv_freeaddrinfo(list);
    if (!d->finished && rc == 0) {
        d->looked_up++;
        rc = look_up_next(d);
    }
    if (!d->finished && rc < 0) {
        char why[TEXT_SIZE];

        snprintf(why, sizeof(why), "%s: %s", lookup->host, cv_strerror(rc));
        fail(d, rc, why);
    }
    unpin(d);
}

/* Looks up the next name that has to be, or goes on to connect. */
static int look_up_next(struct cv_proxied *d)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int rc;

    if (d->looked_up == d->lookup_count) {
        connect_now(d);
        return 0;
    }
    rc = uv_getaddrinfo(d->loop->uv, &d->request, on_resolved, d->lookups[d->looked_up].host, NULL,
                        &hints);
    if (rc < 0)
        return rc;
    d->resolving = true;
    d->pins++;
    return 0;
}

/* Notes a name for looking up, unless it is an address. */
static int add_lookup(struct cv_proxied *d, const char *host, uint16_t port)
{
    struct lookup *lookup = &d->lookups[d->lookup_count];
    struct sockaddr_storage address;

    if (strlen(host) >= sizeof(lookup->host))
        return -ENAMETOOLONG;
    if (cv_address_parse(&address, host, port) == 0)
        return 0;
    memcpy(lookup->host, host, strlen(host) + 1);
    lookup->port = port;
    d->lookup_count++;
    return 0;
}

/* Notes the proxy's name; and the target's, when the proxy takes addresses only. */
static int plan_lookups(struct cv_proxied *d, const char *host, uint16_t port, const char *proxy)
{
    char *proxy_host = NULL, *proxy_port = NULL, *scheme = NULL;
    CURLU *url = d->lib->url();
    bool local;
    int rc;

    if (!url)
        return -ENOMEM;
    rc = CV_ESYNTAX;
    if (d->lib->url_set(url, CURLUPART_URL, proxy, CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME) ==
            CURLUE_OK &&
        d->lib->url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        d->lib->url_get(url, CURLUPART_HOST, &proxy_host, 0) == CURLUE_OK) {
        const char *usual = strcmp(scheme, "https") == 0 ? "443" : "1080"; /* CURLOPT_PROXY(3) */

        d->lib->url_get(url, CURLUPART_PORT, &proxy_port, 0);
        local = strcmp(scheme, "socks4") == 0 || strcmp(scheme, "socks5") == 0;
        rc = local ? add_lookup(d, host, port) : 0;
        if (rc == 0 && proxy_host[0] != '[')
            rc = add_lookup(d, proxy_host, (uint16_t)atoi(proxy_port ? proxy_port : usual));
    }
    d->lib->free(proxy_host);
    d->lib->free(proxy_port);
    d->lib->free(scheme);
    d->lib->url_cleanup(url);
    return rc;
}

/* "HOST:PORT", an IPv6 address in brackets. */
static void join(char out[URL_SIZE], const char *host, uint16_t port)
{
    snprintf(out, URL_SIZE, strchr(host, ':') ? "[%.*s]:%u" : "%.*s:%u", HOST_SIZE, host,
             (unsigned)port);
}

static void set_tls_options(struct cv_proxied *d, const struct cv_outbound_options *options)
{
    set_long(d, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    set_long(d, CURLOPT_SSL_VERIFYPEER, !options->insecure);
    set_long(d, CURLOPT_SSL_VERIFYHOST, options->insecure ? 0 : 2);
    set(d, CURLOPT_CAINFO, options->ca_file);
    if (options->ca_file) /* that file alone: libcurl would trust the system's folder besides */
        set(d, CURLOPT_CAPATH, NULL);
    set(d, CURLOPT_SSLCERT, options->cert_file);
    set(d, CURLOPT_SSLKEY, options->key_file);
    d->lib->easy_setopt(d->curl.easy, CURLOPT_SSL_CTX_FUNCTION, on_curl_ssl);
    set(d, CURLOPT_SSL_CTX_DATA, d);
}

static int set_target(struct cv_proxied *d, const struct cv_outbound_options *options)
{
    const char *name = d->tls && options->server_name ? options->server_name : options->host;
    char url[URL_SIZE + 16], authority[URL_SIZE], target[URL_SIZE];
    char connect_to[URL_SIZE + 2];

    join(target, options->host, options->port);
    join(authority, name, options->port);
    snprintf(url, sizeof(url), "%s://%s/", d->tls ? "https" : "http", authority);
    set(d, CURLOPT_URL, url);
    if (name == options->host)
        return 0;
    snprintf(connect_to, sizeof(connect_to), "::%s", target);
    d->connect_to = d->lib->slist_append(NULL, connect_to);
    if (!d->connect_to)
        return -ENOMEM;
    set(d, CURLOPT_CONNECT_TO, d->connect_to);
    return 0;
}

static int set_options(struct cv_proxied *d, const struct cv_outbound_options *options,
                       const char *proxy)
{
    int rc = set_target(d, options);

    set(d, CURLOPT_PROXY, proxy);
    if (!strchr(proxy, '@'))
        set(d, CURLOPT_PROXYUSERPWD, options->proxy_auth);
    set(d, CURLOPT_NOPROXY, ""); /* libcurl is not to look into the environment */
    set_long(d, CURLOPT_HTTPPROXYTUNNEL, 1);
    set_long(d, CURLOPT_CONNECT_ONLY, 1);
    set_long(d, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1); /* all that ALPN shall offer */
    set_long(d, CURLOPT_NOSIGNAL, 1);
    set_long(d, CURLOPT_TCP_NODELAY, 1);
    set(d, CURLOPT_PROTOCOLS_STR, "http,https");
    set(d, CURLOPT_ERRORBUFFER, d->error);
    if (d->hidden)
        set_tls_options(d, options);
    if (rc == 0 && d->refused != CURLE_OK)
        rc = d->refused == CURLE_OUT_OF_MEMORY ? -ENOMEM : CV_ESYNTAX;
    return rc < 0 ? rc : plan_lookups(d, options->host, options->port, proxy);
}

static int set_up(struct cv_proxied *d, const struct cv_outbound_options *options,
                  const char *proxy)
{
    d->curl.lib = d->lib;
    d->curl.multi = d->lib->multi_init();
    d->curl.easy = d->lib->easy_init();
    if (!d->curl.multi || !d->curl.easy)
        return -ENOMEM;
    d->lib->multi_setopt(d->curl.multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    d->lib->multi_setopt(d->curl.multi, CURLMOPT_SOCKETDATA, d);
    d->lib->multi_setopt(d->curl.multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    d->lib->multi_setopt(d->curl.multi, CURLMOPT_TIMERDATA, d);
    return set_options(d, options, proxy);
}

/* The first step is done from the loop, so that `done` never comes before cv_proxied_dial() has
 * returned. */
static void on_begin(uv_timer_t *timer)
{
    struct cv_proxied *d = timer->data;
    int rc = look_up_next(d);

    if (rc < 0)
        fail(d, rc, cv_strerror(rc));
}

int cv_proxied_dial(struct cv_proxied **out, struct cv_loop *loop, const struct cv_curl_lib *lib,
                    const struct cv_outbound_options *options, const char *proxy,
                    cv_proxied_done *done, void *ctx)
{
    struct cv_proxied *d = cv_alloc_zero(&loop->alloc, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    *d = (struct cv_proxied){
        .loop = loop, .lib = lib, .done = done, .ctx = ctx, .timeout = options->timeout};
    cv_loop_hold(loop);
    d->hidden = cv_proxied_is_hidden(proxy);
    d->tls = d->hidden && options->tls;
    cv_list_init(&d->watches);
    rc = set_up(d, options, proxy);
    if (rc < 0) {
        cv_curl_close(&d->curl);
        d->pins = 1;
        unpin(d);
        return rc;
    }
    uv_timer_init(loop->uv, &d->tick);
    d->tick.data = d;
    d->pins = 1;
    uv_timer_start(&d->tick, on_begin, 0, 0);
    *out = d;
    return 0;
}

void cv_proxied_cancel(struct cv_proxied *proxied)
{
    stop(proxied);
    cv_curl_close(&proxied->curl);
}

bool cv_proxied_is_hidden(const char *proxy)
{
    return strncasecmp(proxy, "https://", 8) == 0;
}
