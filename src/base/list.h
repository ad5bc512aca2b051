#ifndef CV_BASE_LIST_H
#define CV_BASE_LIST_H

#include <stdbool.h>

#include "base/attr.h"

/* An intrusive doubly linked ring. A head and an unlinked entry point to themselves, so unlinking
 * twice is harmless. */
struct cv_list {
    struct cv_list *next, *prev;
};

static inline void cv_list_init(struct cv_list *entry)
{
    entry->next = entry->prev = entry;
}

/* Whether a head has no entries; of an entry, whether it is in no list. */
static inline bool cv_list_empty(const struct cv_list *head)
{
    return head->next == head;
}

/* @entry must be in no list. */
static inline void cv_list_push_back(struct cv_list *head, struct cv_list *entry)
{
    entry->next = head;
    entry->prev = head->prev;
    head->prev->next = entry;
    head->prev = entry;
}

/* @entry must be in no list. */
static inline void cv_list_push_front(struct cv_list *head, struct cv_list *entry)
{
    cv_list_push_back(head->next, entry);
}

static inline void cv_list_remove(struct cv_list *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    cv_list_init(entry);
}

/* The first entry, unlinked, or NULL. */
static inline struct cv_list *cv_list_pop(struct cv_list *head)
{
    struct cv_list *first = head->next;

    if (first == head)
        return NULL;
    cv_list_remove(first);
    return first;
}

#define cv_list_each(entry, head) \
    for (struct cv_list *entry = (head)->next; entry != (head); entry = entry->next)

/* As cv_list_each; the body may unlink @entry. */
#define cv_list_each_safe(entry, head)                                                       \
    for (struct cv_list *entry = (head)->next, *entry##_next = entry->next; entry != (head); \
         entry = entry##_next, entry##_next = entry->next)

#endif
