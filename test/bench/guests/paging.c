#include "guest.h"
#include "paging.h"

#ifdef PAGED

enum { TABLES = 160 };
static page_table tables[TABLES] __attribute__((aligned(PAGE)));
static int tables_used;

static const uint64_t RAM = 0x80000000, RAM_BYTES = 128 << 20;
static const uint64_t KERNEL_FLAGS = PTE_R | PTE_W | PTE_X | PTE_G | PTE_A | PTE_D | PTE_V;

// The linker's address of a symbol, or where it lies while translation is still off: `start.S` calls at physical addresses.
uint64_t physical_of(const void *kernel_address) {
  uint64_t address = (uint64_t)kernel_address;
  return address >= KERNEL_OFFSET ? address - KERNEL_OFFSET : address;
}

uint64_t satp_of(const uint64_t *root) { return 8ull << 60 | physical_of(root) >> 12; }

uint64_t *new_table(void) {
  if (tables_used == TABLES) finish(60);
  return tables[tables_used++];
}

static uint64_t table_entry(const uint64_t *table) { return physical_of(table) >> 12 << 10 | PTE_V; }

// The table that an entry leads to, at an address of the mode that runs.
static uint64_t *table_at(uint64_t entry) {
  uint64_t offset = (uint64_t)tables - physical_of(tables);
  return (uint64_t *)((entry >> 10 << 12) + offset);
}

uint64_t *entry_of(uint64_t *root, uint64_t virtual) {
  uint64_t *table = root;
  for (int level = 2; level > 0; level--) {
    uint64_t *entry = &table[virtual >> (12 + 9 * level) & (ENTRIES - 1)];
    if (!(*entry & PTE_V)) *entry = table_entry(new_table());
    table = table_at(*entry);
  }
  return &table[virtual >> 12 & (ENTRIES - 1)];
}

void map_page(uint64_t *root, uint64_t virtual, uint64_t physical, uint64_t flags) {
  *entry_of(root, virtual) = physical >> 12 << 10 | flags | PTE_A | PTE_D | PTE_V;
}

void map_user(uint64_t *root, uint64_t from, uint64_t to) {
  for (uint64_t page = from & -(uint64_t)PAGE; page < to; page += PAGE)
    map_page(root, page, page, PTE_R | PTE_W | PTE_X | PTE_U);
}

uint64_t *kernel_root(void) { return tables[0]; }

// All of RAM in 4 KiB pages at KERNEL_OFFSET, and the devices below it. Returns the value of satp.
uint64_t build_page_tables(void) {
  uint64_t *root = new_table();
  for (uint64_t at = 0; at < RAM_BYTES; at += PAGE) map_page(root, KERNEL_OFFSET + RAM + at, RAM + at, KERNEL_FLAGS);
  // The first gigabyte, where the devices are: one leaf, not executable.
  root[KERNEL_OFFSET >> 30 & (ENTRIES - 1)] = PTE_R | PTE_W | PTE_G | PTE_A | PTE_D | PTE_V;
  return satp_of(root);
}

#endif
