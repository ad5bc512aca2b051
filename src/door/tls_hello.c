#include "door/tls_hello.h"

#include <stdbool.h>

#include "base/error.h"

#define RECORD_HEAD  5
#define RECORD_MAX   16384 /* RFC 8446, 5.1 */
#define HANDSHAKE    22
#define CLIENT_HELLO 1
#define SERVER_NAME  0
#define HOST_NAME    0

/* The handshake message inside its records, read byte by byte across them. */
struct cursor {
    const uint8_t *buf;
    size_t len, at;
    size_t record;  /* bytes that are left of this one */
    size_t message; /* bytes that are left of the ClientHello */
    int error;
};

/* Goes into the next record. */
static void next_record(struct cursor *c)
{
    const uint8_t *head = c->buf + c->at;
    size_t left = c->len - c->at;

    if ((left > 0 && head[0] != HANDSHAKE) || (left > 1 && head[1] != 3)) {
        c->error = CV_ESYNTAX;
        return;
    }
    if (left < RECORD_HEAD) {
        c->error = CV_EMORE;
        return;
    }
    c->record = (size_t)head[3] << 8 | head[4];
    if (c->record == 0 || c->record > RECORD_MAX)
        c->error = CV_ESYNTAX;
    c->at += RECORD_HEAD;
}

/* The next byte of the message; 0 after an error. */
static unsigned take(struct cursor *c)
{
    if (c->error == 0 && c->message == 0)
        c->error = CV_ESYNTAX;
    if (c->error == 0 && c->record == 0)
        next_record(c);
    if (c->error == 0 && c->at == c->len)
        c->error = CV_EMORE;
    if (c->error)
        return 0;
    c->record--;
    c->message--;
    return c->buf[c->at++];
}

static size_t take_number(struct cursor *c, unsigned bytes)
{
    size_t n = 0;

    while (bytes--)
        n = n << 8 | take(c);
    return n;
}

static void skip(struct cursor *c, size_t count)
{
    while (count-- && c->error == 0)
        take(c);
}

/* Skips a vector whose length has @bytes bytes. */
static void skip_vector(struct cursor *c, unsigned bytes)
{
    skip(c, take_number(c, bytes));
}

static bool is_name_byte(unsigned c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static int read_name(struct cursor *c, char *name, size_t len)
{
    if (len == 0 || len > CV_TLS_NAME_MAX)
        return CV_ESYNTAX;
    for (size_t i = 0; i < len; i++) {
        unsigned byte = take(c);

        if (byte >= 'A' && byte <= 'Z')
            byte += 'a' - 'A';
        if (c->error == 0 && !is_name_byte(byte))
            return CV_ESYNTAX;
        name[i] = (char)byte;
    }
    name[len] = '\0';
    return c->error ? c->error : (int)len;
}

/* The extension's body, of @len bytes: a list of which one entry may be a host's name. */
static int read_server_name(struct cursor *c, char *name, size_t len)
{
    size_t list = take_number(c, 2), name_len;
    unsigned type = take(c);

    name_len = take_number(c, 2);
    if (c->error)
        return c->error;
    /* RFC 6066 allows one name a type, and there is one type: whoever sends more is up to something
     */
    if (len != list + 2 || list != name_len + 3 || type != HOST_NAME)
        return CV_ESYNTAX;
    return read_name(c, name, name_len);
}

static int read_extensions(struct cursor *c, char *name)
{
    size_t left = take_number(c, 2);
    int found = 0;

    if (c->error == 0 && left != c->message)
        return CV_ESYNTAX;
    while (c->error == 0 && c->message) {
        size_t type = take_number(c, 2), len = take_number(c, 2);

        if (c->error == 0 && len > c->message)
            return CV_ESYNTAX;
        if (type != SERVER_NAME || c->error) {
            skip(c, len);
            continue;
        }
        if (found)
            return CV_ESYNTAX; /* RFC 8446, 4.2: once each */
        found = read_server_name(c, name, len);
        if (found < 0)
            return found;
    }
    return c->error ? c->error : found;
}

static int read_hello(struct cursor *c, char *name)
{
    unsigned type = take(c);

    if (c->error == 0 && type != CLIENT_HELLO)
        return CV_ESYNTAX;
    c->message = take_number(c, 3);
    if (c->error)
        return c->error;
    if (c->message > CV_TLS_HELLO_MAX)
        return CV_ETOOLONG;
    skip(c, 2 + 32);   /* version and random */
    skip_vector(c, 1); /* session id */
    skip_vector(c, 2); /* suites */
    skip_vector(c, 1); /* compression */
    if (c->error)
        return c->error;
    return c->message ? read_extensions(c, name) : 0;
}

int cv_tls_hello_name(char name[CV_TLS_NAME_MAX + 1], const uint8_t *buf, size_t len)
{
    struct cursor cursor = {.buf = buf, .len = cv_min_size(len, CV_TLS_HELLO_MAX), .message = 4};
    int rc;

    name[0] = '\0';
    rc = read_hello(&cursor, name);
    if (rc == CV_EMORE && len >= CV_TLS_HELLO_MAX)
        rc = CV_ETOOLONG;
    if (rc <= 0)
        name[0] = '\0';
    return rc;
}
