#include "pages.h"

#include <link.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

/* A range of memory that begins with a page; a length of 0 is none. */
struct range {
    uintptr_t start;
    size_t len;
};

static struct range constants_of(const struct dl_phdr_info *object, const ElfW(Phdr) * segment,
                                 size_t page)
{
    uintptr_t start = object->dlpi_addr + segment->p_vaddr;
    size_t before = start % page;
    bool constant = segment->p_type == PT_LOAD && segment->p_flags == PF_R;

    return (struct range){start - before, constant ? before + segment->p_filesz : 0};
}

static void let_go(struct range range)
{
    if (range.len > 0)
        (void)madvise((void *)range.start, range.len, MADV_DONTNEED); /* or they stay */
}

/* Whether the loader has written relocations into segments that are read-only now. */
static bool is_patched(const struct dl_phdr_info *object)
{
    const ElfW(Dyn) *entry = NULL;

    for (size_t i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            entry = (const ElfW(Dyn) *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    for (; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_TEXTREL ||
            (entry->d_tag == DT_FLAGS && entry->d_un.d_val & DF_TEXTREL))
            return true;
    return false;
}

static int let_go_of(struct dl_phdr_info *object, size_t size, void *page)
{
    struct range first = {0, 0}; /* goes last: the headers that are read here lie in it */

    (void)size;
    if (is_patched(object))
        return 0;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        struct range range = constants_of(object, &object->dlpi_phdr[i], *(const size_t *)page);

        if (first.len == 0)
            first = range;
        else
            let_go(range);
    }
    let_go(first);
    return 0;
}

void pages_let_go(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    dl_iterate_phdr(let_go_of, &page);
}
