#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "net/tls.h"
#include "net/tls_inner.h"
#include "net_certs.h"
#include "net_fixture.h"

/* Records of application data that are our own, against OpenSSL at the other end. */

struct setup {
    struct net net;
    struct certs certs;
    struct cv_tls *tls;
    struct client client;
    struct echo echo;
};

static struct setup s;

static void setup(void)
{
    struct cv_stream *stream;
    char error[256];
    int fds[2];

    net_init(&s.net);
    certs_make(&s.certs, "tunnel.test");
    cr_assert_eq(cv_tls_new(&s.tls, CERT_FILES(s.certs), error, sizeof(error)), 0, "%s", error);
    tcp_pair(fds);
    s.client = (struct client){.fd = fds[0]};
    cr_assert_eq(cv_stream_new_tls(&stream, &s.net.loop, fds[1], s.tls), 0);
    echo_start(&s.echo, stream);
}

static void teardown(void)
{
    cv_stream_close(s.echo.stream);
    client_close(&s.client);
    cv_tls_free(s.tls);
    certs_remove(&s.certs);
    net_deinit(&s.net);
}

TestSuite(tls_records, .init = setup, .fini = teardown);

static struct tls_stream *server(void)
{
    return cv_container_of(s.echo.stream, struct tls_stream, base);
}

static void expect_echo(const void *data, size_t len)
{
    client_expect_echo(&s.net, &s.client, data, len);
}

static void shake(void)
{
    client_tls(&s.net, &s.client, s.certs.ca, "tunnel.test");
    expect_echo("hello", 5);
    cr_assert(server()->tx.cipher && server()->rx.cipher, "the records are our own");
}

/* The records that the client makes of @len bytes, which are not sent; to be freed. */
static uint8_t *records_of(const void *data, size_t len, size_t *size)
{
    BIO *memory = BIO_new(BIO_s_mem()), *socket = SSL_get_wbio(s.client.ssl);
    uint8_t *copy;
    char *at;

    BIO_up_ref(socket);
    SSL_set0_wbio(s.client.ssl, memory);
    cr_assert_eq(SSL_write(s.client.ssl, data, (int)len), (int)len);
    *size = (size_t)BIO_get_mem_data(memory, &at);
    copy = malloc(*size);
    memcpy(copy, at, *size);
    SSL_set0_wbio(s.client.ssl, socket);
    return copy;
}

static void send_raw(const void *data, size_t len)
{
    struct client raw = {.fd = s.client.fd};

    client_send(&s.net, &raw, data, len);
}

static void expect_refusal(int alert)
{
    char byte;

    NET_UNTIL(&s.net, s.echo.error);
    cr_assert_eq(s.echo.error, -EPROTO);
    cr_assert_eq(client_recv(&s.net, &s.client, &byte, 1), -EPROTO);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_error()), alert);
    cr_assert_eq(cv_stream_recv(s.echo.stream, &byte, 1), -EPROTO, "it stays refused");
}

/* A handshake of a client that was set up by hand; takes @ctx. */
static void shake_as(SSL_CTX *ctx)
{
    s.client.ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(s.client.ssl, s.client.fd);
    while (SSL_connect(s.client.ssl) != 1)
        net_turn(&s.net);
}

static void speak(const char *suite)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    size_t len = 200000;
    uint8_t *data = malloc(len);

    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    cr_assert_eq(SSL_CTX_set_ciphersuites(ctx, suite), 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE);
    shake_as(ctx);
    for (size_t at = 0; at < len; at += 40000)
        expect_echo(data + at, 40000);
    cr_assert(server()->tx.cipher && server()->rx.cipher);
    free(data);
}

Test(tls_records, are_of_aes_128)
{
    speak("TLS_AES_128_GCM_SHA256");
}

Test(tls_records, are_of_aes_256)
{
    speak("TLS_AES_256_GCM_SHA384");
}

Test(tls_records, are_of_chacha20)
{
    speak("TLS_CHACHA20_POLY1305_SHA256");
}

Test(tls_records, may_arrive_cut_at_every_byte)
{
    uint8_t data[3000], back[sizeof(data)];
    uint8_t *raw;
    size_t size;

    shake();
    memset(data, 0x33, sizeof(data));
    raw = records_of(data, sizeof(data), &size);
    for (size_t i = 0; i < size; i++) {
        send_raw(raw + i, 1);
        net_turn(&s.net);
    }
    free(raw);
    for (size_t got = 0; got < sizeof(back);)
        got += (size_t)client_recv(&s.net, &s.client, back + got, sizeof(back) - got);
    cr_assert_arr_eq(back, data, sizeof(data));
}

