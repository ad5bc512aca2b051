#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/list.h"
#include "net/mailbox.h"
#include "net_fixture.h"

#define SENDERS 4
#define LETTERS 2000 /* of each */

static struct net net;
static struct cv_mailbox box;

static void set_up(void)
{
    net_init(&net);
}

static void tear_down(void)
{
    net_deinit(&net);
}

TestSuite(mailbox, .init = set_up, .fini = tear_down);

struct letter {
    struct cv_mail mail;
    int sender, number;
};

/* What came: the next number of each sender. */
struct seen {
    int next[SENDERS];
    int count, lost;
};

static void on_letter(struct cv_mail *mail, void *ctx, bool lost)
{
    struct letter *letter = cv_container_of(mail, struct letter, mail);
    struct seen *seen = ctx;

    cr_assert_eq(letter->number, seen->next[letter->sender]++, "out of order");
    seen->count++;
    seen->lost += lost;
    free(letter);
}

static void post(int sender, int number)
{
    struct letter *letter = malloc(sizeof(*letter));

    cr_assert_not_null(letter);
    letter->mail.deliver = on_letter;
    letter->sender = sender;
    letter->number = number;
    cv_mailbox_post(&box, &letter->mail);
}

static void send_all(void *arg)
{
    for (int i = 0; i < LETTERS; i++)
        post(*(int *)arg, i);
}

Test(mailbox, what_threads_post_arrives_once_and_in_order)
{
    struct seen seen = {.count = 0};
    uv_thread_t threads[SENDERS];
    int numbers[SENDERS];

    cr_assert_eq(cv_mailbox_open(&box, &net.loop, &seen), 0);
    for (int i = 0; i < SENDERS; i++) {
        numbers[i] = i;
        cr_assert_eq(uv_thread_create(&threads[i], send_all, &numbers[i]), 0);
    }
    NET_UNTIL(&net, seen.count == SENDERS * LETTERS);
    for (int i = 0; i < SENDERS; i++)
        uv_thread_join(&threads[i]);
    cr_assert_eq(seen.lost, 0);
    cv_mailbox_close(&box);
    cr_assert_eq(seen.count, SENDERS * LETTERS);
}

Test(mailbox, what_is_left_at_the_end_is_handed_back_as_lost)
{
    struct seen seen = {.count = 0};

    cr_assert_eq(cv_mailbox_open(&box, &net.loop, &seen), 0);
    post(0, 0);
    post(0, 1);
    cv_mailbox_close(&box);
    cr_assert_eq(seen.count, 2);
    cr_assert_eq(seen.lost, 2);
}

static struct letter *again;

static void on_again(struct cv_mail *mail, void *ctx, bool lost)
{
    struct seen *seen = ctx;

    cr_assert_not(lost);
    if (++seen->count < 3)
        cv_mailbox_post(&box, mail);
}

Test(mailbox, a_letter_can_be_posted_again_as_it_is_delivered)
{
    struct seen seen = {.count = 0};

    cr_assert_eq(cv_mailbox_open(&box, &net.loop, &seen), 0);
    again = malloc(sizeof(*again));
    cr_assert_not_null(again);
    again->mail.deliver = on_again;
    cv_mailbox_post(&box, &again->mail);
    NET_UNTIL(&net, seen.count == 3);
    cv_mailbox_close(&box);
    free(again);
}
