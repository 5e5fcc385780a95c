/* The serial port: a 16550 at UART_BASE, its interrupt at the PLIC's source UART_INTERRUPT. */
#ifndef UART_H
#define UART_H

#include <stdbool.h>

#define UART_INTERRUPT 10

/* Output is polled: a character goes out when the transmitter has room for it. */
void uart_put(char c);

/* Input comes by interrupt, into a small buffer. */
void uart_enable_input(void);
void uart_interrupt(void);
/* The next character typed; false when there is none. */
bool uart_get(char *c);

#endif
