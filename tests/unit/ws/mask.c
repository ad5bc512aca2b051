#include <criterion/criterion.h>
#include <string.h>

#include "ws/ws.h"

#define LEN_MAX  300
#define LONG_MIN 4090 /* from about here on vectors are aligned */
#define LONG_MAX (LONG_MIN + 160)
#define MISALIGN 33 /* more than the widest vector */
#define GUARD    40

static const uint8_t key[4] = {0x5a, 0x01, 0xfe, 0x80};

static void fill(uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 151 + 7);
}

/* Masks @len bytes that begin @off behind the boundary of a cache line, in both ways. */
static void compare(size_t off, uint64_t phase, size_t len)
{
    static _Alignas(64) uint8_t fast[MISALIGN + LONG_MAX + GUARD], plain[sizeof(fast)];
    size_t all = off + len + GUARD;

    fill(fast, all);
    memcpy(plain, fast, all);
    cv_ws_mask(fast + off, len, key, phase);
    cv_ws_mask_plain(plain + off, len, key, phase);
    if (memcmp(fast, plain, all) != 0)
        cr_assert(false, "at %zu, phase %d, %zu bytes", off, (int)phase, len);
}

static void compare_all(size_t least, size_t most)
{
    for (size_t off = 0; off < MISALIGN; off++)
        for (uint64_t phase = 0; phase < 4; phase++)
            for (size_t len = least; len <= most; len++)
                compare(off, phase, len);
}

Test(ws_mask, vectors_do_what_single_bytes_do_and_touch_nothing_else)
{
    compare_all(0, LEN_MAX);
}

Test(ws_mask, so_do_the_aligned_ones_of_a_long_payload)
{
    compare_all(LONG_MIN, LONG_MAX);
}

/* RFC 6455, 5.7: "Hello" masked with 37 fa 21 3d. */
Test(ws_mask, does_what_the_rfc_shows)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    static const uint8_t masked[5] = {0x7f, 0x9f, 0x4d, 0x51, 0x58};
    uint8_t one[6] = "Hello", other[6] = "Hello";

    cv_ws_mask(one, 5, mask, 0);
    cr_assert_arr_eq(one, masked, 5);
    cv_ws_mask_plain(other, 5, mask, 0);
    cr_assert_arr_eq(other, masked, 5);
}

Test(ws_mask, goes_on_in_the_middle_of_a_payload)
{
    uint8_t whole[LEN_MAX], pieces[LEN_MAX];

    for (size_t cut = 0; cut <= LEN_MAX; cut++) {
        fill(whole, LEN_MAX);
        fill(pieces, LEN_MAX);
        cv_ws_mask(whole, LEN_MAX, key, 0);
        cv_ws_mask(pieces, cut, key, 0);
        cv_ws_mask(pieces + cut, LEN_MAX - cut, key, cut);
        cr_assert_arr_eq(whole, pieces, LEN_MAX, "cut at %zu", cut);
    }
}

Test(ws_mask, takes_a_phase_beyond_32_bits)
{
    uint8_t one[LEN_MAX], other[LEN_MAX];

    fill(one, LEN_MAX);
    fill(other, LEN_MAX);
    cv_ws_mask(one, LEN_MAX, key, (UINT64_C(1) << 40) + 3);
    cv_ws_mask(other, LEN_MAX, key, 3);
    cr_assert_arr_eq(one, other, LEN_MAX);
}
