// Pointer chasing over 64 MiB: a ring through all its cache lines in an order that leaves the page at nearly every step, so
// that no TLB helps. Four rings side by side, as independent misses are in real code, then one alone.
#include "guest.h"

const struct program program = {.rounds = 160, .expected = 0x88f5ff9bd47029bf};

enum { LINE = 64, LINES = (64 << 20) / LINE, RINGS = 4, HOPS = 1 << 14 };

struct line {
  struct line *next;
  uint64_t value;
  uint64_t rest[LINE / 8 - 2];
};

static struct line arena[LINES] __attribute__((aligned(4096), section(".arena,\"aw\",@nobits#")));

// A full cycle over a power of two (Hull and Dobell 1962): the multiplier is 1 modulo 4, the increment odd.
static uint32_t after(uint32_t line) { return (line * 0x9e3779b5u + 0x6d2b79f5u) % LINES; }

void prepare(void) {
  for (uint32_t i = 0; i < LINES; i++) {
    arena[i].next = &arena[after(i)];
    arena[i].value = i * 0x9e3779b97f4a7c15u;
  }
}

uint64_t run_round(void) {
  struct line *at[RINGS];
  uint64_t sum[RINGS] = {0};
  for (int i = 0; i < RINGS; i++) at[i] = &arena[i * (LINES / RINGS)];
  for (int hop = 0; hop < HOPS; hop++)
    for (int i = 0; i < RINGS; i++) {
      sum[i] += at[i]->value;
      at[i] = at[i]->next;
    }
  uint64_t alone = 0;
  const struct line *line = &arena[12345];
  for (int hop = 0; hop < HOPS; hop++) {
    alone ^= line->value + (uint64_t)hop;
    line = line->next;
  }
  uint64_t result = hash(HASH_START, alone);
  for (int i = 0; i < RINGS; i++) result = hash(hash(result, sum[i]), (uint64_t)(at[i] - arena));
  return result;
}
