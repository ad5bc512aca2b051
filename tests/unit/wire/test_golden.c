#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "golden/golden.h"
#include "wire/frame.h"

/* Our codec against what the reference wrote and read. Each loop also counts what it went through,
 * so that an empty section cannot pass. */

static struct golden golden;

static void load(void)
{
    golden_load(&golden);
}

static void unload(void)
{
    golden_free(&golden);
}

TestSuite(golden, .init = load, .fini = unload);

static bool same(struct golden_bytes expected, const void *data, size_t len)
{
    return expected.len == len && (len == 0 || memcmp(expected.data, data, len) == 0);
}

static bool is_announcement(int64_t type)
{
    return type == CV_FRAME_ADD_CLIENT || type == CV_FRAME_REMOVE_CLIENT;
}

/* An exact copy of @bytes on the heap, so that the sanitizer sees a read past its end. */
static uint8_t *copy_of(struct golden_bytes bytes)
{
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);

    cr_assert(copy);
    memcpy(copy, bytes.data, bytes.len);
    return copy;
}

Test(golden, writes_every_head_as_the_reference)
{
    cr_assert_eq(golden.encode_count, 221);
    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];
        const struct cv_frame frame = {
            .id = e->id, .conn_id = e->conn_id, .type = e->type, .deadline = e->deadline};
        uint8_t head[CV_FRAME_HEAD_MAX];
        size_t n = cv_frame_encode(head, &frame);

        cr_assert(same(e->head, head, n), "%s", e->name);
        cr_assert_eq(e->frame.len, n + e->body.len, "%s", e->name);
        cr_assert_eq(memcmp(e->frame.data, head, n), 0, "%s", e->name);
        cr_assert_eq(memcmp(e->frame.data + n, e->body.data, e->body.len), 0, "%s", e->name);
    }
}

Test(golden, reads_every_head_of_the_reference_and_asks_for_more_at_every_cut)
{
    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];
        uint8_t *head = copy_of(e->head);
        struct cv_frame got;

        cr_assert_eq(cv_frame_decode(&got, head, e->head.len), (int)e->head.len, "%s", e->name);
        cr_assert_eq(got.id, e->id, "%s", e->name);
        cr_assert_eq(got.conn_id, e->conn_id, "%s", e->name);
        cr_assert_eq(got.type, e->type, "%s", e->name);
        cr_assert_eq(got.deadline, e->deadline, "%s", e->name);
        for (size_t cut = 0; cut < e->head.len; cut++)
            cr_assert_eq(cv_frame_decode(&got, head, cut), CV_EMORE, "%s", e->name);
        free(head);
    }
}

/* On purpose unlike the reference: what its receiver would cut is not sent at all. */
Test(golden, writes_every_connect_that_fits_and_refuses_the_rest)
{
    size_t fits = 0;
    size_t refused = 0;

    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];
        const struct cv_connect connect = {.proto = (const char *)e->proto.data,
                                           .proto_len = e->proto.len,
                                           .address = (const char *)e->address.data,
                                           .address_len = e->address.len};
        uint8_t out[CV_CONNECT_MAX];
        int n;

        if (e->type != CV_FRAME_CONNECT)
            continue;
        n = cv_connect_encode(out, &connect);
        if (e->body.len > CV_CONNECT_MAX) {
            cr_assert_eq(n, CV_ETOOLONG, "%s", e->name);
            refused++;
            continue;
        }
        cr_assert_geq(n, 0, "%s", e->name);
        cr_assert(same(e->body, out, (size_t)n), "%s", e->name);
        fits++;
    }
    cr_assert_eq(fits, 49);
    cr_assert_eq(refused, 1);
}

Test(golden, reads_every_connect_that_the_reference_does_not_cut)
{
    size_t cut = 0;

    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];
        struct cv_connect got;
        uint8_t *body;

        if (e->type != CV_FRAME_CONNECT)
            continue;
        body = copy_of(e->body);
        if (e->body.len > CV_CONNECT_MAX) {
            cr_assert_eq(cv_connect_decode(&got, body, e->body.len), CV_ETOOLONG, "%s", e->name);
            cut++;
        } else {
            cr_assert_eq(cv_connect_decode(&got, body, e->body.len), 0, "%s", e->name);
            cr_assert(same(e->got_proto, got.proto, got.proto_len), "%s", e->name);
            cr_assert(same(e->got_address, got.address, got.address_len), "%s", e->name);
        }
        free(body);
    }
    cr_assert_eq(cut, 1);
}