/* A reader with little room at a time gets each byte once, and the loop does not forget it. */
Test(tls_records, are_read_with_any_room)
{
    static uint8_t data[20000], back[sizeof(data)];
    size_t got = 0;

    shake();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 + i / 256);
    cv_stream_owner(s.echo.stream, NULL, NULL);
    client_send(&s.net, &s.client, data, sizeof(data));
    for (size_t room = 1; got < sizeof(data); room = room * 3 % 4099) {
        ssize_t n =
            cv_stream_recv(s.echo.stream, back + got, cv_min_size(room, sizeof(back) - got));

        if (n > 0)
            got += (size_t)n;
        else
            cr_assert_eq(n, -EAGAIN);
    }
    cr_assert_arr_eq(back, data, sizeof(data));
}

Test(tls_records, may_be_padded)
{
    shake();
    cr_assert_eq(SSL_set_block_padding(s.client.ssl, 512), 1);
    expect_echo("padded", 6);
}

/* Another hand at the client's records, that sends from now on in its place. */
static struct cv_record_keys forger(void)
{
    struct tls_stream *tls = server();
    struct cv_record_keys keys;

    cr_assert_eq(cv_record_init(&keys, SSL_get_current_cipher(tls->ssl), tls->rx.secret,
                                tls->rx.secret_len, true),
                 0);
    keys.inner_number = tls->rx.number;
    return keys;
}

static void forge(struct cv_record_keys *keys, uint8_t type, const void *data, size_t len)
{
    uint8_t record[64];

    send_raw(record, cv_record_inward(keys, record, type, data, len));
}

static const uint8_t key_update[] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, SSL_KEY_UPDATE_NOT_REQUESTED};

Test(tls_records, may_be_empty)
{
    struct cv_record_keys keys;
    size_t total;

    shake();
    keys = forger();
    total = s.echo.total;
    for (int i = 0; i < 64; i++)
        forge(&keys, SSL3_RT_APPLICATION_DATA, "", 0);
    forge(&keys, SSL3_RT_APPLICATION_DATA, "x", 1);
    NET_UNTIL(&s.net, s.echo.total == total + 1);
    cv_record_deinit(&keys);
}

