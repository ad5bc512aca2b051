#include <stdbool.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/tls_hello.h"

/* A ClientHello of OpenSSL 3 for Site.Example.org. */
static const uint8_t real[] = {
    0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0xa7, 0x5c, 0x78, 0xcd, 0x27,
    0xac, 0x8a, 0xbd, 0xbe, 0xb6, 0xee, 0x9c, 0x8c, 0x9e, 0x5a, 0x68, 0xd6, 0x22, 0x50, 0xcf, 0xba,
    0x65, 0x4b, 0x1a, 0x3e, 0x5b, 0x96, 0x0f, 0xd2, 0x7f, 0x0c, 0xf0, 0x20, 0x94, 0xfd, 0xae, 0x3d,
    0x79, 0x7b, 0xd6, 0xb0, 0xed, 0x65, 0xbd, 0x89, 0x11, 0x0d, 0x09, 0xa0, 0x9b, 0x90, 0x0f, 0x35,
    0x23, 0x7a, 0x9a, 0xd1, 0x01, 0xfc, 0x39, 0x26, 0x54, 0x93, 0x20, 0x52, 0x00, 0x24, 0x13, 0x02,
    0x13, 0x03, 0x13, 0x01, 0xc0, 0x2c, 0xc0, 0x30, 0xc0, 0x2b, 0xc0, 0x2f, 0xcc, 0xa9, 0xcc, 0xa8,
    0xc0, 0x24, 0xc0, 0x28, 0xc0, 0x23, 0xc0, 0x27, 0x00, 0x9f, 0x00, 0x9e, 0x00, 0x6b, 0x00, 0x67,
    0x00, 0xff, 0x01, 0x00, 0x01, 0x8f, 0x00, 0x00, 0x00, 0x15, 0x00, 0x13, 0x00, 0x00, 0x10, 0x53,
    0x69, 0x74, 0x65, 0x2e, 0x45, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00,
    0x0b, 0x00, 0x04, 0x03, 0x00, 0x01, 0x02, 0x00, 0x0a, 0x00, 0x16, 0x00, 0x14, 0x00, 0x1d, 0x00,
    0x17, 0x00, 0x1e, 0x00, 0x19, 0x00, 0x18, 0x01, 0x00, 0x01, 0x01, 0x01, 0x02, 0x01, 0x03, 0x01,
    0x04, 0x00, 0x23, 0x00, 0x00, 0x00, 0x10, 0x00, 0x0e, 0x00, 0x0c, 0x02, 0x68, 0x32, 0x08, 0x68,
    0x74, 0x74, 0x70, 0x2f, 0x31, 0x2e, 0x31, 0x00, 0x16, 0x00, 0x00, 0x00, 0x17, 0x00, 0x00, 0x00,
    0x0d, 0x00, 0x2a, 0x00, 0x28, 0x04, 0x03, 0x05, 0x03, 0x06, 0x03, 0x08, 0x07, 0x08, 0x08, 0x08,
    0x09, 0x08, 0x0a, 0x08, 0x0b, 0x08, 0x04, 0x08, 0x05, 0x08, 0x06, 0x04, 0x01, 0x05, 0x01, 0x06,
    0x01, 0x03, 0x03, 0x03, 0x01, 0x03, 0x02, 0x04, 0x02, 0x05, 0x02, 0x06, 0x02, 0x00, 0x2b, 0x00,
    0x05, 0x04, 0x03, 0x04, 0x03, 0x03, 0x00, 0x2d, 0x00, 0x02, 0x01, 0x01, 0x00, 0x33, 0x00, 0x26,
    0x00, 0x24, 0x00, 0x1d, 0x00, 0x20, 0xda, 0xfd, 0x89, 0x43, 0x4e, 0x71, 0xfb, 0xc4, 0x4e, 0xc8,
    0x8f, 0x68, 0x75, 0x84, 0xad, 0xd0, 0xc4, 0x36, 0x17, 0x8d, 0x31, 0x06, 0xf9, 0x2a, 0x83, 0xde,
    0x36, 0x82, 0x08, 0x80, 0xf8, 0x30, 0x00, 0x15, 0x00, 0xcb, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00,
};

/* One that is being built, as a message; put into records of a length. */
struct hello {
    uint8_t message[CV_TLS_HELLO_MAX + 64];
    size_t len;
};

static void put(struct hello *h, size_t number, unsigned bytes)
{
    while (bytes--)
        h->message[h->len++] = (uint8_t)(number >> (8 * bytes));
}

