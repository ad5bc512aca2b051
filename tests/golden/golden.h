#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frames recorded from the reference implementation: see README.md in this folder.
 * Everything here is owned by struct golden and lives until golden_free(). */

/* Bytes that may hold NUL; an empty value has a pointer too, an absent one has NULL. */
struct golden_bytes {
    const uint8_t *data;
    size_t len;
};

/* A frame that the reference wrote, and what it was made from. */
struct golden_encode {
    const char *name;
    int64_t id, conn_id, type, deadline;
    struct golden_bytes head, body, frame; /* frame is head, then body */
    struct golden_bytes proto, address;    /* of a Connect, as given to the sender */
    struct golden_bytes got_proto,
        got_address;         /* as its receiver reads them; what it cuts is gone */
    struct golden_bytes key; /* of an announcement that its receiver accepts */
    int64_t session_key;     /* with key */
    const int64_t *ids;      /* of a SyncConnections, in order */
    size_t id_count;
};

/* What the reference's decoder makes of one message. */
struct golden_decode {
    const char *name;
    struct golden_bytes message;
    bool fatal; /* it ends the session, and nothing below is set */
    int64_t id, conn_id, type;
    struct golden_bytes body;           /* unless it is read as text, as below */
    struct golden_bytes proto, address; /* of a Connect; an announcement has its text in address */
    struct golden_bytes error;          /* text of an Error, cut at 100 bytes */
};

#define GOLDEN_CONNS_MAX  4
#define GOLDEN_FRAMES_MAX 4

/* What a session of the reference does with one message. */
struct golden_serve {
    const char *name;
    const char *setup; /* no_conns, conn_2_open, conn_2_open_paused, ..._auth_allow */
    struct golden_bytes message;
    const char *fatal; /* text of the error that ends the session, or NULL */
    struct golden_bytes written[GOLDEN_FRAMES_MAX]; /* frames it sends in answer */
    size_t written_count;
    int64_t conns[GOLDEN_CONNS_MAX]; /* ids in its table afterwards */
    size_t conn_count;
    bool paused;            /* connection 2, where there is one */
    int64_t buffered;       /* bytes that wait in connection 2 */
    const char *conn_error; /* with which connection 2 ended, or NULL */
    const char *announced;  /* table of announced clients as Go prints it, or NULL */
    const char *dialed;     /* `proto|address` that it dialled, or NULL */
};

struct golden {
    struct golden_encode *encode;
    size_t encode_count;
    struct golden_decode *decode;
    size_t decode_count;
    struct golden_serve *serve;
    size_t serve_count;
    struct golden_store *store; /* what the rest points into */
};

/* Reads golden.json; aborts with a line on standard error when the file is not what it should be.
 */
void golden_load(struct golden *golden);
void golden_free(struct golden *golden);

#endif
