/* Frames about no entry: announcements, and Errors about connections that are not there. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "end.h"

static struct end end;

static void set_up(void)
{
    struct cv_session_config config = end_reference(CV_SESSION_DIALLER);

    end_init(&end, &config);
}

static void tear_down(void)
{
    end_deinit(&end);
}

TestSuite(misc, .init = set_up, .fini = tear_down);

Test(misc, announcements_go_out_in_order)
{
    cr_assert_eq(cv_session_announce(end.session, true, "foo", 5), 0);
    cr_assert_eq(cv_session_announce(end.session, false, "foo", 5), 0);
    cr_assert_eq(cv_session_announce(end.session, true, "bar", INT64_MAX), 0);
    cr_assert(cv_session_pending(end.session));
    cr_assert_str_eq(end_says(&end),
                     "AddClient foo/5; RemoveClient foo/5; AddClient bar/9223372036854775807");
}

Test(misc, the_longest_key_fits)
{
    char key[81];

    memset(key, 'k', sizeof(key));
    key[80] = '\0';
    cr_assert_eq(cv_session_announce(end.session, true, key, INT64_MAX), CV_EBADKEY);
    key[79] = '\0';
    cr_assert_eq(cv_session_announce(end.session, true, key, INT64_MAX), 0);
    cr_assert_eq(strlen(end_says(&end)), strlen("AddClient ") + 79 + 1 + 19);
}

Test(misc, announcements_that_the_other_end_does_not_read_are_bounded)
{
    int rc = 0;
    size_t count = 0;

    while (rc == 0 && count < 1000000) {
        rc = cv_session_announce(end.session, true, "some-client-key", (int64_t)count);
        count += rc == 0;
    }
    cr_assert_eq(rc, CV_EFULL);
    cr_assert_leq(end.ta.peak, CV_SESSION_MISC_MAX + CV_SESSION_MISC_MAX / 4);
    cr_assert_gt(count, CV_SESSION_MISC_MAX / 64);
}

Test(misc, announcements_that_come_in_are_told_with_key_and_session_key)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_ADD_CLIENT, 0, "foo/5"), 0);
    cr_assert_eq(end_hear(&end, CV_FRAME_REMOVE_CLIENT, 0, "foo/5"), 0);
    cr_assert_str_eq(end_tells(&end), "add foo/5; remove foo/5");
}

Test(misc, data_for_an_unknown_connection_is_answered_and_says_where)
{
    cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 9, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_str_eq(end_says(&end), "Error 9 connection not found ck/77/9");
}

Test(misc, other_frames_about_an_unknown_connection_are_ignored)
{
    static const int64_t types[] = {CV_FRAME_ERROR,     CV_FRAME_PAUSE,       CV_FRAME_RESUME,
                                    CV_FRAME_CONNECTED, CV_FRAME_CLOSE_WRITE, CV_FRAME_WINDOW};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        cr_assert_eq(end_hear(&end, types[i], 9, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_str_eq(end_says(&end), "");
}

Test(misc, one_answer_does_for_a_run_of_data)
{
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 9, "x"), 0);
    cr_assert_str_eq(end_says(&end), "Error 9 connection not found ck/77/9");
    cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 9, "x"), 0); /* it was told, and goes on */
    cr_assert_str_eq(end_says(&end), "Error 9 connection not found ck/77/9");
}

Test(misc, answers_that_wait_are_capped_and_the_rest_is_told)
{
    size_t count = 0;

    for (int64_t id = 1; id <= CV_SESSION_ORPHANS_MAX; id++)
        cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 2 * id, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "");
    cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 9999, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "notice orphans 9999");
    while (strncmp(end_says_one(&end), "Error", 5) == 0)
        count++;
    cr_assert_eq(count, CV_SESSION_ORPHANS_MAX);
    cr_assert_eq(end_hear(&end, CV_FRAME_DATA, 9999, "x"), 0);
    cr_assert_str_eq(end_tells(&end), "");
}

/* Ends with everything but publishing at the one, and with it at the other. */
static void between_culverts(unsigned features)
{
    struct cv_session_config config = end_culvert(CV_SESSION_DIALLER, features);

    end_deinit(&end);
    end_init(&end, &config);
}

Test(misc, what_became_of_a_publication_is_told_to_who_asked)
{
    struct pair pair;

    pair_init(&pair, true, END_ALL | CV_FEATURE_PUBLISH);
    cr_assert_eq(cv_session_published(pair.acceptor.session, 1, true, "127.0.0.1:8022"), 0);
    cr_assert_eq(cv_session_published(pair.acceptor.session, 16, false, "because"), 0);
    pair_run(&pair);
    cr_assert_str_eq(end_tells(&pair.dialler),
                     "published 1 yes 127.0.0.1:8022; published 16 no because");
    pair_deinit(&pair);
}

Test(misc, nothing_of_publications_is_said_to_an_end_that_does_not_know_them)
{
    between_culverts(END_ALL);
    cr_assert_eq(cv_session_published(end.session, 1, true, "here"), 0);
    cr_assert_not(cv_session_pending(end.session));
    cr_assert_eq(end_hear(&end, CV_FRAME_PUBLISHED, 0, "+1 here"), 0);
    cr_assert_str_eq(end_tells(&end), "");
}

Test(misc, an_acceptor_hears_nothing_of_publications)
{
    struct cv_session_config config =
        end_culvert(CV_SESSION_ACCEPTOR, END_ALL | CV_FEATURE_PUBLISH);

    end_deinit(&end);
    end_init(&end, &config);
    cr_assert_eq(end_hear(&end, CV_FRAME_PUBLISHED, 0, "+1 here"), 0);
    cr_assert_str_eq(end_tells(&end), "");
}

Test(misc, a_word_about_a_publication_that_is_none_ends_the_session)
{
    static const char *const bad[] = {"",     "+",     "+1",   "1 x",
                                      "+0 x", "+-1 x", "+x y", "+4294967296 x"};

    between_culverts(END_ALL | CV_FEATURE_PUBLISH);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(end_hear(&end, CV_FRAME_PUBLISHED, 0, bad[i]), CV_EPROTO, "%s", bad[i]);
    cr_assert_eq(end_hear(&end, CV_FRAME_PUBLISHED, 0, "+4294967295 "), 0);
    cr_assert_str_eq(end_tells(&end), "published 4294967295 yes ");
}

Test(misc, after_a_cut_nothing_is_queued_any_more)
{
    cr_assert_eq(cv_session_announce(end.session, true, "foo", 5), 0);
    cv_session_cut(end.session);
    cr_assert_eq(cv_session_announce(end.session, true, "foo", 5), CV_ECLOSED);
    cr_assert_not(cv_session_pending(end.session));
}
