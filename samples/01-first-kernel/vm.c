#include "vm.h"

#include <stddef.h>

#include "csr.h"
#include "plic.h"

/*
 * A page-table entry (RISC-V privileged specification, "Sv39"): flags in the low bits, the physical page's number
 * from bit 10 on. An entry with R, W or X is a leaf and maps memory; one with only V points to the next table.
 */
typedef uint64_t page_table_entry;

#define PTE_VALID (1ul << 0)
#define PTE_READ (1ul << 1)
#define PTE_WRITE (1ul << 2)
#define PTE_EXECUTE (1ul << 3)
#define PTE_USER (1ul << 4)
#define PTE_ACCESSED (1ul << 6)
#define PTE_DIRTY (1ul << 7)

/* Set from the start: some machines set A and D themselves, others fault and leave it to the kernel. */
#define PTE_USED (PTE_ACCESSED | PTE_DIRTY)

#define ENTRIES 512
#define SATP_MODE_SV39 (8ul << 60)

/* A table fills a page. The root's entries span 1 GiB each, the next table's 2 MiB, the last one's 4 KiB. */
typedef struct {
    page_table_entry entries[ENTRIES];
} page_table;

static page_table *root;

static physical_address address_in(page_table_entry entry)
{
    return (entry >> 10) << 12;
}

static page_table_entry entry_for(physical_address address, uint64_t flags)
{
    return (address >> 12) << 10 | flags | PTE_VALID;
}

/* The nine bits of an address that select an entry of a table at this level; level 0 is the last. */
static size_t index_at(int level, virtual_address address)
{
    return (address >> (12 + 9 * level)) % ENTRIES;
}

/* Makes one leaf at `level`: 0 maps 4 KiB, 1 maps 2 MiB. Tables on the way are made as needed. */
static void map(virtual_address to, physical_address from, uint64_t flags, int level)
{
    page_table *table = root;
    for (int l = 2; l > level; l--) {
        page_table_entry *entry = &table->entries[index_at(l, to)];
        if ((*entry & PTE_VALID) == 0)
            *entry = entry_for(page_allocate(), 0);
        table = (page_table *)address_in(*entry);
    }
    table->entries[index_at(level, to)] = entry_for(from, flags | PTE_USED);
}

static void map_pages(virtual_address to, physical_address from, physical_address end, uint64_t flags)
{
    for (; from < end; from += PAGE_SIZE, to += PAGE_SIZE)
        map(to, from, flags, 0);
}

static void map_kernel(void)
{
    physical_address text = (physical_address)text_start, rodata = (physical_address)text_end;
    physical_address data = (physical_address)rodata_end, end = (physical_address)kernel_end;
    map_pages(text, text, rodata, PTE_READ | PTE_EXECUTE);
    map_pages(rodata, rodata, data, PTE_READ);
    map_pages(data, data, end, PTE_READ | PTE_WRITE);
    map(PAGES_BASE, PAGES_BASE, PTE_READ | PTE_WRITE, 1);
}

static void map_devices(uint64_t hart)
{
    map(UART_BASE, UART_BASE, PTE_READ | PTE_WRITE, 0);
    const physical_address plic[] = {PLIC_BASE, PLIC_ENABLES, PLIC_CONTEXT(hart)};
    for (size_t i = 0; i < sizeof plic / sizeof *plic; i++)
        map(plic[i], plic[i], PTE_READ | PTE_WRITE, 0);
}

static void map_user_program(void)
{
    physical_address image = (physical_address)user_image, end = (physical_address)user_image_end;
    map_pages(USER_TEXT_BASE, image, end, PTE_READ | PTE_EXECUTE | PTE_USER);
    map(USER_STACK_BASE, page_allocate(), PTE_READ | PTE_WRITE | PTE_USER, 0);
}

void vm_enable(uint64_t hart)
{
    root = (page_table *)page_allocate();
    map_kernel();
    map_devices(hart);
    map_user_program();
    csr_write(satp, SATP_MODE_SV39 | (physical_address)root >> 12);
    /* From here every address is translated; the fence drops what the hart may have cached before. */
    __asm__ volatile("sfence.vma" ::: "memory");
}

void vm_map_fresh_page(virtual_address address)
{
    virtual_address page = address & ~(virtual_address)(PAGE_SIZE - 1);
    map(page, page_allocate(), PTE_READ | PTE_WRITE, 0);
    __asm__ volatile("sfence.vma %0" ::"r"(page) : "memory");
}