static void put_bytes(struct hello *h, const void *bytes, size_t len)
{
    memcpy(h->message + h->len, bytes, len);
    h->len += len;
}

/* All up to the extensions. */
static void begin(struct hello *h)
{
    static const uint8_t random[32] = {1};

    h->len = 0;
    put(h, 1, 1);
    put(h, 0, 3); /* length, see finish() */
    put(h, 0x0303, 2);
    put_bytes(h, random, sizeof(random));
    put(h, 0, 1);
    put(h, 2, 2);
    put(h, 0x1301, 2);
    put(h, 1, 1);
    put(h, 0, 1);
}

static void set_length(struct hello *h)
{
    size_t len = h->len - 4;

    h->message[1] = (uint8_t)(len >> 16);
    h->message[2] = (uint8_t)(len >> 8);
    h->message[3] = (uint8_t)len;
}

static void put_name(struct hello *h, const char *name, size_t len)
{
    put(h, 0, 2); /* server_name */
    put(h, len + 5, 2);
    put(h, len + 3, 2);
    put(h, 0, 1);
    put(h, len, 2);
    put_bytes(h, name, len);
}

/* Lays the message into records of at most @size bytes; returns the length. */
static size_t lay(uint8_t *out, const struct hello *h, size_t size)
{
    size_t len = 0;

    for (size_t at = 0; at < h->len;) {
        size_t n = h->len - at < size ? h->len - at : size;
        const uint8_t head[] = {22, 3, 1, (uint8_t)(n >> 8), (uint8_t)n};

        memcpy(out + len, head, sizeof(head));
        memcpy(out + len + sizeof(head), h->message + at, n);
        len += sizeof(head) + n;
        at += n;
    }
    return len;
}

static int read_hello(struct hello *h, char name[CV_TLS_NAME_MAX + 1])
{
    static uint8_t bytes[8 * CV_TLS_HELLO_MAX];

    set_length(h);
    return cv_tls_hello_name(name, bytes, lay(bytes, h, 16384));
}

/* A hello whose only extension is the name @name. */
static int read_named(const char *name, size_t len, char out[CV_TLS_NAME_MAX + 1])
{
    static struct hello h;

    begin(&h);
    put(&h, len + 9, 2);
    put_name(&h, name, len);
    return read_hello(&h, out);
}

Test(tls_hello, reads_the_name_that_a_real_client_asks_for)
{
    char name[CV_TLS_NAME_MAX + 1];

    cr_assert_eq(cv_tls_hello_name(name, real, sizeof(real)), 16);
    cr_assert_str_eq(name, "site.example.org");
}

Test(tls_hello, asks_for_more_at_every_cut)
{
    char name[CV_TLS_NAME_MAX + 1];

    for (size_t cut = 0; cut < sizeof(real); cut++) {
        cr_assert_eq(cv_tls_hello_name(name, real, cut), CV_EMORE, "cut at %zu", cut);
        cr_assert_str_empty(name);
    }
}

Test(tls_hello, reads_over_records_of_every_size_cut_anywhere)
{
    static uint8_t bytes[16 * 1024];
    static struct hello h;
    char name[CV_TLS_NAME_MAX + 1];

    memcpy(h.message, real + 5, sizeof(real) - 5);
    h.len = sizeof(real) - 5;
    for (size_t size = 1; size <= h.len; size++) {
        size_t len = lay(bytes, &h, size);

        cr_assert_eq(cv_tls_hello_name(name, bytes, len), 16, "records of %zu", size);
        if (size < 20)
            for (size_t cut = 0; cut < len; cut++)
                cr_assert_eq(cv_tls_hello_name(name, bytes, cut), CV_EMORE);
    }
}

Test(tls_hello, finds_no_name_where_none_is)
{
    static struct hello h;
    char name[CV_TLS_NAME_MAX + 1] = "x";

    begin(&h); /* without extensions: SSL 3 */
    cr_assert_eq(read_hello(&h, name), 0);
    cr_assert_str_empty(name);
    begin(&h);
    put(&h, 0, 2);
    cr_assert_eq(read_hello(&h, name), 0);
    begin(&h);
    put(&h, 4, 2);
    put(&h, 23, 2);
    put(&h, 0, 2);
    cr_assert_eq(read_hello(&h, name), 0);
}

