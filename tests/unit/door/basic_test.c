#include <string.h>

#include <criterion/criterion.h>

#include "base/error.h"
#include "door/basic.h"

static int read_text(struct cv_basic *out, const char *text)
{
    return cv_basic_read(out, (struct cv_slice){text, strlen(text)});
}

Test(basic, reads_user_and_password)
{
    struct cv_basic out;

    cr_assert_eq(read_text(&out, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), 0); /* RFC 7617, 2 */
    cr_assert_str_eq(out.user, "Aladdin");
    cr_assert_str_eq(out.password, "open sesame");
    cr_assert_eq(read_text(&out, "basic  Zjo6"), 0);
    cr_assert_str_eq(out.user, "f");
    cr_assert_str_eq(out.password, ":");
    cr_assert_eq(read_text(&out, "Basic Zm9vOg=="), 0);
    cr_assert_str_eq(out.user, "foo");
    cr_assert_str_eq(out.password, "");
    cr_assert_eq(read_text(&out, "Basic Zm9vOmI="), 0);
    cr_assert_str_eq(out.password, "b");
}

Test(basic, refuses_everything_else)
{
    static const char *const bad[] = {"",
                                      "Basic",
                                      "Basic ",
                                      "Bearer Zm9vOg==",
                                      "Basic Zm9vOg",
                                      "Basic Zm9v" /* no colon */,
                                      "Basic Zm9vOg=",
                                      "Basic Zm9vOg===",
                                      "Basic Zm9v Og==",
                                      "Basic Zg==Og==",
                                      "Basic ====",
                                      "Basic Zm8=Og==",
                                      "Basic Zm8A Og==",
                                      "Basic ZjoA" /* a NUL */,
                                      "Basic Zm9-Og=="};
    struct cv_basic out;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(read_text(&out, bad[i]), CV_ESYNTAX, "%s", bad[i]);
}

Test(basic, has_room_for_just_so_much)
{
    char text[6 + (CV_BASIC_MAX + 8) / 3 * 4 + 1];
    struct cv_basic out;
    size_t digits = (CV_BASIC_MAX + 2) / 3 * 4; /* 512 = 170 * 3 + 2 */

    memset(text, 'O', sizeof(text)); /* "OOOO" is 38 e3 8e, without a colon */
    memcpy(text, "Basic Zjo6", 10);
    memcpy(text + 6 + digits - 4, "YWE=", 5);
    cr_assert_eq(read_text(&out, text), 0);
    cr_assert_eq(strlen(out.user) + 1 + strlen(out.password), CV_BASIC_MAX);
    memcpy(text + 6 + digits - 4, "YWFh", 5);
    cr_assert_eq(read_text(&out, text), CV_ETOOLONG);
}
