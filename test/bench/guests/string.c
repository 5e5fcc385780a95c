// What gcc expects even of a freestanding environment, and what the programs call themselves: by words where both sides
// are aligned, else by bytes.
#include "guest.h"

#ifndef NATIVE

typedef uint64_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if ((((uintptr_t)d | (uintptr_t)s) & 7) == 0)
    for (; bytes >= 8; bytes -= 8, d += 8, s += 8) *(word *)d = *(const word *)s;
  while (bytes-- > 0) *d++ = *s++;
  return to;
}

void *memmove(void *to, const void *from, size_t bytes) {
  uint8_t *d = to;
  const uint8_t *s = from;
  if (d <= s || d >= s + bytes) return memcpy(to, from, bytes);
  while (bytes-- > 0) d[bytes] = s[bytes];
  return to;
}

void *memset(void *to, int value, size_t bytes) {
  uint8_t *d = to;
  word pattern = (uint8_t)value * 0x0101010101010101u;
  for (; bytes > 0 && ((uintptr_t)d & 7) != 0; bytes--) *d++ = (uint8_t)value;
  for (; bytes >= 8; bytes -= 8, d += 8) *(word *)d = pattern;
  while (bytes-- > 0) *d++ = (uint8_t)value;
  return to;
}

int memcmp(const void *a, const void *b, size_t bytes) {
  const uint8_t *x = a, *y = b;
  for (; bytes > 0; bytes--, x++, y++)
    if (*x != *y) return *x - *y;
  return 0;
}

#endif
