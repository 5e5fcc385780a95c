/* Control and status registers of S-mode (RISC-V privileged specification, "Supervisor-Level ISA"). */
#ifndef CSR_H
#define CSR_H

#include <stdint.h>

#define csr_read(name)                                   \
    ({                                                   \
        uint64_t value_;                                 \
        __asm__ volatile("csrr %0, " #name : "=r"(value_)); \
        value_;                                          \
    })
#define csr_write(name, value) __asm__ volatile("csrw " #name ", %0" ::"rK"((uint64_t)(value)) : "memory")
#define csr_set(name, bits) __asm__ volatile("csrs " #name ", %0" ::"rK"((uint64_t)(bits)) : "memory")
#define csr_clear(name, bits) __asm__ volatile("csrc " #name ", %0" ::"rK"((uint64_t)(bits)) : "memory")

/* sstatus */
#define SSTATUS_SIE (1ul << 1)  /* interrupts are taken in S-mode */
#define SSTATUS_SPIE (1ul << 5) /* SIE before the trap, and after sret */
#define SSTATUS_SPP (1ul << 8)  /* the trap came from S-mode, and sret goes there; else U-mode */
#define SSTATUS_SUM (1ul << 18) /* S-mode may read and write user pages */

/* sie and sip */
#define INTERRUPT_TIMER (1ul << 5)
#define INTERRUPT_EXTERNAL (1ul << 9)

/* scause: the top bit tells interrupts from exceptions */
#define CAUSE_INTERRUPT (1ul << 63)
#define CAUSE_TIMER (CAUSE_INTERRUPT | 5)
#define CAUSE_EXTERNAL (CAUSE_INTERRUPT | 9)
#define CAUSE_USER_ECALL 8
#define CAUSE_LOAD_PAGE_FAULT 13
#define CAUSE_STORE_PAGE_FAULT 15

#endif
