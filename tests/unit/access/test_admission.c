#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "access/admission.h"
#include "base/error.h"
#include "support/test_alloc.h"

#define SECOND UINT64_C(1000000)

static struct test_alloc memory;
static struct cv_admission *doors;

static void set_up(void)
{
    test_alloc_init(&memory);
    doors = NULL;
}

static void tear_down(void)
{
    cv_admission_free(doors);
    cr_expect_eq(memory.live, 0, "everything is freed");
}

TestSuite(admission, .init = set_up, .fini = tear_down);

static void limits(uint64_t max_open, uint64_t per_second)
{
    cr_assert_eq(cv_admission_new(&doors, &memory.alloc, max_open, per_second), 0);
}

static struct cv_ip ip(const char *text)
{
    struct cv_ip out;

    cr_assert(cv_ip_parse(&out, text, strlen(text)), "%s", text);
    return out;
}

static int enter(const char *address, uint64_t now)
{
    struct cv_ip from = ip(address);

    return cv_admission_enter(doors, &from, now);
}

static void leave(const char *address)
{
    struct cv_ip from = ip(address);

    cv_admission_leave(doors, &from);
}

Test(admission, so_many_of_an_address_and_not_one_more)
{
    limits(3, 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(enter("192.0.2.1", 0), 0);
    cr_assert_eq(enter("192.0.2.1", 0), CV_EFULL);
    cr_assert_eq(enter("192.0.2.2", 0), 0, "another address");
    leave("192.0.2.1");
    cr_assert_eq(enter("192.0.2.1", 0), 0, "the freed place");
    cr_assert_eq(enter("192.0.2.1", 0), CV_EFULL);
}

Test(admission, a_mapped_address_is_the_same_and_a_64_is_one)
{
    limits(1, 0);
    cr_assert_eq(enter("192.0.2.1", 0), 0);
    cr_assert_eq(enter("::ffff:192.0.2.1", 0), CV_EFULL);
    cr_assert_eq(enter("2001:db8:1:2::1", 0), 0);
    cr_assert_eq(enter("2001:db8:1:2:ffff::9", 0), CV_EFULL);
    cr_assert_eq(enter("2001:db8:1:3::1", 0), 0);
}

Test(admission, loopback_is_not_counted)
{
    limits(1, 1);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(enter("127.0.0.1", 0), 0);
        cr_assert_eq(enter("127.9.9.9", 0), 0);
        cr_assert_eq(enter("::1", 0), 0);
    }
    leave("127.0.0.1");
    cr_assert_eq(cv_admission_count(doors), 0);
}

Test(admission, a_seconds_worth_at_once_and_then_at_the_rate)
{
    limits(0, 10);
    for (int i = 0; i < 10; i++)
        cr_assert_eq(enter("192.0.2.1", 5), 0, "%d", i);
    cr_assert_eq(enter("192.0.2.1", 5), CV_EFULL);
    cr_assert_eq(enter("192.0.2.2", 5), 0);
    cr_assert_eq(enter("192.0.2.1", 5 + SECOND / 10 - 1), CV_EFULL);
    cr_assert_eq(enter("192.0.2.1", 5 + SECOND / 10), 0);
    cr_assert_eq(enter("192.0.2.1", 5 + SECOND / 10), CV_EFULL);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(enter("192.0.2.1", 5 * SECOND), 0);
        leave("192.0.2.1");
    }
    cr_assert_eq(enter("192.0.2.1", 5 * SECOND), CV_EFULL, "ends do not give turns back");
}

Test(admission, no_limit_is_no_limit)
{
    limits(0, 0);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(enter("192.0.2.1", 0), 0);
}

static struct cv_ip numbered(uint32_t n)
{
    struct cv_ip address = {.family = 4};

    address.bytes[0] = 10;
    address.bytes[1] = (uint8_t)(n >> 16);
    address.bytes[2] = (uint8_t)(n >> 8);
    address.bytes[3] = (uint8_t)n;
    return address;
}

Test(admission, remembers_so_many_addresses_and_forgets_the_longest_idle)
{
    limits(1, 0);
    for (uint32_t i = 0; i < CV_ADMISSION_MAX; i++) {
        struct cv_ip from = numbered(i);

        cr_assert_eq(cv_admission_enter(doors, &from, 0), 0);
        if (i < 2)
            cv_admission_leave(doors, &from);
    }
    cr_assert_eq(cv_admission_count(doors), CV_ADMISSION_MAX);
    cr_assert_eq(enter("192.0.2.1", 0), 0);
    cr_assert_eq(enter("192.0.2.1", 0), CV_EFULL, "it took a place");
    cr_assert_eq(enter("192.0.2.2", 0), 0);
    cr_assert_eq(cv_admission_count(doors), CV_ADMISSION_MAX);
    cr_assert_eq(enter("192.0.2.3", 0), 0, "nobody is idle: let in");
    cr_assert_eq(enter("192.0.2.3", 0), 0, "and not counted");
    leave("192.0.2.3");
    cr_assert_eq(cv_admission_count(doors), CV_ADMISSION_MAX);
}

Test(admission, without_memory_nobody_is_kept_out)
{
    limits(1, 0);
    memory.fail_at = memory.calls + 1;
    cr_assert_eq(enter("192.0.2.1", 0), 0);
    leave("192.0.2.1");
}