/* Announcements in which we differ from the reference on purpose; the rest is byte for byte the
 * same. */
static const struct {
    const char *name; /* without `addclient_` or `removeclient_` */
    int encode;       /* what writing the key and session key gives; 0: as the reference */
    int decode;       /* what reading the body gives; 0: as the reference */
    const char *why;
} unlike[] = {
    {"/5", CV_EBADKEY, 0, "an empty key names nobody"},
    {"клиент/7", CV_EBADKEY, 0, "a key is ASCII: the session refuses it when it arrives"},
    {"kkkk.._len100", CV_EBADKEY, 0, "a key of 80 bytes leaves no room for every session key"},
    {"kkkk.._len101", CV_EBADKEY, CV_ETOOLONG, "the reference cuts the session key"},
    {"x/-3", 0, CV_EPROTO, "no session has a negative key"},
    {"x/+3", 0, CV_EPROTO, "no sender writes a sign"},
};

static void expected(const struct golden_encode *e, int *encode, int *decode)
{
    const char *name = strchr(e->name, '_') + 1;

    *encode = *decode = 0;
    for (size_t i = 0; i < sizeof(unlike) / sizeof(unlike[0]); i++) {
        if (strcmp(name, unlike[i].name) != 0)
            continue;
        *encode = unlike[i].encode;
        *decode = unlike[i].decode;
    }
}

Test(golden, writes_every_announcement_or_refuses_it)
{
    size_t refused = 0;
    size_t written = 0;

    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];
        const struct cv_announce announce = {
            .key = (const char *)e->key.data, .key_len = e->key.len, .session_key = e->session_key};
        uint8_t out[CV_ANNOUNCE_MAX];
        int encode, decode, n;

        if (!e->key.data)
            continue;
        expected(e, &encode, &decode);
        n = cv_announce_encode(out, &announce);
        if (encode) {
            cr_assert_eq(n, encode, "%s", e->name);
            refused++;
        } else if (strcmp(strchr(e->name, '_'), "_x/+3") == 0) {
            cr_assert_eq(n, 3, "a plus is not written");
        } else {
            cr_assert_geq(n, 0, "%s", e->name);
            cr_assert(same(e->body, out, (size_t)n), "%s", e->name);
            written++;
        }
    }
    cr_assert_eq(refused, 8);
    cr_assert_eq(written, 8);
}

/* An announcement that the reference's receiver accepts is accepted here with the same fields, and
 * what it refuses is refused, save for the table above. */
Test(golden, reads_every_announcement)
{
    size_t accepted = 0;
    size_t refused = 0;

    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];
        int encode, decode, rc;
        struct cv_announce got;
        uint8_t *body;

        if (!is_announcement(e->type))
            continue;
        expected(e, &encode, &decode);
        body = copy_of(e->body);
        rc = cv_announce_decode(&got, body, e->body.len);
        if (e->key.data && decode == 0) {
            cr_assert_eq(rc, 0, "%s", e->name);
            cr_assert(same(e->key, got.key, got.key_len), "%s", e->name);
            cr_assert_eq(got.session_key, e->session_key, "%s", e->name);
            accepted++;
        } else {
            cr_assert_eq(rc, e->body.len > CV_ANNOUNCE_MAX ? CV_ETOOLONG : CV_EPROTO, "%s",
                         e->name);
            refused++;
        }
        free(body);
    }
    cr_assert_eq(accepted, 12);
    cr_assert_eq(refused, 18);
}

Test(golden, writes_and_reads_every_sync_id)
{
    size_t lists = 0;

    for (size_t i = 0; i < golden.encode_count; i++) {
        const struct golden_encode *e = &golden.encode[i];

        if (e->type != CV_FRAME_SYNC)
            continue;
        lists++;
        cr_assert_eq(e->body.len, e->id_count * CV_SYNC_ID_SIZE, "%s", e->name);
        for (size_t k = 0; k < e->id_count; k++) {
            const uint8_t *at = e->body.data + k * CV_SYNC_ID_SIZE;
            uint8_t out[CV_SYNC_ID_SIZE];

            cv_sync_id_encode(out, e->ids[k]);
            cr_assert_eq(memcmp(at, out, sizeof(out)), 0, "%s", e->name);
            cr_assert_eq(cv_sync_id_decode(at), e->ids[k], "%s", e->name);
        }
    }
    cr_assert_eq(lists, 6);
}

/* What our decoder, head and then body, makes of a message: 0, or why the session ends. */
static int read_message(const uint8_t *message, size_t len, struct cv_frame *frame,
                        struct cv_connect *connect)
{
    int n = cv_frame_decode(frame, message, len);

