/* The platform-level interrupt controller: decides which device's interrupt reaches the hart. */
#ifndef PLIC_H
#define PLIC_H

#include <stdint.h>

#include "memory.h"

/* Each hart has two contexts, M-mode and S-mode; ours is the second (RISC-V PLIC specification, "Memory Map"). */
#define PLIC_S_CONTEXT(hart) (2 * (hart) + 1)
#define PLIC_ENABLES (PLIC_BASE + 0x2000ul)
#define PLIC_CONTEXT(hart) (PLIC_BASE + 0x200000ul + 0x1000ul * PLIC_S_CONTEXT(hart))

/* Lets one source interrupt this hart in S-mode. */
void plic_enable(uint64_t hart, uint32_t source);
/* The pending source of highest priority, now ours to handle, or 0; and the notice that it is handled. */
uint32_t plic_claim(void);
void plic_complete(uint32_t source);

#endif
