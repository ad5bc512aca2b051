#ifndef TESTS_SUPPORT_TEST_ALLOC_H
#define TESTS_SUPPORT_TEST_ALLOC_H

#include "base/alloc.h"

/* An allocator for tests: counts what is live and fails the n-th call on demand. */
struct test_alloc {
    struct cv_alloc alloc;
    size_t calls;   /* so far */
    size_t fail_at; /* this call (from 1) and none other returns NULL; 0: none */
    size_t live;    /* blocks that were not freed yet */
    size_t bytes;   /* in live blocks */
    size_t peak;    /* most bytes that were live at once */
};

void test_alloc_init(struct test_alloc *ta);

#endif
