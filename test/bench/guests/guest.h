// What every benchmark guest is made of. A program does its work in rounds; each round gives the same checksum, which is
// compared with a constant. `make native` computes the constants on the host, from the same sources.
#ifndef GUEST_H
#define GUEST_H

#include <stddef.h>
#include <stdint.h>

struct program {
  // Rounds that QEMU needs about a second for.
  uint32_t rounds;
  uint64_t expected;
};

extern const struct program program;
// Run once, before the rounds.
void prepare(void);
uint64_t run_round(void);
// Run once, after the rounds: 0, or the code of a failure. Most programs have nothing to add to the checksums.
int conclude(void);

// Not to be merged into its caller: calls are part of what is measured.
#define NOINLINE __attribute__((noinline))

// FNV-1a over 64-bit words: enough to notice any difference.
#define HASH_START 0xcbf29ce484222325u
static inline uint64_t hash(uint64_t state, uint64_t value) { return (state ^ value) * 0x100000001b3u; }

// Xorshift (Marsaglia 2003), so that data differs from what a pattern would be.
static inline uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  return *state ^= *state << 17;
}

#ifndef NATIVE
// Ends the machine through the test device: a pass with 0, else a failure with this code.
_Noreturn void finish(int code);

// The kernel's addresses are physical addresses plus this.
#ifdef PAGED
#define KERNEL_OFFSET 0xffffffc000000000u
#else
#define KERNEL_OFFSET 0u
#endif
#define DEVICE(type, physical) ((volatile type *)(KERNEL_OFFSET + (physical)))
#endif

#endif
