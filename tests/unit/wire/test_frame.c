#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "base/random.h"
#include "wire/frame.h"

static struct cv_connect connect_of(const char *proto, const char *address)
{
    return (struct cv_connect){.proto = proto,
                               .proto_len = strlen(proto),
                               .address = address,
                               .address_len = strlen(address)};
}

/* A frame whose numbers are of every length; every other type has no deadline. */
static struct cv_frame random_frame(struct cv_prng *prng)
{
    struct cv_frame frame = {.id = (int64_t)(cv_prng_next(prng) >> (cv_prng_next(prng) % 64)),
                             .conn_id = (int64_t)(cv_prng_next(prng) >> (cv_prng_next(prng) % 64)),
                             .type = (int64_t)(cv_prng_next(prng) % 20)};

    if (frame.type == CV_FRAME_DATA || frame.type == CV_FRAME_CONNECT)
        frame.deadline = (int64_t)cv_prng_next(prng);
    return frame;
}

static void assert_same(const struct cv_frame *a, const struct cv_frame *b)
{
    cr_assert_eq(a->id, b->id);
    cr_assert_eq(a->conn_id, b->conn_id);
    cr_assert_eq(a->type, b->type);
    cr_assert_eq(a->deadline, b->deadline);
}

Test(frame, returns_the_head_that_was_written)
{
    struct cv_prng prng;

    cv_prng_init(&prng, 2);
    for (int i = 0; i < 20000; i++) {
        struct cv_frame frame = random_frame(&prng);
        struct cv_frame got;
        uint8_t bytes[CV_FRAME_HEAD_MAX];
        size_t n = cv_frame_encode(bytes, &frame);

        cr_assert_leq(n, CV_FRAME_HEAD_MAX);
        cr_assert_eq(cv_frame_decode(&got, bytes, n), (int)n);
        assert_same(&frame, &got);
    }
}

Test(frame, asks_for_more_at_every_cut_of_a_head)
{
    struct cv_prng prng;

    cv_prng_init(&prng, 3);
    for (int i = 0; i < 1000; i++) {
        struct cv_frame frame = random_frame(&prng);
        struct cv_frame got;
        uint8_t bytes[CV_FRAME_HEAD_MAX];
        size_t n = cv_frame_encode(bytes, &frame);

        for (size_t cut = 0; cut < n; cut++)
            cr_assert_eq(cv_frame_decode(&got, bytes, cut), CV_EMORE);
    }
}

Test(frame, longest_head_fills_its_bound)
{
    const struct cv_frame frame = {
        .id = INT64_MIN, .conn_id = INT64_MIN, .type = CV_FRAME_DATA, .deadline = INT64_MIN};
    uint8_t bytes[CV_FRAME_HEAD_MAX];

    cr_assert_eq(cv_frame_encode(bytes, &frame), 3 * CV_VARINT_MAX + 1);
}

Test(frame, has_a_deadline_for_data_and_connect_only)
{
    for (int64_t type = -1; type <= 19; type++) {
        const struct cv_frame frame = {.type = type, .deadline = 1};
        uint8_t bytes[CV_FRAME_HEAD_MAX];
        size_t expected = type == CV_FRAME_DATA || type == CV_FRAME_CONNECT ? 4 : 3;

        cr_assert_eq(cv_frame_encode(bytes, &frame), expected, "type %d", (int)type);
    }
}

Test(frame, decoding_clears_the_deadline_of_a_type_without_one)
{
    const uint8_t pause[] = {0x02, 0x04, 0x0c};
    struct cv_frame frame;

    memset(&frame, 0xff, sizeof(frame));
    cr_assert_eq(cv_frame_decode(&frame, pause, sizeof(pause)), 3);
    cr_assert_eq(frame.deadline, 0);
}

Test(frame, refuses_a_number_over_sixty_four_bits_in_each_place)
{
    for (size_t place = 0; place < 4; place++) {
        uint8_t bytes[4 + CV_VARINT_MAX] = {0x02, 0x04, 0x02, 0x02};
        struct cv_frame frame;

        memset(bytes + place, 0xff, CV_VARINT_MAX);
        cr_assert_eq(cv_frame_decode(&frame, bytes, sizeof(bytes)), CV_EPROTO);
    }
}

