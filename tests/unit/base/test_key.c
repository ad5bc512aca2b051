#include <criterion/criterion.h>
#include <string.h>

#include "base/key.h"

Test(key, allows_just_the_listed_bytes)
{
    const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@=+-";

    for (int byte = 0; byte <= 0xff; byte++) {
        const char key[] = {'a', (char)byte};
        bool expected = memchr(allowed, byte, sizeof(allowed) - 1) != NULL;

        cr_assert_eq(cv_key_valid(key, 2), expected, "byte %d", byte);
        cr_assert_eq(cv_key_valid(key + 1, 1), expected, "byte %d alone", byte);
    }
}

Test(key, is_one_to_seventy_nine_bytes_long)
{
    char key[CV_KEY_MAX + 1];

    memset(key, 'k', sizeof(key));
    cr_assert_eq(CV_KEY_MAX, 79);
    cr_assert_not(cv_key_valid(key, 0));
    cr_assert(cv_key_valid(key, 1));
    cr_assert(cv_key_valid(key, CV_KEY_MAX));
    cr_assert_not(cv_key_valid(key, CV_KEY_MAX + 1));
}

Test(key, that_breaks_a_mesh_is_refused)
{
    cr_assert_not(cv_key_valid("evil/x", 6));
    cr_assert_not(cv_key_valid("a::b", 4));
    cr_assert_not(cv_key_valid("a:b", 3));
    cr_assert_not(cv_key_valid("a\0b", 3));
}
