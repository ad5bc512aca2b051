/* Tokens of rooms: what is read lies within the text, lets its two clients in and nobody else, and
 * is read the same when it is written anew. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "rendezvous/token.h"

static void require(int fine)
{
    if (!fine)
        abort();
}

static void copy_id(char out[CV_ROOM_TOKEN_ID_MAX + 1], struct cv_rooms_text id)
{
    require(cv_room_token_id(id.at, id.len));
    memcpy(out, id.at, id.len);
    out[id.len] = '\0';
}

static void check_same(const struct cv_room_token *a, const struct cv_room_token *b)
{
    require(a->expiry == b->expiry && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0);
    for (size_t i = 0; i < 2; i++)
        require(a->clients[i].len == b->clients[i].len &&
                memcmp(a->clients[i].at, b->clients[i].at, a->clients[i].len) == 0);
}

static void check_anew(const struct cv_room_token *token)
{
    static const uint8_t nonce[CV_ROOM_TOKEN_NONCE] = {0};
    char ids[2][CV_ROOM_TOKEN_ID_MAX + 1], text[CV_ROOM_TOKEN_MAX + 1];
    struct cv_room_token anew;
    int len;

    copy_id(ids[0], token->clients[0]);
    copy_id(ids[1], token->clients[1]);
    len = cv_room_token_body(text, nonce, token->expiry, ids[0], ids[1]);
    if (token->expiry < 0 || strcmp(ids[0], ids[1]) == 0) {
        require(len == CV_ESYNTAX);
        return;
    }
    require(len > 0);
    cv_room_token_sign(text, (size_t)len, token->mac);
    require(cv_room_token_parse(&anew, (struct cv_rooms_text){text, strlen(text)}) == 0);
    require(anew.body.len == (size_t)len);
    check_same(token, &anew);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cv_rooms_text text = {(const char *)data, size};
    struct cv_room_token token;
    int rc = cv_room_token_parse(&token, text);

    require(rc == 0 || rc == CV_ESYNTAX);
    if (rc < 0)
        return 0;
    require(token.body.at == text.at && token.body.len < size && text.at[token.body.len] == '.');
    require(token.clients[1].at + token.clients[1].len == text.at + token.body.len);
    require(token.clients[0].at + token.clients[0].len + 1 == token.clients[1].at);
    for (size_t i = 0; i < 2; i++) {
        require(token.expiry == INT64_MIN ||
                cv_room_token_admits(&token, token.clients[i], token.expiry - 1));
        require(!cv_room_token_admits(&token, token.clients[i], token.expiry));
    }
    require(!cv_room_token_admits(&token, (struct cv_rooms_text){"no one", 6}, INT64_MIN));
    check_anew(&token);
    return 0;
}
