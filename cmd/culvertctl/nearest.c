#include "nearest.h"

#include <string.h>

void nearest_init(struct nearest *nearest, const char *word)
{
    size_t len = strlen(word);

    *nearest = (struct nearest){.word = word, .distance = len / 3 + (len > 1) + 1};
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Steps of one letter from @a to @b (Damerau and Levenshtein, each pair swapped once). */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t *older = rows[0], *old = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        old[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *free_row = older;

        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            now[j] = least(old[j] + 1, now[j - 1] + 1, old[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                older[j - 2] + 1 < now[j])
                now[j] = older[j - 2] + 1;
        }
        older = old;
        old = now;
        now = free_row;
    }
    return old[b_len];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    size_t a = strlen(nearest->word), b = strlen(candidate), steps;

    if (a > NEAREST_MAX || b > NEAREST_MAX)
        return;
    steps = distance(nearest->word, a, candidate, b);
    if (steps < nearest->distance) {
        nearest->distance = steps;
        nearest->best = candidate;
    }
}
