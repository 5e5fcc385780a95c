// Sorting and hashing: quicksort by recursion over random 64-bit keys, then an open-addressing hash table of them.
#include <stdint.h>

enum { KEYS = 1 << 14, SLOTS = 1 << 16 };
static uint64_t keys[KEYS], table[SLOTS];
static uint64_t state = 88172645463325252ull;

static uint64_t next_random(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static void sort(uint64_t *low, uint64_t *high) {
  while (low < high) {
    uint64_t pivot = low[(high - low) / 2], *i = low - 1, *j = high + 1;
    for (;;) {
      do i++; while (*i < pivot);
      do j--; while (*j > pivot);
      if (i >= j) break;
      uint64_t t = *i;
      *i = *j;
      *j = t;
    }
    sort(low, j);
    low = j + 1;
  }
}

static uint32_t slot_of(uint64_t key) { return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 48); }

int main(void) {
  for (int round = 0; round < 100; round++) {
    for (int i = 0; i < KEYS; i++) keys[i] = next_random() | 1;
    sort(keys, keys + KEYS - 1);
    for (int i = 1; i < KEYS; i++)
      if (keys[i - 1] > keys[i]) return 1;
    for (int i = 0; i < SLOTS; i++) table[i] = 0;
    for (int i = 0; i < KEYS; i++) {
      uint32_t slot = slot_of(keys[i]);
      while (table[slot]) slot = (slot + 1) % SLOTS;
      table[slot] = keys[i];
    }
    for (int i = 0; i < KEYS; i++) {
      uint32_t slot = slot_of(keys[i]);
      while (table[slot] != keys[i]) {
        if (table[slot] == 0) return 2;
        slot = (slot + 1) % SLOTS;
      }
    }
  }
  return 0;
}
