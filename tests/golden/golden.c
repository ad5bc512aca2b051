#include "golden/golden.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test_hex.h"

struct block {
    struct block *next;
    max_align_t data[];
};

/* The JSON text that names and words point into, and every block that was made from it. */
struct golden_store {
    json_t *root;
    struct block *blocks;
};

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("golden.json: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* @size bytes of zero that go with the store; never NULL, even for none. */
static void *make(struct golden_store *store, size_t size)
{
    struct block *block = calloc(1, sizeof(*block) + size + 1);

    if (!block)
        die("out of memory");
    block->next = store->blocks;
    store->blocks = block;
    return block->data;
}

/* A string of @entry, or NULL when it has none. */
static const char *words(const json_t *entry, const char *key)
{
    return json_string_value(json_object_get(entry, key));
}

static const char *must_words(const json_t *entry, const char *key)
{
    const char *value = words(entry, key);

    if (!value)
        die("an entry has no %s", key);
    return value;
}

static int64_t decimal(const char *text)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        die("%s is no number", text);
    return value;
}

static int64_t number(const json_t *entry, const char *key)
{
    const json_t *value = json_object_get(entry, key);

    if (json_is_integer(value))
        return json_integer_value(value);
    return json_is_string(value) ? decimal(json_string_value(value)) : 0;
}

static struct golden_bytes unhex(struct golden_store *store, const char *hex)
{
    struct golden_bytes bytes = {0};
    uint8_t *data;

    if (!hex)
        return bytes;
    data = make(store, strlen(hex) / 2);
    bytes.len = test_unhex(data, hex);
    bytes.data = data;
    return bytes;
}

static struct golden_bytes hex_of(struct golden_store *store, const json_t *entry, const char *key)
{
    return unhex(store, words(entry, key));
}

/* Bytes of a string; absent when @entry has none. */
static struct golden_bytes text_of(const json_t *entry, const char *key)
{
    const json_t *value = json_object_get(entry, key);

    return (struct golden_bytes){.data = (const uint8_t *)json_string_value(value),
                                 .len = json_string_length(value)};
}

static struct golden_bytes either(struct golden_bytes first, struct golden_bytes second)
{
    return first.data ? first : second;
}

static void check_sha256(const struct golden_encode *e, struct golden_bytes bytes, const char *hex)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[2 * sizeof(digest) + 1];

    SHA256(bytes.data, bytes.len, digest);
    test_hex(text, digest, sizeof(digest));
    if (strcmp(text, hex) != 0)
        die("%s was not rebuilt as it was", e->name);
}

/* Ids in the file, or by its one rule for many: i + 2. */
static void read_ids(struct golden_store *store, struct golden_encode *e, const json_t *entry)
{
    const json_t *list = json_object_get(entry, "ids");
    int64_t *ids;

    e->id_count = json_array_size(list);
    if (words(entry, "ids_rule"))
        e->id_count = (size_t)number(entry, "body_hex_len") / 8;
    ids = make(store, e->id_count * sizeof(*ids));
    for (size_t i = 0; i < e->id_count; i++)
        ids[i] = list ? decimal(json_string_value(json_array_get(list, i))) : (int64_t)i + 2;
    e->ids = ids;
}

/* A body of which the file holds only the rule. */
static struct golden_bytes rebuild(struct golden_store *store, const struct golden_encode *e,
                                   const json_t *entry)
{
    size_t len = (size_t)number(entry, "body_hex_len");
    uint8_t *data = make(store, len);
    struct golden_bytes body = {.data = data, .len = len};

    for (size_t i = 0; i < len; i++) {
        uint64_t id = e->id_count ? (uint64_t)e->ids[i / 8] : 0;

        data[i] = (uint8_t)(e->id_count ? id >> (8 * (i % 8)) : i * 7 + 3);
    }
    check_sha256(e, body, must_words(entry, "body_hex_sha256"));
    return body;
}

static void read_frame(struct golden_store *store, struct golden_encode *e, const json_t *entry)
{
    size_t len;
    uint8_t *data;

    e->head = unhex(store, must_words(entry, "header_hex"));
    e->body = hex_of(store, entry, "body_hex");
    if (!e->body.data)
        e->body = rebuild(store, e, entry);
    e->frame = hex_of(store, entry, "hex");
    if (e->frame.data)
        return;
    len = e->head.len + e->body.len;
    data = make(store, len);
    memcpy(data, e->head.data, e->head.len);
    memcpy(data + e->head.len, e->body.data, e->body.len);
    e->frame = (struct golden_bytes){.data = data, .len = len};
    check_sha256(e, e->frame, must_words(entry, "hex_sha256"));
}

