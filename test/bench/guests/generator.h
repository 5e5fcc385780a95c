// Functions made up from a seed: a straight run of operations on six registers, in a loop. `emit` writes one as RISC-V
// code, `evaluate` computes the same on the host.
#ifndef GENERATOR_H
#define GENERATOR_H

#include "guest.h"

enum { OPERATIONS = 24, VALUES = 6, TURNS = 16 };
// Words of a generated function: the operations, the loop around them, and the return.
enum { FUNCTION_WORDS = OPERATIONS + 4 };

enum operation { ADD, SUB, XOR, OR, AND, MUL, SHIFT_LEFT, SHIFT_RIGHT, ADD_CONSTANT, KINDS };

struct step {
  uint8_t operation, to, x, y;
  int16_t constant;
};

static inline struct step step_of(uint64_t *seed) {
  uint64_t random = next_random(seed);
  return (struct step){
      .operation = (uint8_t)((random >> 8 & 0xff) % KINDS),
      .to = (uint8_t)((random >> 16 & 0xff) % VALUES),
      .x = (uint8_t)((random >> 24 & 0xff) % VALUES),
      .y = (uint8_t)((random >> 32 & 0xff) % VALUES),
      .constant = (int16_t)((random >> 40 & 0xfff) - 2048),
  };
}

#ifdef NATIVE

static inline uint64_t evaluate(uint64_t seed, int16_t patch, uint64_t first, uint64_t second) {
  uint64_t v[VALUES] = {first, second, first + second, 1, ~first, 0x55};
  struct step steps[OPERATIONS];
  for (int i = 0; i < OPERATIONS; i++) steps[i] = step_of(&seed);
  for (int turn = 0; turn < TURNS; turn++)
    for (int i = 0; i < OPERATIONS; i++) {
      struct step s = steps[i];
      uint64_t x = v[s.x], y = v[s.y];
      if (i == 0) v[s.to] = x + (uint64_t)(int64_t)patch;
      else
        switch (s.operation) {
          case ADD: v[s.to] = x + y; break;
          case SUB: v[s.to] = x - y; break;
          case XOR: v[s.to] = x ^ y; break;
          case OR: v[s.to] = x | y; break;
          case AND: v[s.to] = x & y; break;
          case MUL: v[s.to] = x * y; break;
          case SHIFT_LEFT: v[s.to] = x << (s.constant & 31); break;
          case SHIFT_RIGHT: v[s.to] = x >> (s.constant & 31); break;
          default: v[s.to] = x + (uint64_t)(int64_t)s.constant; break;
        }
    }
  return v[0] ^ v[1] ^ v[2] ^ v[3] ^ v[4] ^ v[5];
}

#else

// The values live in a0 to a5, the turns left in t0.
static inline uint32_t r_type(uint32_t funct7, uint32_t rs2, uint32_t rs1, uint32_t funct3, uint32_t rd) {
  return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x33;
}
static inline uint32_t i_type(int32_t immediate, uint32_t rs1, uint32_t funct3, uint32_t rd) {
  return (uint32_t)immediate << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x13;
}

// The first operation adds a constant, so that it can be patched.
static inline uint32_t first_operation(uint64_t seed, int16_t patch) {
  struct step s = step_of(&seed);
  return i_type(patch, 10u + s.x, 0, 10u + s.to);
}

static inline void emit(volatile uint32_t *code, uint64_t seed, int16_t patch) {
  *code++ = i_type(TURNS, 0, 0, 5);
  *code++ = first_operation(seed, patch);
  step_of(&seed);
  for (int i = 1; i < OPERATIONS; i++) {
    struct step s = step_of(&seed);
    uint32_t to = 10u + s.to, x = 10u + s.x, y = 10u + s.y;
    switch (s.operation) {
      case ADD: *code++ = r_type(0, y, x, 0, to); break;
      case SUB: *code++ = r_type(0x20, y, x, 0, to); break;
      case XOR: *code++ = r_type(0, y, x, 4, to); break;
      case OR: *code++ = r_type(0, y, x, 6, to); break;
      case AND: *code++ = r_type(0, y, x, 7, to); break;
      case MUL: *code++ = r_type(1, y, x, 0, to); break;
      case SHIFT_LEFT: *code++ = i_type(s.constant & 31, x, 1, to); break;
      case SHIFT_RIGHT: *code++ = i_type(s.constant & 31, x, 5, to); break;
      default: *code++ = i_type(s.constant, x, 0, to); break;
    }
  }
  *code++ = i_type(-1, 5, 0, 5);
  // bne t0, zero, back to the first operation.
  uint32_t back = (uint32_t)-4 * (OPERATIONS + 1);
  *code++ = (back >> 12 & 1) << 31 | (back >> 5 & 0x3f) << 25 | 5 << 15 | 1 << 12 | (back >> 1 & 0xf) << 8 |
            (back >> 11 & 1) << 7 | 0x63;
  *code++ = 0x00008067;  // ret
}

static NOINLINE uint64_t run_generated(const volatile uint32_t *code, uint64_t first, uint64_t second) {
  register uint64_t a0 __asm__("a0") = first;
  register uint64_t a1 __asm__("a1") = second;
  register uint64_t a2 __asm__("a2") = first + second;
  register uint64_t a3 __asm__("a3") = 1;
  register uint64_t a4 __asm__("a4") = ~first;
  register uint64_t a5 __asm__("a5") = 0x55;
  __asm__ volatile("jalr ra, 0(%6)"
                   : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3), "+r"(a4), "+r"(a5)
                   : "r"(code)
                   : "ra", "t0", "memory");
  return a0 ^ a1 ^ a2 ^ a3 ^ a4 ^ a5;
}

static inline void fence_i(void) { __asm__ volatile("fence.i" : : : "memory"); }

#endif

#endif
