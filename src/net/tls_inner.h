#ifndef CV_NET_TLS_INNER_H
#define CV_NET_TLS_INNER_H

#include "net/record.h"
#include "net/stream_kind.h"

/* What the files of a TLS stream share; nobody else includes it. */

struct tls_stream {
    struct cv_stream base;
    SSL *ssl;
    BIO_METHOD *method; /* owned; of the BIO between OpenSSL and the socket */

    struct cv_record_keys tx, rx; /* for records of application data; OpenSSL does these too where
                                     there are none behind the handshake */
    uint8_t *gather;        /* records of the call that runs, to be sent together; else NULL */
    size_t gathered, whole; /* bytes in it; of these, in whole records that are good for the wire */
    uint8_t *owed;          /* owned; records that the socket did not take; NULL: none */
    size_t owed_start, owed_end;
    bool promised; /* the last byte of what is owed was not reported to the owner as taken */

    uint8_t *early; /* owned; what was read from the socket before; NULL: nothing is left of it */
    size_t early_start, early_end;
    uint8_t *part; /* owned; the beginning of a record; NULL: none */
    size_t part_len;
    uint8_t *plain; /* owned; of a record, what its reader had no room for; NULL: nothing */
    size_t plain_start, plain_end;
    const uint8_t *fed; /* borrowed in a call: a record that OpenSSL is to read */
    size_t fed_len;
    uint8_t head[CV_RECORD_HEAD]; /* of the record that OpenSSL reads in the handshake: */
    size_t head_len, body_left;   /* bytes of it there, and of the rest still to be read */

    int barren;       /* records in a row that brought their reader nothing */
    int failed;       /* the error that ended it: OpenSSL must not be asked again; 0: none */
    int send_failed;  /* the error that ended sending alone; 0: none */
    int socket_error; /* of the last read of the socket, as -errno */
    bool updated;     /* the other end has new keys from the next record on */
    bool ended;       /* the other end has said that it says no more */
    bool more;        /* the last read did not run dry */
    bool dry;         /* the socket gave less than it was asked for in the call that runs */
    bool eof;
};

/* tls_stream.c */

/* What a @result of OpenSSL that is not a count means: 0 an orderly end, -EAGAIN with *@direction
 * set, or an error that ended the stream. */
int cv_tls_outcome(struct tls_stream *tls, int result, int *direction);

/* A read of the socket, or of what was read before: a count, 0 at its end, or -errno. */
ssize_t cv_tls_read_socket(struct tls_stream *tls, uint8_t *buf, size_t len);

/* tls_records.c: application data. */

/* What a line of OpenSSL's key log means for the stream. */
void cv_tls_take_secret(struct tls_stream *tls, const char *line);

/* Fills @buf as far as records have come: a count, 0 at the orderly end, or -errno. */
ssize_t cv_tls_open_records(struct tls_stream *tls, uint8_t *buf, size_t len);

/* Puts @len bytes, as far as there is room, into records to be sent: how many, -ENOMEM, or the
 * error that ended the stream. */
ssize_t cv_tls_seal_records(struct tls_stream *tls, const uint8_t *buf, size_t len);

/* Makes what OpenSSL has gathered since good for the wire, record by record. Returns 0 or the error
 * that ended the stream. */
int cv_tls_number_gathered(struct tls_stream *tls);

void cv_tls_records_free(struct tls_stream *tls);

#endif
