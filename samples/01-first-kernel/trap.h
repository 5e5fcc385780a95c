/* Traps: everything that takes the hart from where it was into the kernel. */
#ifndef TRAP_H
#define TRAP_H

/* Offsets in the trap frame: register xN stands at N * 8, and pc at 0, as x0 needs no place. */
#define TRAP_FRAME_PC 0
#define TRAP_FRAME_STATUS 256
#define TRAP_FRAME_SIZE 272

#ifndef __ASSEMBLER__
#include <stdint.h>

/* What was interrupted: all of its registers, as trap.S saved them and will restore them. */
struct trap_frame {
    uint64_t pc;
    uint64_t ra, sp, gp, tp, t0, t1, t2, s0, s1;
    uint64_t a0, a1, a2, a3, a4, a5, a6, a7;
    uint64_t s2, s3, s4, s5, s6, s7, s8, s9, s10, s11;
    uint64_t t3, t4, t5, t6;
    uint64_t status;
    uint64_t padding; /* the stack stays 16-byte aligned */
};
_Static_assert(sizeof(struct trap_frame) == TRAP_FRAME_SIZE, "trap.S and C agree on the frame");
_Static_assert(__builtin_offsetof(struct trap_frame, status) == TRAP_FRAME_STATUS, "trap.S and C agree on the frame");

/* Points stvec at trap.S. */
void trap_initialise(void);

/* Sleeps until an interrupt, and handles it. At all other times the kernel runs with interrupts off. */
void wait_for_interrupt(void);

/* Says what went wrong and powers off. */
__attribute__((noreturn)) void panic(const char *reason);

/* In trap.S. Runs a user program; returns what it gives to exit(). */
uint64_t user_run(uint64_t entry, uint64_t stack_top);
/* In trap.S. Abandons the trap being handled and returns from user_run. */
__attribute__((noreturn)) void user_leave(uint64_t status);
#endif

#endif
