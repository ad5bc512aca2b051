#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/reason.h"
#include "base/table.h"
#include "support/test_alloc.h"

static const int codes[] = {
#define X(name, code, text) name,
    CV_ERROR_MAP(X)
#undef X
};

#define CODES (sizeof(codes) / sizeof(codes[0]))

Test(error, every_code_has_a_text_of_its_own)
{
    for (size_t i = 0; i < CODES; i++) {
        cr_assert_leq(codes[i], -10000);
        cr_assert_not_null(cv_error_text(codes[i]));
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(cv_error_text(codes[i]), cv_error_text(codes[k]));
    }
}

Test(error, codes_of_the_system_have_none_here)
{
    cr_assert_null(cv_error_text(0));
    cr_assert_null(cv_error_text(-ENOMEM));
    cr_assert_null(cv_error_text(-9999));
    cr_assert_null(cv_error_text(codes[CODES - 1] - 1));
}

Test(reason, every_reason_has_a_name_and_a_text_of_its_own)
{
    for (int i = 0; i < CV_REASON_COUNT; i++) {
        cr_assert_not_null(cv_reason_text((enum cv_reason)i));
        for (int k = 0; k < i; k++)
            cr_assert_str_neq(cv_reason_name((enum cv_reason)i), cv_reason_name((enum cv_reason)k));
    }
}

Test(reason, only_an_orderly_end_is_no_error)
{
    for (int i = 0; i < CV_REASON_COUNT; i++) {
        bool orderly = i == CV_REASON_NONE || i == CV_REASON_EOF;

        cr_assert_eq(cv_reason_is_error((enum cv_reason)i), !orderly, "%d", i);
    }
}

struct entry {
    int key;
    UT_hash_handle hh;
};

static bool add(const struct cv_alloc *table_alloc, struct entry **table, struct entry *entry)
{
    HASH_ADD_INT(*table, key, entry);
    return cv_table_added(entry);
}

static void drop_all(const struct cv_alloc *table_alloc, struct entry **table)
{
    struct entry *entry, *next;

    HASH_ITER (hh, *table, entry, next)
        HASH_DEL(*table, entry);
}

/* Every allocation that uthash makes fails once: the entry is then not in the table, all others
 * are. */
Test(table, a_failing_allocation_leaves_one_entry_out)
{
    static struct entry entries[300];
    size_t calls = SIZE_MAX;

    for (size_t fail_at = 1; fail_at <= calls; fail_at++) {
        struct entry *table = NULL;
        struct test_alloc ta;
        unsigned added = 0;

        test_alloc_init(&ta);
        ta.fail_at = fail_at;
        memset(entries, 0, sizeof(entries));
        for (int i = 0; i < 300; i++) {
            entries[i].key = i;
            added += add(&ta.alloc, &table, &entries[i]);
        }
        cr_assert_eq(HASH_COUNT(table), added);
        cr_assert_geq(added, 299);
        calls = ta.calls;
        drop_all(&ta.alloc, &table);
        cr_assert_eq(ta.live, 0);
    }
}

Test(alloc, zero_clears_and_both_report_failure)
{
    struct test_alloc ta;
    uint8_t *bytes;

    test_alloc_init(&ta);
    ta.fail_at = 2;
    bytes = cv_alloc_zero(&ta.alloc, 64);
    cr_assert_not_null(bytes);
    for (int i = 0; i < 64; i++)
        cr_assert_eq(bytes[i], 0);
    cr_assert_null(cv_alloc_zero(&ta.alloc, 64));
    ta.fail_at = 3;
    cr_assert_null(cv_alloc(&ta.alloc, 64));
    cv_free(&ta.alloc, bytes);
    cv_free(&ta.alloc, NULL);
    cr_assert_eq(ta.live, 0);
}
