/* The page allocator: hands out the memory at PAGES_BASE page after page. */
#include <stddef.h>

#include "memory.h"
#include "trap.h"

static physical_address next = PAGES_BASE;

physical_address page_allocate(void)
{
    if (next == PAGES_BASE + PAGES_SIZE)
        panic("out of pages");
    uint64_t *words = (uint64_t *)next;
    for (size_t i = 0; i < PAGE_SIZE / sizeof *words; i++)
        words[i] = 0;
    physical_address page = next;
    next += PAGE_SIZE;
    return page;
}
