#include "print.h"

#include "uart.h"

void print(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            uart_put('\r'); /* terminals want both: back to the line's start, and down */
        uart_put(*text);
    }
}

void print_decimal(uint64_t value)
{
    if (value >= 10)
        print_decimal(value / 10);
    uart_put((char)('0' + value % 10));
}

void print_hex(uint64_t value)
{
    print("0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        uart_put("0123456789abcdef"[(value >> shift) & 15]);
}
