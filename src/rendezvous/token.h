#ifndef CV_RENDEZVOUS_TOKEN_H
#define CV_RENDEZVOUS_TOKEN_H

#include <stdbool.h>

#include "rendezvous/rooms.h"

/* The id of a room that a server signed: `r1.NONCE.EXPIRY.A.B.MAC`, which stands in a path as it
 * is. NONCE is 16 hexadecimal digits, EXPIRY seconds since 1970, A and B the ids of the two
 * clients, MAC the HMAC-SHA256 of all that stands before its dot, in hexadecimal. */

#define CV_ROOM_TOKEN_NONCE  8  /* bytes */
#define CV_ROOM_TOKEN_MAC    32 /* bytes */
#define CV_ROOM_TOKEN_ID_MAX 48 /* bytes of A and of B */
#define CV_ROOM_TOKEN_MAX    CV_ROOMS_ID_MAX

/* The least and the most bytes of a secret. */
#define CV_ROOM_SECRET_MIN 16
#define CV_ROOM_SECRET_MAX 1024

struct cv_room_token {
    struct cv_rooms_text body;       /* what the MAC is of; borrowed */
    struct cv_rooms_text clients[2]; /* borrowed */
    int64_t expiry;                  /* seconds since 1970 */
    uint8_t mac[CV_ROOM_TOKEN_MAC];
};

/* Reads the form alone: whether the MAC is right is the caller's to find out. CV_ESYNTAX. */
int cv_room_token_parse(struct cv_room_token *out, struct cv_rooms_text text) CV_MUST_USE;

/* Whether the token, its MAC apart, lets @client in at @wall, seconds since 1970. */
bool cv_room_token_admits(const struct cv_room_token *token, struct cv_rooms_text client,
                          int64_t wall);

/* Whether @id may stand in a token: 1 to CV_ROOM_TOKEN_ID_MAX bytes of A-Z a-z 0-9 _ and -. */
bool cv_room_token_id(const char *id, size_t len);

/* Writes what is to be signed, ended by NUL, into CV_ROOM_TOKEN_MAX + 1 bytes; returns its length.
 * Two ids that are the same, or no ids: CV_ESYNTAX. */
int cv_room_token_body(char *out, const uint8_t nonce[CV_ROOM_TOKEN_NONCE], int64_t expiry,
                       const char *a, const char *b) CV_MUST_USE;

/* Appends the MAC to the @len bytes of a body. */
void cv_room_token_sign(char *text, size_t len, const uint8_t mac[CV_ROOM_TOKEN_MAC]);

#endif
