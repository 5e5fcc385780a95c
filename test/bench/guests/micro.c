// One event over and over, for its cost: EVENT names it, COUNT says how often. With EVENT LOOP nothing happens but the loop
// that is around all of them.
#include "kernel.h"

#define LOOP 0
#define MMIO 1
#define SYSTEM_CALL 2
#define CSR_WRITE 3
#define FENCE 4

const struct program program = {.rounds = 1, .expected = COUNT};

#if EVENT == SYSTEM_CALL

static struct frame frame;
static uint8_t user_stack[1024] __attribute__((aligned(16)));

#ifdef PAGED
#define EPC "sepc"
#define RETURN "sret"
#else
#define EPC "mepc"
#define RETURN "mret"
#endif

// As short as a system call can be: t6 is lost, the program goes on behind the call. Any other number is the kernel's.
__asm__(".text\n.align 2\n.globl user_vector\nuser_vector:\n"
        "bnez a7, 1f\ncsrr t6, " EPC "\naddi t6, t6, 4\ncsrw " EPC ", t6\n" RETURN "\n1: j trap_entry\n");

static USER void user_start(void) {
  register uint64_t a0 __asm__("a0") = 0;
  register uint64_t a7 __asm__("a7") = 0;
  __asm__ volatile("1: ecall\naddi a0, a0, 1\nbne a0, %1, 1b" : "+r"(a0) : "r"(COUNT), "r"(a7) : "t6");
  a7 = 1;
  __asm__ volatile("ecall" : : "r"(a0), "r"(a7) : "memory");
}

struct frame *on_trap(struct frame *user, int64_t cause, uint64_t value) {
  (void)value;
  if (cause != USER_CALL || user->x[A7] != 1) finish(2);
  return NULL;
}

void prepare(void) { map_image_for_user(); }

uint64_t run_round(void) {
  frame.pc = user_address(user_start);
  frame.x[SP] = user_address(user_stack + sizeof user_stack);
  return_to_user_mode();
  enter_user(&frame);
  return frame.x[A0];
}

#else

void prepare(void) {}

uint64_t run_round(void) {
  uint64_t count = 0;
#if EVENT == MMIO
  // The UART's line status register; a read of it has no effect.
  const volatile uint8_t *status = DEVICE(uint8_t, 0x10000005);
  for (; count < COUNT; count++) (void)*status;
#elif EVENT == CSR_WRITE
  for (; count < COUNT; count++) WRITE_CSR(CSR("scratch"), count);
#elif EVENT == FENCE
  // With the access behind it that has to find its page again.
  volatile uint64_t cell = 0;
  for (; count < COUNT; count++) {
    __asm__ volatile("sfence.vma" : : : "memory");
    (void)cell;
  }
#else
  for (; count < COUNT; count++) __asm__ volatile("" : "+r"(count));
#endif
  return count;
}

#endif