static void read_encode(struct golden_store *store, struct golden_encode *e, const json_t *entry)
{
    e->name = must_words(entry, "name");
    e->id = number(entry, "id");
    e->conn_id = number(entry, "conn_id");
    e->type = number(entry, "type");
    e->deadline = number(entry, "deadline");
    read_ids(store, e, entry);
    read_frame(store, e, entry);
    e->proto = text_of(entry, "proto");
    e->address = text_of(entry, "address");
    e->got_proto = either(text_of(entry, "decodes_as_proto"), e->proto);
    e->got_address = either(text_of(entry, "decodes_as_address"), e->address);
    e->key = text_of(entry, "client_key");
    e->session_key = number(entry, "session_key");
}

static void read_decode(struct golden_store *store, struct golden_decode *d, const json_t *entry)
{
    d->name = must_words(entry, "name");
    d->message = unhex(store, must_words(entry, "hex"));
    d->fatal = words(entry, "error") != NULL;
    d->id = number(entry, "id");
    d->conn_id = number(entry, "conn_id");
    d->type = number(entry, "type");
    d->body = hex_of(store, entry, "body_hex");
    d->proto = hex_of(store, entry, "proto_hex");
    d->address = either(hex_of(store, entry, "address_hex"), text_of(entry, "address"));
    d->error = text_of(entry, "decodes_as_error");
}

/* `[2 4]`, as Go prints a list of numbers. */
static void read_conns(struct golden_serve *s, const char *text)
{
    char *end;

    for (const char *at = text + 1; *at != ']'; at = *end == ' ' ? end + 1 : end) {
        if (s->conn_count == GOLDEN_CONNS_MAX)
            die("%s has too many connections", s->name);
        s->conns[s->conn_count++] = strtoll(at, &end, 10);
        if (end == at)
            die("%s: %s is no list", s->name, text);
    }
}

static void read_serve(struct golden_store *store, struct golden_serve *s, const json_t *entry)
{
    const json_t *written = json_object_get(entry, "frames_written_hex");

    s->name = must_words(entry, "name");
    s->setup = must_words(entry, "setup");
    s->message = unhex(store, must_words(entry, "in_hex"));
    s->fatal = words(entry, "fatal_error");
    s->written_count = json_array_size(written);
    if (s->written_count > GOLDEN_FRAMES_MAX)
        die("%s writes too many frames", s->name);
    for (size_t i = 0; i < s->written_count; i++)
        s->written[i] = unhex(store, json_string_value(json_array_get(written, i)));
    read_conns(s, must_words(entry, "conn_ids_after"));
    s->paused = json_is_true(json_object_get(entry, "conn_2_paused"));
    s->buffered = number(entry, "conn_2_buffered");
    s->conn_error = words(entry, "conn_2_error");
    s->announced = words(entry, "remote_client_keys");
    s->dialed = words(entry, "dialed");
}

/* Entries of one section, or the end of the test when it has none. */
static const json_t *section(const json_t *root, const char *key, size_t *count)
{
    const json_t *list = json_object_get(root, key);

    *count = json_array_size(list);
    if (*count == 0)
        die("no section %s", key);
    return list;
}

void golden_load(struct golden *golden)
{
    struct golden_store *store = calloc(1, sizeof(*store));
    const json_t *list;
    json_error_t error;

    if (!store)
        die("out of memory");
    store->root = json_load_file(GOLDEN_JSON, JSON_ALLOW_NUL, &error);
    if (!store->root)
        die("%s", error.text);
    *golden = (struct golden){.store = store};
    list = section(store->root, "encode", &golden->encode_count);
    golden->encode = make(store, golden->encode_count * sizeof(*golden->encode));
    for (size_t i = 0; i < golden->encode_count; i++)
        read_encode(store, &golden->encode[i], json_array_get(list, i));
    list = section(store->root, "decode", &golden->decode_count);
    golden->decode = make(store, golden->decode_count * sizeof(*golden->decode));
    for (size_t i = 0; i < golden->decode_count; i++)
        read_decode(store, &golden->decode[i], json_array_get(list, i));
    list = section(store->root, "serve", &golden->serve_count);
    golden->serve = make(store, golden->serve_count * sizeof(*golden->serve));
    for (size_t i = 0; i < golden->serve_count; i++)
        read_serve(store, &golden->serve[i], json_array_get(list, i));
}

void golden_free(struct golden *golden)
{
    struct golden_store *store = golden->store;

    while (store->blocks) {
        struct block *block = store->blocks;

        store->blocks = block->next;
        free(block);
    }
    json_decref(store->root);
    free(store);
    *golden = (struct golden){0};
}
