// Runs a program's rounds and compares each checksum with the constant; in the native build prints it.
#include "guest.h"

// Of the program's rounds, in percent; a test takes one round.
#ifndef SCALE
#define SCALE 100
#endif
#ifndef ROUNDS
#define ROUNDS ((program.rounds * SCALE + 99) / 100)
#endif

// A test builds a guest with another constant, to see it fail.
#ifndef EXPECTED
#define EXPECTED program.expected
#endif

__attribute__((weak)) int conclude(void) { return 0; }

#ifdef NATIVE

#include <stdio.h>

int main(void) {
  prepare();
  uint64_t first = run_round();
  for (int round = 0; round < 3; round++)
    if (run_round() != first) {
      fprintf(stderr, "a round differs from the first\n");
      return 1;
    }
  printf("0x%016llx%s\n", (unsigned long long)first, first == program.expected ? "" : " (another one is expected)");
  return first != program.expected;
}

#else

int main(void) {
  prepare();
  for (uint32_t round = 0; round < ROUNDS; round++)
    if (run_round() != EXPECTED) return 1;
  return conclude();
}

void finish(int code) {
  // SiFive test device: a pass, or a failure with the code in the high half.
  *DEVICE(uint32_t, 0x100000) = code == 0 ? 0x5555 : 0x3333 | (uint32_t)code << 16;
  for (;;) __asm__ volatile("wfi");
}

#endif
