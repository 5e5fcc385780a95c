// Generates code for ever: each function is new, runs often enough that a translator takes notice, and is overwritten after
// SLOTS others. A line on the UART after every batch says how many instructions have retired.
#include "generator.h"

const struct program program = {.rounds = 1, .expected = 0};

#ifndef CALLS
#define CALLS 12000
#endif
enum { SLOTS = 8192, BATCH = 64 };

static uint32_t buffer[SLOTS][FUNCTION_WORDS] __attribute__((aligned(4096)));
static uint8_t after_buffer[4096] __attribute__((aligned(4096), used));

static void print(char character) { *DEVICE(uint8_t, 0x10000000) = (uint8_t)character; }

static void print_number(uint64_t number) {
  char digits[20];
  int count = 0;
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  while (count > 0) print(digits[--count]);
}

static uint64_t retired(void) {
  uint64_t value;
  __asm__ volatile("csrr %0, instret" : "=r"(value));
  return value;
}

void prepare(void) {}

// Does not return, unless a function gave one result at first and another one later.
uint64_t run_round(void) {
  for (uint64_t made = 0;;) {
    for (int i = 0; i < BATCH; i++, made++) {
      uint32_t *code = buffer[made % SLOTS];
      emit(code, made * 0x9e3779b97f4a7c15u + 1, (int16_t)(made & 0x7ff));
      fence_i();
      uint64_t first = run_generated(code, made, made >> 1);
      for (int call = 0; call < CALLS; call++)
        if (run_generated(code, made, made >> 1) != first) return 1;
    }
    print_number(made);
    print(' ');
    print_number(retired());
    print('\n');
  }
}
