#ifndef CV_NET_RECORD_H
#define CV_NET_RECORD_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* Private to net: the records of TLS 1.3 (RFC 8446, 5.2) in one direction of one connection, under
 * the keys of application data.
 *
 * OpenSSL does the handshake and all that is said about the connection: alerts, tickets, updates of
 * keys. Application data is made into records, and read from them, here, with OpenSSL's ciphers:
 * that saves two copies of each byte when sending and one when receiving, and half of the work a
 * record. So there are two numberings. A record is numbered on the wire, with what OpenSSL says in
 * its place between ours; and OpenSSL numbers what it has said or heard itself. What goes from one
 * side to the other is opened under its number there and sealed under its number here. What
 * OpenSSL sealed never leaves the process, so no number is used for two texts that anybody sees. */

#define CV_RECORD_HEAD  ((size_t)5)
#define CV_RECORD_TAG   ((size_t)16)
#define CV_RECORD_DATA  ((size_t)16384)                      /* payload of one */
#define CV_RECORD_EXTRA (CV_RECORD_HEAD + 1 + CV_RECORD_TAG) /* what is around it */
#define CV_RECORD_MAX   (CV_RECORD_DATA + CV_RECORD_EXTRA)

struct cv_record_keys {
    EVP_CIPHER *cipher;   /* owned; NULL: there are no keys yet */
    EVP_CIPHER_CTX *ctx;  /* owned; for what is done to each record of application data */
    const EVP_MD *digest; /* of the suite */
    bool seals;           /* the direction that this end sends in */
    uint8_t secret[EVP_MAX_MD_SIZE], key[EVP_MAX_KEY_LENGTH], iv[12];
    size_t secret_len;
    uint64_t number;       /* of the next record on the wire */
    uint64_t inner_number; /* of the next that OpenSSL says, or hears */
    uint64_t limit;        /* CV_RECORD_LIMIT, unless a test is not so patient */
};

/* Records under one key. RFC 8446, 5.5 has AES-GCM good for 2^24.5. */
#define CV_RECORD_LIMIT (UINT64_C(1) << 24)

/* Takes the traffic secret (RFC 8446, 7.1) that both numberings begin with, @len bytes. Returns 0,
 * or -ENOMEM and there are no keys. */
int cv_record_init(struct cv_record_keys *keys, const SSL_CIPHER *suite, const uint8_t *secret,
                   size_t len, bool seals) CV_MUST_USE;

/* Wipes and frees what is there. Fine on zeros. */
void cv_record_deinit(struct cv_record_keys *keys);

/* The keys that follow a KeyUpdate (RFC 8446, 7.2). Returns 0, or -ENOMEM and the keys are of no
 * use any more. */
int cv_record_update(struct cv_record_keys *keys) CV_MUST_USE;

/* Bytes of the whole record that begins with these CV_RECORD_HEAD. */
size_t cv_record_size(const uint8_t *record);

/* Lays down the next record of application data, @len (1 to CV_RECORD_DATA) and CV_RECORD_EXTRA
 * bytes at @out. Returns 0 or -ENOMEM. */
int cv_record_seal(struct cv_record_keys *keys, uint8_t *out, const uint8_t *data,
                   size_t len) CV_MUST_USE;

/* Opens the next record of the wire, of @size bytes, into @out: its payload's place in the record
 * itself, or room for @size bytes. Tells the type and the length of what was in it, without
 * padding. CV_EPROTO  it is no record of the other end's, or not the next one */
int cv_record_open(struct cv_record_keys *keys, const uint8_t *record, size_t size, uint8_t *out,
                   uint8_t *type, size_t *len) CV_MUST_USE;

/* Lays down at @record, for OpenSSL to read next, what was opened: of @type, @len bytes, which may
 * lie in their place there. Returns the record's length, or 0 when it cannot be done. */
size_t cv_record_inward(struct cv_record_keys *keys, uint8_t *record, uint8_t type,
                        const uint8_t *data, size_t len) CV_MUST_USE;

/* Gives a record that OpenSSL made its number on the wire, in its place; and updates the keys
 * behind a KeyUpdate.
 *
 * -ENOMEM  the keys are of no use any more
 * -EPROTO  it was not OpenSSL's next one, and must not be sent */
int cv_record_outward(struct cv_record_keys *keys, uint8_t *record, size_t size) CV_MUST_USE;

#endif
