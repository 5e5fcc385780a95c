// String and memory copies: blocks of all alignments and sizes, overlapping moves, fills, comparisons, and the string
// functions over text of many short words.
#include "guest.h"

#ifdef NATIVE
#include <string.h>
#endif

const struct program program = {.rounds = 64, .expected = 0x4a472a7322d09116};

void *memcpy(void *restrict, const void *restrict, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
int memcmp(const void *, const void *, size_t);

enum { BYTES = 1 << 20, TEXT = 1 << 17 };
static uint8_t from[BYTES] __attribute__((aligned(64))), to[BYTES + 64] __attribute__((aligned(64)));
static char text[TEXT + 1], words[TEXT + 1];

static NOINLINE size_t length_of(const char *string) {
  const char *end = string;
  while (*end) end++;
  return (size_t)(end - string);
}

static NOINLINE int order_of(const char *a, const char *b) {
  for (; *a && *a == *b; a++) b++;
  return (unsigned char)*a - (unsigned char)*b;
}

static NOINLINE char *append(char *end, const char *string) {
  while ((*end = *string++)) end++;
  return end;
}

static NOINLINE uint64_t sum_of(const uint8_t *bytes, size_t count) {
  uint64_t a = 1, b = 0;
  for (size_t i = 0; i < count; i++) {
    a += bytes[i];
    b += a;
  }
  return a ^ b << 20;
}

static NOINLINE uint64_t blocks(void) {
  uint64_t seed = 0x2545f4914f6cdd1d, sum = HASH_START;
  memcpy(to, from, BYTES);
  if (memcmp(to, from, BYTES) != 0) return 0;
  memset(to + 3, 0x5a, BYTES / 2 - 5);
  memmove(to + 64, to, BYTES / 2);
  memmove(to + 1, to + 8, BYTES / 4);
  memcpy(to + BYTES / 2 + 5, from + 2, BYTES / 8);
  for (int i = 0; i < 2000; i++) {
    uint64_t random = next_random(&seed);
    size_t size = random >> 8 & 255;
    size_t source = (random >> 16 & 0xffff) * 8 + (i & 1 ? random & 7 : 0);
    size_t target = (random >> 32 & 0xffff) * 8 + (i & 2 ? random >> 4 & 7 : 0);
    memcpy(to + target, from + source, size);
    sum += (uint64_t)memcmp(to + target, from + target, 8) & 1;
  }
  return hash(sum, sum_of(to, BYTES));
}

// Splits the text into words, compares neighbours, and joins them in another order.
static NOINLINE uint64_t strings(void) {
  uint64_t sum = HASH_START, count = 0;
  memcpy(words, text, TEXT + 1);
  const char *before = "";
  char *end = text;
  for (char *at = words; at < words + TEXT;) {
    char *word = at;
    while (*at && *at != ' ') at++;
    *at++ = 0;
    sum = hash(sum, length_of(word));
    if (order_of(before, word) < 0) count++;
    before = word;
  }
  for (char *at = words; at < words + TEXT; at += length_of(at) + 1)
    if (order_of(at, "n") < 0) end = append(append(end, at), " ");
  sum = hash(sum, sum_of((const uint8_t *)text, (size_t)(end - text)));
  return hash(sum, count);
}

void prepare(void) {
  for (int i = 0; i < BYTES; i++) from[i] = (uint8_t)(i * 7 + (i >> 8));
}

uint64_t run_round(void) {
  uint64_t seed = 0x9e3779b97f4a7c15u;
  memset(to, 0, sizeof to);
  for (int i = 0; i < TEXT; i++) {
    uint64_t random = next_random(&seed) >> 58;
    text[i] = random < 12 ? ' ' : (char)('a' + random % 26);
  }
  text[TEXT] = 0;
  uint64_t sum = blocks();
  return hash(sum, strings());
}