    if (n < 0 || frame->type != CV_FRAME_CONNECT)
        return n < 0 ? n : 0;
    return cv_connect_decode(connect, message + n, len - (size_t)n);
}

static void assert_read_as(const struct golden_decode *d, const struct cv_frame *frame,
                           const struct cv_connect *connect, struct golden_bytes body)
{
    cr_assert_eq(frame->id, d->id, "%s", d->name);
    cr_assert_eq(frame->conn_id, d->conn_id, "%s", d->name);
    cr_assert_eq(frame->type, d->type, "%s", d->name);
    if (frame->type == CV_FRAME_CONNECT) {
        cr_assert(same(d->proto, connect->proto, connect->proto_len), "%s", d->name);
        cr_assert(same(d->address, connect->address, connect->address_len), "%s", d->name);
    } else if (frame->type == CV_FRAME_ERROR) {
        cr_assert(same(d->error, body.data, cv_min_size(body.len, CV_ERROR_TEXT_MAX)), "%s",
                  d->name);
    } else {
        cr_assert(same(is_announcement(frame->type) ? d->address : d->body, body.data, body.len),
                  "%s", d->name);
    }
}

/* The one difference: a Connect that the reference cuts at 266 bytes is refused, so that no wrong
 * port is dialled. */
Test(golden, makes_of_every_message_what_the_reference_makes)
{
    cr_assert_eq(golden.decode_count, 41);
    for (size_t i = 0; i < golden.decode_count; i++) {
        const struct golden_decode *d = &golden.decode[i];
        uint8_t *message = copy_of(d->message);
        struct cv_frame frame;
        struct cv_connect connect;
        int rc = read_message(message, d->message.len, &frame, &connect);

        if (strcmp(d->name, "connect_267_bytes_truncated") == 0 ||
            strcmp(d->name, "connect_slash_after_266") == 0) {
            cr_assert_eq(rc, CV_ETOOLONG, "%s", d->name);
        } else if (d->fatal) {
            cr_assert(rc == CV_EPROTO || rc == CV_EMORE, "%s gave %d", d->name, rc);
        } else {
            size_t n = d->message.len;
            struct golden_bytes body = {.data = message};

            cr_assert_eq(rc, 0, "%s", d->name);
            n = (size_t)cv_frame_decode(&frame, message, n);
            body.data += n;
            body.len = d->message.len - n;
            assert_read_as(d, &frame, &connect, body);
        }
        free(message);
    }
}

static void assert_announcement(const char *name, int expected_code)
{
    struct cv_announce got;
    struct cv_frame frame;
    int n;

    for (size_t i = 0; i < golden.decode_count; i++) {
        const struct golden_decode *d = &golden.decode[i];

        if (strcmp(d->name, name) != 0)
            continue;
        n = cv_frame_decode(&frame, d->message.data, d->message.len);
        cr_assert_geq(n, 0);
        cr_assert_eq(cv_announce_decode(&got, d->message.data + n, d->message.len - (size_t)n),
                     expected_code, "%s", name);
        return;
    }
    cr_assert_fail("no entry %s", name);
}

/* The reference parses these one step later: `serve` shows which of them end its session. */
Test(golden, parses_every_announcement_of_the_decode_section)
{
    assert_announcement("addclient_ok", 0);
    assert_announcement("addclient_nonzero_conn", 0);
    assert_announcement("addclient_noslash", CV_EPROTO);
    assert_announcement("addclient_two_slashes", CV_EPROTO);
    assert_announcement("addclient_bad_number", CV_EPROTO);
    assert_announcement("addclient_number_overflow", CV_EPROTO);
    assert_announcement("addclient_empty_key", 0);
    assert_announcement("removeclient_unknown", 0);
    assert_announcement("removeclient_bad", CV_EPROTO);
}

/* The loader's third section is the session's; here only that it is all there. */
Test(golden, has_what_a_session_makes_of_a_message)
{
    size_t fatal = 0;
    size_t answered = 0;

    cr_assert_eq(golden.serve_count, 104);
    for (size_t i = 0; i < golden.serve_count; i++) {
        const struct golden_serve *s = &golden.serve[i];

        fatal += s->fatal != NULL;
        answered += s->written_count != 0;
        if (strncmp(s->setup, "conn_2_open", 11) == 0 && s->conn_count)
            cr_assert_eq(s->conns[0], 2, "%s", s->name);
    }
    cr_assert_eq(fatal, 57);
    cr_assert_eq(answered, 9);
}