/* Who sends nothing but these would keep the loop busy. */
Test(tls_records, are_refused_when_all_are_empty)
{
    struct cv_record_keys keys;

    shake();
    keys = forger();
    for (int i = 0; i < 65; i++)
        forge(&keys, SSL3_RT_APPLICATION_DATA, "", 0);
    expect_refusal(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    cv_record_deinit(&keys);
}

/* OpenSSL is in the middle of a message then, and data goes on in both directions. */
static void cut_update(size_t at)
{
    struct cv_record_keys keys;
    char back[4];
    size_t total;
    uint64_t n;

    shake();
    keys = forger();
    total = s.echo.total;
    n = server()->rx.number;
    forge(&keys, SSL3_RT_HANDSHAKE, key_update, at);
    NET_UNTIL(&s.net, server()->rx.number == n + 1);
    cr_assert_eq(cv_stream_send(s.echo.stream, "data", 4), 4);
    cr_assert_eq(client_recv(&s.net, &s.client, back, sizeof(back)), 4);
    forge(&keys, SSL3_RT_HANDSHAKE, key_update + at, sizeof(key_update) - at);
    NET_UNTIL(&s.net, server()->rx.number == 0);
    cr_assert_eq(cv_record_update(&keys), 0);
    forge(&keys, SSL3_RT_APPLICATION_DATA, "under new keys", 14);
    NET_UNTIL(&s.net, s.echo.total == total + 14);
    cv_record_deinit(&keys);
}

Test(tls_records, follow_new_keys_said_in_two_pieces)
{
    cut_update(1);
}

Test(tls_records, follow_new_keys_said_in_two_pieces_of_which_one_has_the_whole_head)
{
    cut_update(4);
}

/* Fills the socket, and hears @times that other keys are asked for: how much was sent. */
static size_t owe_and_be_asked(const uint8_t *data, size_t size, size_t times)
{
    struct cv_stream *stream = s.echo.stream;
    size_t sent = 0;
    uint8_t byte;
    ssize_t n;

    cv_stream_owner(stream, NULL, NULL);
    while ((n = cv_stream_send(stream, data + sent, size - sent)) > 0)
        sent += (size_t)n;
    cr_assert_eq(n, -EAGAIN);
    cr_assert(server()->owed);
    for (size_t i = 0; i < times; i++) {
        cr_assert_eq(SSL_key_update(s.client.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        cr_assert_eq(SSL_do_handshake(s.client.ssl), 1);
    }
    NET_UNTIL(&s.net, cv_stream_unread(stream) == times * (sizeof(key_update) + CV_RECORD_EXTRA));
    cr_assert_eq(cv_stream_recv(stream, &byte, 1), -EAGAIN);
    return sent;
}

Test(tls_records, go_on_behind_answers_that_the_socket_did_not_take)
{
    static uint8_t data[32 << 20], back[65536];
    size_t sent, end, got = 0;

    shake();
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 11 + i / 256);
    sent = owe_and_be_asked(data, sizeof(data) - sizeof(back), 3);
    end = sent + sizeof(back);
    while (got < end) {
        ssize_t n = sent < end ? cv_stream_send(s.echo.stream, data + sent, end - sent) : 0;
        size_t in = 0;

        sent += n > 0 ? (size_t)n : 0;
        if (SSL_read_ex(s.client.ssl, back, sizeof(back), &in) != 1)
            net_turn(&s.net);
        cr_assert_arr_eq(back, data + got, in);
        got += in;
    }
    cr_assert_lt(server()->tx.number, 20, "the keys are new");
}

/* Number 0 is also the number of what OpenSSL hears first: it must not hear it. */
Test(tls_records, are_taken_once)
{
    uint8_t *raw, back[8];
    size_t size;

    client_tls(&s.net, &s.client, s.certs.ca, "tunnel.test");
    raw = records_of("once", 4, &size);
    send_raw(raw, size);
    NET_UNTIL(&s.net, s.echo.total == 4);
    cr_assert_eq(client_recv(&s.net, &s.client, back, sizeof(back)), 4);
    send_raw(raw, size);
    free(raw);
    expect_refusal(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    cr_assert_eq(s.echo.total, 4);
}

Test(tls_records, are_refused_when_a_bit_was_changed)
{
    uint8_t *raw;
    size_t size;

    shake();
    raw = records_of("changed", 7, &size);
    raw[size / 2] ^= 1;
    send_raw(raw, size);
    free(raw);
    expect_refusal(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

Test(tls_records, are_refused_when_too_long)
{
    static const uint8_t head[] = {SSL3_RT_APPLICATION_DATA, 3, 3, 0xff, 0xff};

    shake();
    send_raw(head, sizeof(head));
    expect_refusal(SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
}

Test(tls_records, are_refused_without_protection)
{
    static const uint8_t alert[] = {SSL3_RT_ALERT, 3, 3, 0, 2, 1, SSL_AD_CLOSE_NOTIFY};

    shake();
    send_raw(alert, sizeof(alert));
    NET_UNTIL(&s.net, s.echo.error || s.echo.ended);
    cr_assert_eq(s.echo.error, -EPROTO);
}

static void update_keys(int kind, bool both)
{
    uint8_t secret[EVP_MAX_MD_SIZE];

    shake();
    for (int i = 0; i < 3; i++) {
        memcpy(secret, server()->rx.secret, sizeof(secret));
        cr_assert_eq(SSL_key_update(s.client.ssl, kind), 1);
        expect_echo("under other keys", 16);
        cr_assert_neq(memcmp(secret, server()->rx.secret, sizeof(secret)), 0);
        memcpy(secret, server()->tx.secret, sizeof(secret));
        expect_echo("and once more", 13);
    }
    cr_assert_eq(server()->tx.number < 6, both, "ours changed too");
}

Test(tls_records, follow_new_keys_of_the_other_end)
{
    update_keys(SSL_KEY_UPDATE_NOT_REQUESTED, false);
}

Test(tls_records, follow_new_keys_that_are_asked_for)
{
    update_keys(SSL_KEY_UPDATE_REQUESTED, true);
}

Test(tls_records, get_new_keys_in_time)
{
    uint8_t secret[EVP_MAX_MD_SIZE];

    shake();
    server()->tx.limit = 3;
    for (int i = 0; i < 4; i++) {
        memcpy(secret, server()->tx.secret, sizeof(secret));
        for (int k = 0; k < 4; k++)
            expect_echo("data", 4);
        cr_assert_neq(memcmp(secret, server()->tx.secret, sizeof(secret)), 0);
        cr_assert_leq(server()->tx.number, 4);
    }
    SSL_shutdown(s.client.ssl);
    NET_UNTIL(&s.net, s.echo.ended);
}

Test(tls_records, are_left_to_openssl_where_short_ones_are_asked_for)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    char data[3000];

    memset(data, 'm', sizeof(data));
    SSL_CTX_set_tlsext_max_fragment_length(ctx, TLSEXT_max_fragment_length_512);
    shake_as(ctx);
    expect_echo(data, sizeof(data));
    cr_assert(!server()->tx.cipher && !server()->rx.cipher);
}

/* Each allocation of a read with room for little fails once: the stream ends, or goes on. */
Test(tls_records, survive_failing_allocations)
{
    static uint8_t data[4000], back[sizeof(data)];
    size_t got = 0;

    shake();
    cv_stream_owner(s.echo.stream, NULL, NULL);
    client_send(&s.net, &s.client, data, sizeof(data));
    s.net.memory.fail_at = s.net.memory.calls + 2; /* the first is of the whole read */
    while (got < sizeof(data)) {
        ssize_t n = cv_stream_recv(s.echo.stream, back, 100);

        if (n == -ENOMEM)
            break;
        cr_assert(n > 0 || n == -EAGAIN, "%zd", n);
        got += n > 0 ? (size_t)n : 0;
    }
    cr_assert_lt(got, sizeof(data), "an allocation failed");
    cr_assert_eq(cv_stream_recv(s.echo.stream, back, 100), -ENOMEM, "what is lost stays lost");
}
