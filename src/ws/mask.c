#include "ws/ws.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* From this length on a frame gains more from wide vectors than it pays for the way there. */
#define WIDE_MIN 64

void cv_ws_mask_plain(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t phase)
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= mask[(phase + i) & 3];
}

/* @key holds the mask twice, turned so that its first byte in memory meets data[0]. The order in
 * memory makes it right on machines of either endianness. */
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

#if defined(__x86_64__)
static bool has_wide(void)
{
    return __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2"))) static void xor_32(uint8_t *data, __m256i key)
{
    __m256i *at = (__m256i *)(void *)data;

    _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), key));
}

/* Masks whole vectors and returns how many bytes that were, a multiple of 4: the key meets the rest
 * unturned. */
__attribute__((target("avx2"))) static size_t mask_wide(uint8_t *data, size_t len, uint64_t key)
{
    const __m256i wide = _mm256_set1_epi64x((long long)key);
    size_t at = 0;

    for (; len - at >= 128; at += 128) {
        xor_32(data + at, wide);
        xor_32(data + at + 32, wide);
        xor_32(data + at + 64, wide);
        xor_32(data + at + 96, wide);
    }
    for (; len - at >= 32; at += 32)
        xor_32(data + at, wide);
    return at;
}
#else
static bool has_wide(void)
{
    return false;
}

static size_t mask_wide(uint8_t *data, size_t len, uint64_t key)
{
    (void)data;
    (void)len;
    (void)key;
    return 0;
}
#endif

void cv_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4], uint64_t phase)
{
    uint8_t turned[sizeof(uint64_t)];
    uint64_t key;
    size_t done = 0;

    for (size_t i = 0; i < sizeof(turned); i++)
        turned[i] = mask[(phase + i) & 3];
    memcpy(&key, turned, sizeof(key));
    if (len >= WIDE_MIN && has_wide())
        done = mask_wide(data, len, key);
    mask_words(data + done, len - done, key);
}
