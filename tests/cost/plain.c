#include <stddef.h>
#include <stdint.h>

/* The memory functions that the layers call, in place of libc's, which picks another one on each
 * kind of processor: here a byte that is copied costs the same everywhere, and is counted. */

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int value, size_t len);
int memcmp(const void *a, const void *b, size_t len);
void *__memcpy_chk(void *to, const void *from, size_t len, size_t room);
void *__memmove_chk(void *to, const void *from, size_t len, size_t room);
void *__memset_chk(void *to, int value, size_t len, size_t room);

struct word {
    uint64_t value;
} __attribute__((packed, may_alias));

void *memcpy(void *to, const void *from, size_t len)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    for (; len >= sizeof(struct word); len -= sizeof(struct word)) {
        *(struct word *)(void *)out = *(const struct word *)(const void *)in;
        out += sizeof(struct word);
        in += sizeof(struct word);
    }
    while (len--)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t len)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if ((uintptr_t)out - (uintptr_t)in >= len)
        return memcpy(to, from, len);
    for (; len >= sizeof(struct word); len -= sizeof(struct word))
        *(struct word *)(void *)(out + len - sizeof(struct word)) =
            *(const struct word *)(const void *)(in + len - sizeof(struct word));
    while (len--)
        out[len] = in[len];
    return to;
}

void *memset(void *to, int value, size_t len)
{
    uint8_t *out = to;
    const struct word word = {UINT64_C(0x0101010101010101) * (uint8_t)value};

    for (; len >= sizeof(word); len -= sizeof(word)) {
        *(struct word *)(void *)out = word;
        out += sizeof(word);
    }
    while (len--)
        *out++ = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a, *y = b;

    for (; len; len--, x++, y++) {
        if (*x != *y)
            return *x - *y;
    }
    return 0;
}

void *__memcpy_chk(void *to, const void *from, size_t len, size_t room)
{
    (void)room;
    return memcpy(to, from, len);
}

void *__memmove_chk(void *to, const void *from, size_t len, size_t room)
{
    (void)room;
    return memmove(to, from, len);
}

void *__memset_chk(void *to, int value, size_t len, size_t room)
{
    (void)room;
    return memset(to, value, len);
}
