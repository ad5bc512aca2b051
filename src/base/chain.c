#include "base/chain.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* Small enough that a stalled connection with little to say holds little, large enough that a full
 * buffer is few blocks: the size of a block follows the piece that it was made for. */
#define BLOCK_MIN ((size_t)1024)

struct cv_block {
    struct cv_block *next;
    size_t start, end, size; /* bytes data[start..end) wait to be read; start <= end <= size */
    uint8_t data[];
};

static size_t block_footprint(size_t size)
{
    return sizeof(struct cv_block) + size;
}

static void block_fill(struct cv_chain *chain, struct cv_block *block, const uint8_t *data,
                       size_t len)
{
    memcpy(block->data + block->end, data, len);
    block->end += len;
    chain->len += len;
}

static struct cv_block *block_new(const struct cv_alloc *alloc, size_t len)
{
    size_t size = (len + BLOCK_MIN - 1) / BLOCK_MIN * BLOCK_MIN - sizeof(struct cv_block);
    struct cv_block *block;

    if (size < len)
        size += BLOCK_MIN;
    block = cv_alloc(alloc, block_footprint(size));
    if (!block)
        return NULL;
    block->next = NULL;
    block->start = block->end = 0;
    block->size = size;
    return block;
}

int cv_chain_append(struct cv_chain *chain, const struct cv_alloc *alloc, struct cv_budget *budget,
                    const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t room = chain->tail ? chain->tail->size - chain->tail->end : 0;
    size_t here = cv_min_size(room, len);
    struct cv_block *block = NULL;

    if (len > here) {
        block = block_new(alloc, len - here);
        if (!block)
            return -ENOMEM;
        if (budget && !cv_budget_take(budget, block_footprint(block->size))) {
            cv_free(alloc, block);
            return CV_EFULL;
        }
    }
    if (here)
        block_fill(chain, chain->tail, bytes, here);
    if (!block)
        return 0;
    block_fill(chain, block, bytes + here, len - here);
    if (chain->tail)
        chain->tail->next = block;
    else
        chain->head = block;
    chain->tail = block;
    chain->held += block_footprint(block->size);
    return 0;
}

size_t cv_chain_peek(const struct cv_chain *chain, const uint8_t **data)
{
    if (!chain->head)
        return 0;
    *data = chain->head->data + chain->head->start;
    return chain->head->end - chain->head->start;
}

static void block_drop(struct cv_chain *chain, const struct cv_alloc *alloc,
                       struct cv_budget *budget)
{
    struct cv_block *block = chain->head;

    chain->head = block->next;
    if (!chain->head)
        chain->tail = NULL;
    chain->held -= block_footprint(block->size);
    if (budget)
        cv_budget_give(budget, block_footprint(block->size));
    cv_free(alloc, block);
}

void cv_chain_consume(struct cv_chain *chain, const struct cv_alloc *alloc,
                      struct cv_budget *budget, size_t len)
{
    chain->len -= len;
    while (len) {
        size_t here = cv_min_size(len, chain->head->end - chain->head->start);

        chain->head->start += here;
        len -= here;
        if (chain->head->start == chain->head->end)
            block_drop(chain, alloc, budget);
    }
}

void cv_chain_read(struct cv_chain *chain, const struct cv_alloc *alloc, struct cv_budget *budget,
                   void *out, size_t len)
{
    uint8_t *to = out;

    while (len) {
        const struct cv_block *block = chain->head;
        size_t here = cv_min_size(len, block->end - block->start);

        memcpy(to, block->data + block->start, here);
        cv_chain_consume(chain, alloc, budget, here);
        to += here;
        len -= here;
    }
}

void cv_chain_clear(struct cv_chain *chain, const struct cv_alloc *alloc, struct cv_budget *budget)
{
    while (chain->head)
        block_drop(chain, alloc, budget);
    chain->len = 0;
}
