#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "net/link.h"
#include "net/tls_client.h"
#include "net/tls_inner.h"
#include "net/tls_stream.h"
#include "net_certs.h"
#include "net_fixture.h"

/* Our end connects: what it does with records of application data, against OpenSSL as the server.
 */

struct setup {
    struct net net;
    struct certs certs;
    struct cv_tls_sessions sessions;
    struct cv_tls_client_options options;
    SSL_CTX *ctx;         /* of the server */
    struct client server; /* the other end */
    struct echo echo;     /* our end */
};

static struct setup s;

static void setup(void)
{
    net_init(&s.net);
    certs_make(&s.certs, "tunnel.test");
    cv_tls_sessions_init(&s.sessions, &s.net.loop.alloc);
    s.options =
        (struct cv_tls_client_options){.name = "tunnel.test", .port = 443, .ca_file = s.certs.ca};
    s.ctx = SSL_CTX_new(TLS_server_method());
    cr_assert_eq(SSL_CTX_use_certificate_chain_file(s.ctx, s.certs.cert), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(s.ctx, s.certs.key, SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_mode(s.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void hang_up(void)
{
    cv_stream_close(s.echo.stream);
    client_close(&s.server);
}

static void teardown(void)
{
    hang_up();
    SSL_CTX_free(s.ctx);
    cv_tls_sessions_deinit(&s.sessions);
    certs_remove(&s.certs);
    net_deinit(&s.net);
}

TestSuite(tls_client, .init = setup, .fini = teardown);

static struct tls_stream *ours(void)
{
    return cv_container_of(s.echo.stream, struct tls_stream, base);
}

static struct cv_stream *start(void)
{
    struct cv_stream *stream;
    char error[256];
    int fds[2];
    SSL *ssl;

    cr_assert_eq(cv_tls_client_new(&ssl, &s.sessions, &s.options, error, sizeof(error)), 0, "%s",
                 error);
    tcp_pair(fds);
    s.server = (struct client){.fd = fds[0], .ssl = SSL_new(s.ctx)};
    SSL_set_fd(s.server.ssl, s.server.fd);
    SSL_set_accept_state(s.server.ssl);
    cr_assert_eq(cv_tls_stream_new(&stream, &s.net.loop, fds[1], ssl, NULL, 0), 0);
    return stream;
}

static void connect_both(void)
{
    struct cv_stream *stream = start();

    cr_assert_eq(cv_tls_stream_shake(stream), -EAGAIN);
    memset(&s.echo, 0, sizeof(s.echo));
    echo_start(&s.echo, stream);
    while (SSL_do_handshake(s.server.ssl) != 1)
        net_turn(&s.net);
}

static void expect_echo(const void *data, size_t len)
{
    client_expect_echo(&s.net, &s.server, data, len);
}

static void expect_bulk(void)
{
    size_t len = 200000;
    uint8_t *data = malloc(len);

    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t at = 0; at < len; at += 40000)
        expect_echo(data + at, 40000);
    cr_assert(ours()->tx.cipher && ours()->rx.cipher, "the records are our own");
    free(data);
}

Test(tls_client, makes_its_records)
{
    connect_both();
    expect_bulk();
    SSL_shutdown(s.server.ssl);
    NET_UNTIL(&s.net, s.echo.ended);
}

Test(tls_client, keeps_a_ticket_and_resumes)
{
    connect_both();
    expect_echo("first", 5);
    cr_assert_not(SSL_session_reused(s.server.ssl));
    for (int i = 0; i < 3; i++) {
        hang_up();
        connect_both();
        expect_bulk();
        cr_assert(SSL_session_reused(s.server.ssl));
    }
}

Test(tls_client, is_asked_for_another_group)
{
    cr_assert_eq(SSL_CTX_set1_groups_list(s.ctx, "P-384"), 1);
    connect_both();
    expect_bulk();
}

static void ask_for_certificate(void)
{
    s.options.cert_file = s.certs.cert;
    s.options.key_file = s.certs.key;
    cr_assert_eq(SSL_CTX_load_verify_file(s.ctx, s.certs.ca), 1);
    SSL_CTX_set_verify(s.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_id_context(s.ctx, (const unsigned char *)"test", 4);
    SSL_CTX_set_purpose(s.ctx, X509_PURPOSE_ANY);
}

Test(tls_client, shows_a_certificate)
{
    ask_for_certificate();
    connect_both();
    cr_assert_not_null(SSL_get0_peer_certificate(s.server.ssl));
    expect_bulk();
}

static void update_keys(int kind)
{
    uint8_t secret[EVP_MAX_MD_SIZE];

    connect_both();
    for (int i = 0; i < 3; i++) {
        expect_echo("data", 4);
        memcpy(secret, ours()->rx.secret, sizeof(secret));
        cr_assert_eq(SSL_key_update(s.server.ssl, kind), 1);
        expect_echo("under other keys", 16);
        cr_assert_neq(memcmp(secret, ours()->rx.secret, sizeof(secret)), 0);
    }
    expect_bulk();
}

Test(tls_client, follows_new_keys)
{
    update_keys(SSL_KEY_UPDATE_NOT_REQUESTED);
}

Test(tls_client, follows_new_keys_and_has_them_too)
{
    update_keys(SSL_KEY_UPDATE_REQUESTED);
}

Test(tls_client, renews_its_keys)
{
    connect_both();
    expect_echo("data", 4);
    ours()->tx.limit = 5;
    expect_bulk();
    cr_assert_leq(ours()->tx.number, 8);
}

/* Tickets come behind the handshake, of which new keys may follow at once. */
Test(tls_client, follows_new_keys_behind_tickets)
{
    connect_both();
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(SSL_new_session_ticket(s.server.ssl), 1);
        cr_assert_eq(SSL_do_handshake(s.server.ssl), 1);
        cr_assert_eq(SSL_key_update(s.server.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        cr_assert_eq(SSL_do_handshake(s.server.ssl), 1);
    }
    expect_bulk();
}

/* The write that ends the handshake has more to send behind it than fits: each byte goes once, and
 * OpenSSL is left with nothing that would keep it from saying goodbye. */
Test(tls_client, sends_a_batch_right_behind_the_handshake)
{
    static uint8_t data[2 * CV_LINK_SEND_MAX], back[sizeof(data)];
    size_t sent = 0, got = 0;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 + i / 256);
    ask_for_certificate();
    s.echo.stream = start();
    while (got < sizeof(data)) {
        ssize_t n = cv_stream_send(s.echo.stream, data + sent, sizeof(data) - sent);
        size_t in = 0;

        sent += n > 0 ? (size_t)n : 0;
        if (SSL_read_ex(s.server.ssl, back + got, sizeof(back) - got, &in) != 1)
            net_turn(&s.net);
        got += in;
    }
    cr_assert_arr_eq(back, data, sizeof(data));
    cv_stream_shutdown(s.echo.stream);
    cr_assert_eq(client_recv(&s.net, &s.server, back, sizeof(back)), 0);
}
