/* The few functions of C's <string.h> that this kernel needs; there is no C library underneath. */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
int strcmp(const char *a, const char *b);
size_t strlen(const char *text);

#endif