Test(connect, is_split_at_the_first_slash)
{
    const char body[] = "unix//var/run/x.sock";
    struct cv_connect got;

    cr_assert_eq(cv_connect_decode(&got, (const uint8_t *)body, strlen(body)), 0);
    cr_assert_eq(got.proto_len, 4);
    cr_assert_eq(memcmp(got.proto, "unix", 4), 0);
    cr_assert_eq(got.address_len, strlen("/var/run/x.sock"));
    cr_assert_eq(memcmp(got.address, "/var/run/x.sock", got.address_len), 0);
}

Test(connect, without_a_slash_is_a_protocol_error)
{
    struct cv_connect got;

    cr_assert_eq(cv_connect_decode(&got, (const uint8_t *)"tcp", 3), CV_EPROTO);
    cr_assert_eq(cv_connect_decode(&got, NULL, 0), CV_EPROTO);
}

Test(connect, of_266_bytes_passes_and_of_267_does_not)
{
    uint8_t out[CV_CONNECT_MAX];
    char address[CV_CONNECT_MAX - 3 + 1];
    struct cv_connect connect;
    struct cv_connect got;

    memset(address, 'h', sizeof(address));
    address[sizeof(address) - 1] = '\0';
    connect = connect_of("tcp", address);
    cr_assert_eq(cv_connect_encode(out, &connect), CV_ETOOLONG);
    connect.address_len--;
    cr_assert_eq(cv_connect_encode(out, &connect), CV_CONNECT_MAX);
    cr_assert_eq(cv_connect_decode(&got, out, CV_CONNECT_MAX), 0);
    cr_assert_eq(got.address_len, connect.address_len);
}

Test(connect, of_267_bytes_is_refused_when_it_arrives)
{
    uint8_t body[CV_CONNECT_MAX + 1];
    struct cv_connect got;

    memset(body, 'h', sizeof(body));
    body[3] = '/';
    cr_assert_eq(cv_connect_decode(&got, body, sizeof(body)), CV_ETOOLONG);
    cr_assert_eq(cv_connect_decode(&got, body, sizeof(body) - 1), 0);
}

Test(connect, carries_any_bytes_in_its_address)
{
    const char address[] = "\xff\0/\n";
    const struct cv_connect connect = {
        .proto = "tcp", .proto_len = 3, .address = address, .address_len = 4};
    uint8_t out[CV_CONNECT_MAX];
    struct cv_connect got;

    cr_assert_eq(cv_connect_encode(out, &connect), 8);
    cr_assert_eq(cv_connect_decode(&got, out, 8), 0);
    cr_assert_eq(got.address_len, 4);
    cr_assert_eq(memcmp(got.address, address, 4), 0);
}

Test(announce, returns_what_was_written)
{
    const int64_t keys[] = {0, 1, 99, INT32_MAX, INT64_MAX};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct cv_announce announce = {
            .key = "c-m-abcde", .key_len = 9, .session_key = keys[i]};
        uint8_t out[CV_ANNOUNCE_MAX];
        struct cv_announce got;
        int n = cv_announce_encode(out, &announce);

        cr_assert_gt(n, 0);
        cr_assert_eq(cv_announce_decode(&got, out, (size_t)n), 0);
        cr_assert_eq(got.session_key, keys[i]);
        cr_assert_eq(got.key_len, 9);
        cr_assert_eq(memcmp(got.key, "c-m-abcde", 9), 0);
    }
}

Test(announce, of_the_longest_key_fits)
{
    char key[CV_KEY_MAX + 1];
    struct cv_announce announce = {.key = key, .key_len = CV_KEY_MAX, .session_key = INT64_MIN};
    uint8_t out[CV_ANNOUNCE_MAX];

    memset(key, 'k', sizeof(key));
    cr_assert_eq(cv_announce_encode(out, &announce), CV_ANNOUNCE_MAX);
    announce.session_key = INT64_MAX;
    cr_assert_eq(cv_announce_encode(out, &announce), CV_KEY_MAX + 1 + 19);
    announce.key_len++;
    cr_assert_eq(cv_announce_encode(out, &announce), CV_EBADKEY);
}

