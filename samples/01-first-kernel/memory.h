/*
 * The memory map, physical and virtual.
 *
 * Physical, given by the board (QEMU's `virt`) and the firmware:
 *
 *   0x0c00_0000  PLIC       interrupt controller: priorities, enables, claim
 *   0x1000_0000  UART       16550 serial port
 *   0x8000_0000  firmware   the SBI implementation; not ours
 *   0x8020_0000  kernel     text | rodata (user program's image) | data, bss, boot stack
 *   0x8040_0000  pages      2 MiB that the page allocator hands out
 *
 * Virtual, once paging is on. Devices, kernel and pages stay where they are ("identity-mapped"):
 *
 *   0x0c00_0000  PLIC       rw-   three pages of 4 KiB
 *   0x1000_0000  UART       rw-   one page
 *   0x4000_0000  user text  r-xu  the program in user.c; user mode may use it, the kernel may not execute it
 *   0x4001_0000  user stack rw-u  one page
 *   0x5000_0000  demand     rw-   no page is here until one is touched; see trap.c
 *   0x8020_0000  kernel     r-x, r--, rw- by section
 *   0x8040_0000  pages      rw-   one 2 MiB leaf: walk an address in it and the walk ends a level early
 */
#ifndef MEMORY_H
#define MEMORY_H

#define PLIC_BASE 0x0c000000
#define UART_BASE 0x10000000

#define KERNEL_BASE 0x80200000
#define PAGES_BASE 0x80400000
#define PAGES_SIZE 0x200000

#define USER_TEXT_BASE 0x40000000
#define USER_STACK_BASE 0x40010000
#define DEMAND_BASE 0x50000000
#define DEMAND_SIZE 0x10000

#define PAGE_SIZE 4096

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Mixing up the two kinds of address is the classic mistake of this trade; the names at least say which is which. */
typedef uint64_t physical_address;
typedef uint64_t virtual_address;

/* Section borders and the user program's image, from kernel.ld. Only their addresses mean anything. */
extern char text_start[], text_end[], rodata_end[], kernel_end[];
extern char user_image[], user_image_end[];

/* A zeroed page of 4 KiB. Pages are never given back: this kernel does not live long enough. */
physical_address page_allocate(void);
#endif

#endif
