// Sorting and hashing: quicksort by recursion and heapsort of random 64-bit keys, a hash table of them with open
// addressing, and SHA-256 (FIPS 180-4) over the sorted keys.
#include "guest.h"

const struct program program = {.rounds = 1600, .expected = 0xc35d36c5d977c661};

enum { KEYS = 1 << 12, SLOTS = 1 << 14 };
static uint64_t keys[KEYS], copies[KEYS], table[SLOTS];
static uint64_t seed;

static NOINLINE void quicksort(uint64_t *low, uint64_t *high) {
  while (low < high) {
    uint64_t pivot = low[(high - low) / 2], *i = low - 1, *j = high + 1;
    for (;;) {
      do i++;
      while (*i < pivot);
      do j--;
      while (*j > pivot);
      if (i >= j) break;
      uint64_t t = *i;
      *i = *j;
      *j = t;
    }
    quicksort(low, j);
    low = j + 1;
  }
}

static NOINLINE void sift_down(uint64_t *heap, size_t at, size_t size) {
  uint64_t moved = heap[at];
  for (size_t child; (child = 2 * at + 1) < size; at = child) {
    if (child + 1 < size && heap[child] < heap[child + 1]) child++;
    if (heap[child] <= moved) break;
    heap[at] = heap[child];
  }
  heap[at] = moved;
}

static NOINLINE void heapsort(uint64_t *heap, size_t size) {
  for (size_t at = size / 2; at-- > 0;) sift_down(heap, at, size);
  while (size-- > 1) {
    uint64_t largest = heap[0];
    heap[0] = heap[size];
    heap[size] = largest;
    sift_down(heap, 0, size);
  }
}

static uint32_t slot_of(uint64_t key) { return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 50); }

static NOINLINE uint64_t probe(void) {
  uint64_t probes = 0;
  for (int i = 0; i < SLOTS; i++) table[i] = 0;
  for (int i = 0; i < KEYS; i++) {
    uint32_t slot = slot_of(copies[i]);
    for (; table[slot]; slot = (slot + 1) % SLOTS) probes++;
    table[slot] = copies[i];
  }
  for (int i = 0; i < KEYS; i++)
    for (uint32_t slot = slot_of(copies[i]); table[slot] != copies[i]; slot = (slot + 1) % SLOTS) probes++;
  return probes;
}

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t value, int by) { return value >> by | value << (32 - by); }

static NOINLINE void compress(uint32_t state[8], const uint64_t block[8]) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++) w[i] = (uint32_t)(i & 1 ? block[i / 2] : block[i / 2] >> 32);
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
  }
  for (int i = 0; i < 8; i++) s[i] = state[i];
  for (int i = 0; i < 64; i++) {
    uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    uint32_t first = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + constants[i] + w[i];
    uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    uint32_t second = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
    for (int k = 7; k > 0; k--) s[k] = s[k - 1];
    s[4] += first;
    s[0] = first + second;
  }
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

void prepare(void) {}

uint64_t run_round(void) {
  seed = 88172645463325252u;
  for (int i = 0; i < KEYS; i++) keys[i] = copies[i] = next_random(&seed) | 1;
  uint64_t sum = hash(HASH_START, probe());
  quicksort(keys, keys + KEYS - 1);
  heapsort(copies, KEYS);
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (int i = 0; i < KEYS; i += 8) {
    for (int k = 0; k < 8; k++)
      if (keys[i + k] != copies[i + k]) return 0;
    compress(state, keys + i);
  }
  for (int i = 0; i < 8; i++) sum = hash(sum, state[i]);
  return sum;
}