Test(tls_hello, takes_a_name_of_the_longest_length)
{
    char text[CV_TLS_NAME_MAX + 1], name[CV_TLS_NAME_MAX + 1];

    memset(text, 'a', sizeof(text));
    cr_assert_eq(read_named(text, CV_TLS_NAME_MAX, name), CV_TLS_NAME_MAX);
    cr_assert_eq(read_named(text, CV_TLS_NAME_MAX + 1, name), CV_ESYNTAX);
    cr_assert_eq(read_named(text, 0, name), CV_ESYNTAX);
}

Test(tls_hello, refuses_names_with_odd_bytes)
{
    static const char *const names[] = {"a b", "a/b", "a\nb", "a:b", "\xc3\xa4", "[::1]", "a*"};
    char name[CV_TLS_NAME_MAX + 1];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_assert_eq(read_named(names[i], strlen(names[i]), name), CV_ESYNTAX);
    cr_assert_eq(read_named("a\0b", 3, name), CV_ESYNTAX);
    cr_assert_str_empty(name);
}

Test(tls_hello, refuses_two_names)
{
    static struct hello h;
    char name[CV_TLS_NAME_MAX + 1];

    begin(&h);
    put(&h, 2 * (9 + 1), 2);
    put_name(&h, "a", 1);
    put_name(&h, "b", 1);
    cr_assert_eq(read_hello(&h, name), CV_ESYNTAX);
}

Test(tls_hello, refuses_lengths_that_do_not_fit_into_each_other)
{
    static struct hello h;
    char name[CV_TLS_NAME_MAX + 1];

    for (size_t i = 0; i < 4; i++) {
        static const struct {
            size_t all, extension, list, name;
        } cases[] = {{11, 6, 4, 1}, {10, 7, 4, 1}, {10, 6, 5, 1}, {10, 6, 4, 2}};

        begin(&h);
        put(&h, cases[i].all, 2);
        put(&h, 0, 2);
        put(&h, cases[i].extension, 2);
        put(&h, cases[i].list, 2);
        put(&h, 0, 1);
        put(&h, cases[i].name, 2);
        put_bytes(&h, "a", 1);
        cr_assert_eq(read_hello(&h, name), CV_ESYNTAX, "case %zu", i);
    }
}

Test(tls_hello, refuses_what_is_no_tls_at_its_first_byte_that_says_so)
{
    static const char *const cases[] = {"GET / HTTP/1.1", "SSH-2.0-x", "\x16\x02", "\x16GET",
                                        "\x80\x2e\x01\x03\x01"};
    static const uint8_t server_hello[] = {22, 3, 3, 0, 4, 2, 0, 0, 0};
    static const uint8_t alert[] = {21, 3, 3, 0, 2, 1, 0};
    static const uint8_t empty[] = {22, 3, 1, 0, 0};
    static const uint8_t huge[] = {22, 3, 1, 0x40, 1};
    char name[CV_TLS_NAME_MAX + 1];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_assert_eq(cv_tls_hello_name(name, (const uint8_t *)cases[i], strlen(cases[i])),
                     CV_ESYNTAX);
    cr_assert_eq(cv_tls_hello_name(name, server_hello, sizeof(server_hello)), CV_ESYNTAX);
    cr_assert_eq(cv_tls_hello_name(name, alert, sizeof(alert)), CV_ESYNTAX);
    cr_assert_eq(cv_tls_hello_name(name, empty, sizeof(empty)), CV_ESYNTAX);
    cr_assert_eq(cv_tls_hello_name(name, huge, sizeof(huge)), CV_ESYNTAX);
}

Test(tls_hello, bounds_what_it_reads)
{
    static uint8_t bytes[8 * CV_TLS_HELLO_MAX];
    static struct hello h;
    char name[CV_TLS_NAME_MAX + 1];
    size_t len;

    begin(&h);
    put(&h, 1, 2);
    h.message[1] = 1; /* 64 KiB and more */
    len = lay(bytes, &h, 16384);
    cr_assert_eq(cv_tls_hello_name(name, bytes, len), CV_ETOOLONG);
    begin(&h); /* as long as it may be, but in tiny records */
    put(&h, CV_TLS_HELLO_MAX - h.len - 2, 2);
    put(&h, 21, 2);
    put(&h, CV_TLS_HELLO_MAX - h.len - 2, 2);
    h.len = CV_TLS_HELLO_MAX;
    set_length(&h);
    cr_assert_eq(cv_tls_hello_name(name, bytes, lay(bytes, &h, 1)), CV_ETOOLONG);
}
