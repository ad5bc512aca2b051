#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "net/ending.h"

Test(ending, every_ending_has_a_name_and_a_text_of_its_own)
{
    for (int i = 0; i < CV_ENDING_COUNT; i++) {
        const char *name = cv_ending_name((enum cv_ending)i);

        for (const char *c = name; *c; c++)
            cr_assert(islower(*c) || *c == '_', "a label's value, and a word: %s", name);
        for (int k = 0; k < i; k++) {
            cr_assert_str_neq(name, cv_ending_name((enum cv_ending)k));
            cr_assert_str_neq(cv_ending_text((enum cv_ending)i), cv_ending_text((enum cv_ending)k));
        }
    }
}

Test(ending, a_close_frame_has_room_for_each_text)
{
    for (int i = 0; i < CV_ENDING_COUNT; i++)
        cr_assert_leq(strlen(cv_ending_text((enum cv_ending)i)), CV_WS_CONTROL_MAX - 2);
}

Test(ending, a_close_frame_says_the_code_that_the_table_has)
{
    cr_assert_eq(cv_ending_code(CV_ENDING_STOPS), CV_WS_RESTART);
    cr_assert_eq(cv_ending_code(CV_ENDING_LEAVES), CV_WS_GOING_AWAY);
    cr_assert_eq(cv_ending_code(CV_ENDING_KILLED), CV_WS_POLICY);
    cr_assert_eq(cv_ending_code(CV_ENDING_PROTOCOL), CV_WS_PROTOCOL_ERROR);
}

Test(ending, each_error_of_a_link_is_one)
{
    static const struct {
        int error;
        uint16_t code;
        enum cv_ending ending;
    } rows[] = {
        {CV_ECLOSED, CV_WS_RESTART, CV_ENDING_RESTART},
        {CV_ECLOSED, CV_WS_GOING_AWAY, CV_ENDING_CLOSED},
        {CV_EDEAD, 0, CV_ENDING_DEAD},
        {CV_EPROTO, 0, CV_ENDING_PROTOCOL},
        {CV_EUTF8, 0, CV_ENDING_TEXT},
        {CV_ETOOLONG, 0, CV_ENDING_TOO_LONG},
        {CV_EFULL, 0, CV_ENDING_FULL},
        {-ENOMEM, 0, CV_ENDING_MEMORY},
        {-ECONNRESET, 0, CV_ENDING_LOST},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_assert_eq(cv_ending_of(rows[i].error, rows[i].code), rows[i].ending, "%zu", i);
}
