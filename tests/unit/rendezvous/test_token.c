#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "lobby.h"
#include "rendezvous/token.h"

static const uint8_t nonce[CV_ROOM_TOKEN_NONCE] = {1, 2, 3, 4, 5, 6, 7, 0xff};

static void make(char *out, const char *a, const char *b)
{
    uint8_t mac[CV_ROOM_TOKEN_MAC];
    int len = cv_room_token_body(out, nonce, 1800000000, a, b);

    memset(mac, 0xa5, sizeof(mac));
    cr_assert_gt(len, 0);
    cv_room_token_sign(out, (size_t)len, mac);
}

Test(token, is_read_as_it_was_made)
{
    char text[CV_ROOM_TOKEN_MAX + 1];
    struct cv_room_token token;

    make(text, "alice", "b_0-B");
    cr_assert_eq(cv_room_token_parse(&token, text_of(text)), 0);
    cr_assert_eq(token.expiry, 1800000000);
    cr_assert_arr_eq(token.body.at, "r1.01020304050607ff.1800000000.alice.b_0-B", token.body.len);
    cr_assert_eq(token.mac[31], 0xa5);
    cr_assert(cv_room_token_admits(&token, text_of("alice"), 1799999999));
    cr_assert(cv_room_token_admits(&token, text_of("b_0-B"), 0));
}

Test(token, admits_nobody_else_and_nobody_at_its_expiry)
{
    char text[CV_ROOM_TOKEN_MAX + 1];
    struct cv_room_token token;

    make(text, "a", "b");
    cr_assert_eq(cv_room_token_parse(&token, text_of(text)), 0);
    cr_assert_not(cv_room_token_admits(&token, text_of("c"), 0));
    cr_assert_not(cv_room_token_admits(&token, text_of("aa"), 0));
    cr_assert_not(cv_room_token_admits(&token, text_of(""), 0));
    cr_assert_not(cv_room_token_admits(&token, text_of("a"), 1800000000));
}

Test(token, is_not_read_when_cut_or_longer)
{
    char text[CV_ROOM_TOKEN_MAX + 2];
    struct cv_room_token token;
    size_t len;

    make(text, "alice", "bob");
    len = strlen(text);
    for (size_t cut = 0; cut < len; cut++)
        cr_assert_eq(cv_room_token_parse(&token, (struct cv_rooms_text){text, cut}), CV_ESYNTAX);
    cr_assert_eq(cv_room_token_parse(&token, (struct cv_rooms_text){text, len + 1}), CV_ESYNTAX);
}

Test(token, is_not_read_with_a_byte_that_does_not_belong)
{
    char text[CV_ROOM_TOKEN_MAX + 1];
    struct cv_room_token token;

    make(text, "alice", "bob");
    for (size_t i = 0; text[i]; i++) {
        char kept = text[i];

        text[i] = '/';
        cr_assert_eq(cv_room_token_parse(&token, text_of(text)), CV_ESYNTAX, "at %zu", i);
        text[i] = kept;
    }
}

Test(token, is_not_made_for_ids_that_are_none)
{
    char text[CV_ROOM_TOKEN_MAX + 1], name[CV_ROOM_TOKEN_ID_MAX + 2];

    memset(name, 'n', sizeof(name));
    name[CV_ROOM_TOKEN_ID_MAX + 1] = '\0';
    cr_assert_eq(cv_room_token_body(text, nonce, 1, name, "b"), CV_ESYNTAX);
    name[CV_ROOM_TOKEN_ID_MAX] = '\0';
    cr_assert_gt(cv_room_token_body(text, nonce, INT64_MAX, name, "b"), 0);
    cr_assert_eq(cv_room_token_body(text, nonce, 1, "a", "a"), CV_ESYNTAX);
    cr_assert_eq(cv_room_token_body(text, nonce, 1, "a.b", "c"), CV_ESYNTAX);
    cr_assert_eq(cv_room_token_body(text, nonce, 1, "", "c"), CV_ESYNTAX);
}
