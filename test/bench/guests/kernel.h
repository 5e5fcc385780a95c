// A kernel's way into U-mode and back, for the programs that take traps: in S-mode over page tables in the paged build, in
// M-mode without translation in the bare one.
#ifndef KERNEL_H
#define KERNEL_H

#include "guest.h"

#ifdef PAGED
#include "paging.h"
#define CSR(name) "s" name
#else
#define CSR(name) "m" name
#endif

enum cause { ILLEGAL_INSTRUCTION = 2, LOAD_ACCESS_FAULT = 5, USER_CALL = 8, LOAD_PAGE_FAULT = 13, STORE_PAGE_FAULT = 15 };

// Integer registers of a user program, x1 at [1]; `kernel.S` knows the layout.
struct frame {
  uint64_t pc;
  uint64_t x[32];
};
enum { SP = 2, A0 = 10, A1 = 11, A2 = 12, A3 = 13, A7 = 17 };

// Runs the user program of a frame until `on_trap` returns NULL.
void enter_user(struct frame *frame);

// A program's own: called for every trap out of U-mode, returns the frame to go on with. `cause` is negative for interrupts.
struct frame *on_trap(struct frame *frame, int64_t cause, uint64_t value);

// For user code: it lies in a section of its own name, calls nothing else, and touches no kernel data.
#define USER __attribute__((noinline, section(".text.user")))

// Lets U-mode see the whole image, code and stacks, at its physical addresses. Without translation it does anyway.
static inline void map_image_for_user(void) {
#ifdef PAGED
  extern uint8_t stack_top[];
  map_user(kernel_root(), 0x80000000, physical_of(stack_top));
  __asm__ volatile("sfence.vma" : : : "memory");
#endif
}

// Where user code sees what the kernel has at this address.
static inline uint64_t user_address(const void *kernel_address) { return (uint64_t)kernel_address - KERNEL_OFFSET; }

#define READ_CSR(name) \
  ({ uint64_t value_; __asm__ volatile("csrr %0, " name : "=r"(value_)); value_; })
#define WRITE_CSR(name, value) __asm__ volatile("csrw " name ", %0" : : "r"(value) : "memory")
#define SET_CSR(name, bits) __asm__ volatile("csrs " name ", %0" : : "r"(bits) : "memory")

// Sets the mode that traps return to. Interrupts of the modes above are always on there (privileged, "xIE").
static inline void return_to_user_mode(void) {
#ifdef PAGED
  __asm__ volatile("csrc sstatus, %0" : : "r"(0x100));
#else
  __asm__ volatile("csrc mstatus, %0" : : "r"(0x1800));
#endif
}

// The interrupt of the timer is due at this time.
static inline void set_timer(uint64_t time) {
#ifdef PAGED
  register uint64_t a0 __asm__("a0") = time;
  __asm__ volatile("ecall" : : "r"(a0) : "memory");
#else
  *DEVICE(uint64_t, 0x02004000) = time;
#endif
}

#endif
