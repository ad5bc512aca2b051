#include "ws/ws.h"

#include <string.h>

#if defined(__x86_64__)
#define WIDE      32 /* bytes of a vector */
#define WIDE_CODE __attribute__((target("avx2")))
#else
#define WIDE 16 /* NEON, which each aarch64 CPU has; elsewhere what the compiler knows */
#define WIDE_CODE
#endif

/* From this length on a frame gains more from wide vectors than it pays for the way there. */
#define WIDE_MIN 64

/* From this length on it gains more from vectors that lie in one cache line each than it pays for
 * the bytes before the first of them. */
#define ALIGN_MIN 4096

/* A vector, wherever it lies. */
typedef uint64_t wide __attribute__((vector_size(WIDE), aligned(1), may_alias));

void cv_ws_mask_plain(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t phase)
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= mask[(phase + i) & 3];
}

/* The mask twice, turned so that its first byte in memory meets the one at @phase. The order in
 * memory makes it right on machines of either endianness. */
static uint64_t key_at(const uint8_t mask[4], uint64_t phase)
{
    uint8_t turned[sizeof(uint64_t)];
    uint64_t key;

    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = mask[(phase + i) & 3];
    memcpy(&key, turned, sizeof(key));
    return key;
}

static void mask_words(uint8_t *data, size_t len, uint64_t key)
{
    uint8_t bytes[sizeof(key)];
    uint64_t word;

    for (; len >= sizeof(word); data += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        word ^= key;
        memcpy(data, &word, sizeof(word));
    }
    memcpy(bytes, &key, sizeof(key));
    for (size_t i = 0; i < len; i++)
        data[i] ^= bytes[i];
}

static bool has_wide(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2");
#else
    return true;
#endif
}

/* Masks whole vectors and returns how many bytes that were, a multiple of 4: the key meets the rest
 * unturned. */
WIDE_CODE static size_t mask_wide(uint8_t *data, size_t len, uint64_t key)
{
    const wide keys = key + (wide){0};
    size_t at = 0;

    for (; len - at >= 4 * WIDE; at += 4 * WIDE) {
        wide *four = (wide *)(void *)(data + at);

        four[0] ^= keys;
        four[1] ^= keys;
        four[2] ^= keys;
        four[3] ^= keys;
    }
    for (; len - at >= WIDE; at += WIDE)
        *(wide *)(void *)(data + at) ^= keys;
    return at;
}

void cv_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t phase)
{
    size_t done = 0;
    uint64_t key;

    if (len >= ALIGN_MIN)
        for (; (uintptr_t)data % WIDE; data++, len--)
            *data ^= mask[phase++ & 3];
    key = key_at(mask, phase);
    if (len >= WIDE_MIN && has_wide())
        done = mask_wide(data, len, key);
    mask_words(data + done, len - done, key);
}
