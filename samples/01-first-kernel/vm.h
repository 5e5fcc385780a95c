/* Virtual memory: the page tables, in the Sv39 format. */
#ifndef VM_H
#define VM_H

#include <stdint.h>

#include "memory.h"

/* Builds the kernel's page tables as memory.h draws them, and turns paging on. */
void vm_enable(uint64_t hart);

/* Puts a fresh zeroed page at a kernel address that has none. */
void vm_map_fresh_page(virtual_address address);

#endif
