/* Text on the serial port. */
#ifndef PRINT_H
#define PRINT_H

#include <stdint.h>

void print(const char *text);
void print_decimal(uint64_t value);
/* `0x` and 16 digits, the width of an address. */
void print_hex(uint64_t value);

#endif