Test(announce, with_a_key_that_would_break_a_route_is_not_sent)
{
    const char *const bad[] = {"", "evil/x", "a:b", "a::b", "a b", "\xd0\xba"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct cv_announce announce = {.key = bad[i], .key_len = strlen(bad[i])};
        uint8_t out[CV_ANNOUNCE_MAX];

        cr_assert_eq(cv_announce_encode(out, &announce), CV_EBADKEY, "%s", bad[i]);
    }
}

Test(announce, of_100_bytes_is_read_and_of_101_refused)
{
    uint8_t body[CV_ANNOUNCE_MAX + 1];
    struct cv_announce got;

    memset(body, 'k', sizeof(body));
    body[98] = '/';
    body[99] = body[100] = '1';
    cr_assert_eq(cv_announce_decode(&got, body, 100), 0);
    cr_assert_eq(got.key_len, 98);
    cr_assert_eq(got.session_key, 1);
    cr_assert_eq(cv_announce_decode(&got, body, 101), CV_ETOOLONG);
}

Test(announce, whose_session_key_is_no_decimal_is_a_protocol_error)
{
    const char *const bad[] = {"",
                               "foo",
                               "foo/",
                               "foo/bar/5",
                               "foo/1e3",
                               "x/ 1",
                               "x/1 ",
                               "x/0x1",
                               "x/99999999999999999999",
                               "x/9223372036854775808"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct cv_announce got;

        cr_assert_eq(cv_announce_decode(&got, (const uint8_t *)bad[i], strlen(bad[i])), CV_EPROTO,
                     "%s", bad[i]);
    }
}

Test(sync_id, is_little_endian_and_returns_what_was_written)
{
    const uint8_t bytes[CV_SYNC_ID_SIZE] = {0x01, 0x02, 0, 0, 0, 0, 0, 0x80};
    uint8_t out[CV_SYNC_ID_SIZE];
    struct cv_prng prng;

    cr_assert_eq(cv_sync_id_decode(bytes), INT64_MIN + 0x0201);
    cv_prng_init(&prng, 4);
    for (int i = 0; i < 1000; i++) {
        int64_t id = (int64_t)cv_prng_next(&prng);

        cv_sync_id_encode(out, id);
        cr_assert_eq(cv_sync_id_decode(out), id);
        cr_assert_eq(out[0], (uint8_t)id);
    }
}

Test(published, returns_what_was_written)
{
    const struct cv_published published = {
        .granted = false, .number = UINT32_MAX, .text = "no way", .text_len = 6};
    uint8_t out[CV_PUBLISHED_MAX];
    struct cv_published got;
    size_t n = cv_published_encode(out, &published);

    cr_assert_eq(n, strlen("-4294967295 no way"));
    cr_assert_eq(memcmp(out, "-4294967295 no way", n), 0);
    cr_assert_eq(cv_published_decode(&got, out, n), 0);
    cr_assert_not(got.granted);
    cr_assert_eq(got.number, UINT32_MAX);
    cr_assert_eq(got.text_len, 6);
    cr_assert_eq(memcmp(got.text, "no way", 6), 0);
}

Test(published, of_266_bytes_is_written_and_read_and_of_267_cut_or_refused)
{
    char text[CV_PUBLISHED_MAX + 1];
    uint8_t out[CV_PUBLISHED_MAX], long_one[CV_PUBLISHED_MAX + 1];
    struct cv_published published = {.granted = true, .number = 1, .text = text}, got;

    memset(text, 'x', sizeof(text));
    published.text_len = CV_PUBLISHED_MAX - 3;
    cr_assert_eq(cv_published_encode(out, &published), CV_PUBLISHED_MAX);
    cr_assert_eq(cv_published_decode(&got, out, CV_PUBLISHED_MAX), 0);
    published.text_len++;
    cr_assert_eq(cv_published_encode(out, &published), CV_PUBLISHED_MAX);
    memset(long_one, 'x', sizeof(long_one));
    memcpy(long_one, "+1 ", 3);
    cr_assert_eq(cv_published_decode(&got, long_one, sizeof(long_one)), CV_EPROTO);
}
