#ifndef CV_BASE_CHAIN_H
#define CV_BASE_CHAIN_H

#include "base/alloc.h"
#include "base/budget.h"

/* A queue of bytes in a chain of blocks. Empty it holds no memory; a block goes back as soon as it
 * is read. */
struct cv_chain {
    struct cv_block *head, *tail; /* owned; NULL together */
    size_t len;                   /* bytes that can be read */
    size_t held; /* bytes of memory in blocks, as charged to the budget; held >= len */
};

/* Copies @len bytes to the end. A call either takes all of them or changes nothing.
 *
 * -ENOMEM   no memory
 * CV_EFULL  @budget (may be NULL) has no room for the blocks that it would take */
int cv_chain_append(struct cv_chain *chain, const struct cv_alloc *alloc, struct cv_budget *budget,
                    const void *data, size_t len) CV_MUST_USE;

/* The first contiguous bytes; returns how many, 0 when empty. *@data is borrowed until the chain
 * changes. */
size_t cv_chain_peek(const struct cv_chain *chain, const uint8_t **data);

/* Drops the first @len bytes; @len <= chain->len. */
void cv_chain_consume(struct cv_chain *chain, const struct cv_alloc *alloc,
                      struct cv_budget *budget, size_t len);

/* Copies the first @len bytes to @out and drops them; @len <= chain->len. */
void cv_chain_read(struct cv_chain *chain, const struct cv_alloc *alloc, struct cv_budget *budget,
                   void *out, size_t len);

/* Drops everything; the chain can be used again. */
void cv_chain_clear(struct cv_chain *chain, const struct cv_alloc *alloc, struct cv_budget *budget);

#endif
