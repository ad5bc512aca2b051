#include <criterion/criterion.h>

#include "base/list.h"

struct item {
    int value;
    struct cv_list link;
};

static struct cv_list head;
static struct item items[4];

static void set_up(void)
{
    cv_list_init(&head);
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        cv_list_init(&items[i].link);
    }
}

TestSuite(list, .init = set_up);

static struct item *item_of(struct cv_list *entry)
{
    return cv_container_of(entry, struct item, link);
}

static void push_all(void)
{
    for (int i = 0; i < 4; i++)
        cv_list_push_back(&head, &items[i].link);
}

Test(list, pops_in_the_order_of_pushes)
{
    cr_assert(cv_list_empty(&head));
    push_all();
    cr_assert_not(cv_list_empty(&head));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(item_of(cv_list_pop(&head))->value, i);
    cr_assert_null(cv_list_pop(&head));
    cr_assert(cv_list_empty(&head));
}

Test(list, a_popped_entry_is_in_no_list)
{
    push_all();
    cr_assert(cv_list_empty(cv_list_pop(&head)));
}

Test(list, unlinking_twice_is_harmless)
{
    int sum = 0;

    push_all();
    cv_list_remove(&items[1].link);
    cv_list_remove(&items[1].link);
    cr_assert(cv_list_empty(&items[1].link));
    cv_list_each (entry, &head)
        sum += item_of(entry)->value;
    cr_assert_eq(sum, 0 + 2 + 3);
}

Test(list, the_first_and_the_last_can_go)
{
    push_all();
    cv_list_remove(&items[0].link);
    cv_list_remove(&items[3].link);
    cr_assert_eq(head.next, &items[1].link);
    cr_assert_eq(head.prev, &items[2].link);
    cr_assert_eq(items[2].link.next, &head);
}

Test(list, the_safe_walk_lets_the_body_unlink)
{
    int seen = 0;

    push_all();
    cv_list_each_safe (entry, &head) {
        cr_assert_eq(item_of(entry)->value, seen++);
        cv_list_remove(entry);
    }
    cr_assert_eq(seen, 4);
    cr_assert(cv_list_empty(&head));
}
