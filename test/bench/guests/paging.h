// Sv39 page tables with 4 KiB pages (privileged specification, "Sv39: Page-Based 39-bit Virtual-Memory System").
#ifndef PAGING_H
#define PAGING_H

#include <stdint.h>

enum { PAGE = 4096, ENTRIES = 512 };
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16, PTE_G = 32, PTE_A = 64, PTE_D = 128 };

typedef uint64_t page_table[ENTRIES];

// A zeroed page for a table; tables are never given back.
uint64_t *new_table(void);

// Maps one page; tables on the way are made as needed. Neither fences.
void map_page(uint64_t *root, uint64_t virtual, uint64_t physical, uint64_t flags);

// The entry of a page that `map_page` mapped.
uint64_t *entry_of(uint64_t *root, uint64_t virtual);

// Maps a range of RAM at its own physical addresses, for U-mode: code, constants and stacks of user programs.
void map_user(uint64_t *root, uint64_t from, uint64_t to);

// The kernel's tables as `start.S` left them.
uint64_t *kernel_root(void);

uint64_t satp_of(const uint64_t *root);
uint64_t physical_of(const void *kernel_address);

#endif
