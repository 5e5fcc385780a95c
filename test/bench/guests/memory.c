// String and memory work over 6 MB: copy by words and by bytes, compare, and a checksum that must come out the same.
#include <stdint.h>

enum { BYTES = 3 << 20 };
static uint8_t from[BYTES] __attribute__((aligned(8))), to[BYTES + 8] __attribute__((aligned(8)));

static void copy_words(void) {
  volatile uint64_t *d = (uint64_t *)to;
  const uint64_t *s = (const uint64_t *)from;
  for (int i = 0; i < BYTES / 8; i++) d[i] = s[i];
}

static void copy_bytes(int shift) {
  volatile uint8_t *d = to + shift;
  for (int i = 0; i < BYTES; i++) d[i] = from[i];
}

static uint64_t checksum(const uint8_t *bytes) {
  uint64_t a = 1, b = 0;
  for (int i = 0; i < BYTES; i++) {
    a += bytes[i];
    b += a;
  }
  return a ^ b << 20;
}

int main(void) {
  for (int i = 0; i < BYTES; i++) from[i] = (uint8_t)(i * 7 + (i >> 8));
  uint64_t expected = checksum(from);
  for (int round = 0; round < 6; round++) {
    copy_words();
    if (checksum(to) != expected) return 1;
    copy_bytes(round & 7);
    if (checksum(to + (round & 7)) != expected) return 2;
  }
  return 0;
}
